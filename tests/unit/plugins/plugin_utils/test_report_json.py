# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON is what docs/report-schema.json says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_json import report_text
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT / "tests/bench"))

from benchlib.manyhosts import NOW, fleet  # noqa: E402  # the path comes first

HOSTILE = {
    "schema": 1,
    "bans": json.dumps(
        [
            {
                "network": "203.0.113.1",
                "source": 5,
                "reason": ["x"],
                "banned_at": 10**18,
                "expires_at": -5,
                "packets": 7,
            },
            {"network": "::1", "source": None, "banned_at": -1, "expires_at": None},
        ]
    ),
    "jails": [{"banned": ["x"], "name": None, "n": float("inf")}, 5],
    "services": [{"restarts": float("nan")}],
    "summary": {"bans": -5, "by_source": {"a": "b"}},
    "whitelist": "[1]",
}


def errors(report: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((ROOT / "docs/report-schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(report)]


@pytest.mark.parametrize(
    "results",
    [
        {},
        {"a": None, "b": {"unreachable": True}, "c": {}, "d": {"schema": 9}},
        {"a": HOSTILE},
        fleet(hosts=300, bans=20),
    ],
    ids=["empty", "silent", "hostile", "many"],
)
def test_report_fits_its_schema(results: dict[str, Any]) -> None:
    first = json.loads(report_text(merge(results, now=NOW)))
    assert errors(first) == []
    second = json.loads(report_text(merge({}, now=NOW + 60, previous=first)))
    assert errors(second) == []
    assert len(second["past"]) == len(first["bans"])


def test_schema_is_strict() -> None:
    report = merge({"a": HOSTILE}, now=NOW)
    assert errors({**report, "more": 1})
    assert errors({**report, "bans": [{**report["bans"][0], "network": "<b>"}]})
    assert errors({**report, "bans": [{**report["bans"][0], "more": 1}]})


def test_text_has_a_line_for_each_ban_and_host() -> None:
    report = merge(fleet(hosts=5, bans=20), now=NOW)
    text = report_text(report)
    assert json.loads(text) == report
    lines = [line.strip().rstrip(",") for line in text.splitlines()]
    assert all(json.dumps(row) in lines for row in [*report["bans"], *report["hosts"]])


def test_text_is_taken_for_no_literal() -> None:
    """Core 2.18 parses a text that begins like a mapping as Python, which of a large fleet takes gigabytes."""
    assert not report_text(merge({}, now=NOW)).startswith(("{", "["))
