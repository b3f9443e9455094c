# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys of docs/examples/awx, and what AWX makes of somebody's answers to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "awx"
SURVEYS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (EXAMPLES / "surveys").glob("*.json")}
TYPES: dict[str, type] = {"text": str, "textarea": str, "multiplechoice": str, "integer": int}


def answers(survey: str, **given: Any) -> dict[str, Any]:
    """The extra variables of a launch: what is given, defaults otherwise. Raises ValueError where AWX refuses."""
    questions = {question["variable"]: question for question in SURVEYS[survey]["spec"]}
    if set(given) - set(questions):
        raise ValueError(f"{survey} does not ask for {sorted(set(given) - set(questions))}")
    told = {name: question["default"] for name, question in questions.items() if question["default"] != ""}
    told.update(given)
    for name, question in questions.items():
        if name not in told:
            if question["required"]:
                raise ValueError(f"{name}: is required")
            continue
        value, kind = told[name], question["type"]
        if not isinstance(value, TYPES[kind]):
            raise ValueError(f"{name}: {value!r} is no {kind}")
        size = len(value) if isinstance(value, str) else value
        if kind == "multiplechoice" and value not in question["choices"]:
            raise ValueError(f"{name}: {value!r} is none of the choices")
        if kind != "multiplechoice" and not question["min"] <= size <= question["max"]:
            raise ValueError(f"{name}: is too short or too long")
    return told
