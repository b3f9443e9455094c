# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that have to reach a number instead of staying below one, and all figures as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchlib.figures import Figures, Target

_ROW = "{:<34} {:>10}  {:>19}  {:<24} {}"  # as in Figures.table


class FlooredFigures(Figures):
    """Figures with targets of both kinds; `floors` are the numbers to reach."""

    def __init__(self, targets: dict[str, Target], floors: dict[str, float]) -> None:
        super().__init__(targets)
        self._floors = floors

    def write(self, path: Path, **more: Any) -> None:
        """As JSON, with the numbers to reach as `floors`."""
        super().write(path, floors=self._floors, **more)
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = content["figures"]
        content["met"] |= {name: figures[name] >= floor for name, floor in self._floors.items() if name in figures}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def table(self) -> Iterable[str]:
        """The figures with their range, target and whether it is met."""
        for line in super().table():
            name, value = line.split()[:2]
            if name not in self._floors:
                yield line
                continue
            floor, met = self._floors[name], self.values()[name] >= self._floors[name]
            span = line[47:66].strip()
            yield _ROW.format(name, value, span, f">= {floor:.4g}", "met" if met else "NOT MET")


def markdown(path: Path) -> Iterable[str]:
    """The rows of a Markdown table of the figures in a file that `write` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures, targets, floors, met = (content.get(key, {}) for key in ("figures", "targets", "floors", "met"))
    yield "| figure | measured | target | |"
    yield "|---|---:|---:|---|"
    for name, value in figures.items():
        limit = f"≥ {_plain(floors[name])}" if name in floors else ""
        if targets.get(name) is not None:
            limit = f"< {_plain(targets[name])}"
        verdict = {True: "met", False: "**not met**"}[met[name]] if name in met else ""
        yield f"| `{name}` | {_plain(value)} | {limit} | {verdict} |"


def _plain(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
