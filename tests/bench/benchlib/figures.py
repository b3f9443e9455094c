# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples, their medians, the targets beside them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """A figure has to stay below `factor` times the figure `of`, or below `factor` itself."""

    factor: float
    of: str = ""

    def limit(self, figures: dict[str, float]) -> float | None:
        """The number to stay below; None if what it depends on was not measured."""
        if not self.of:
            return self.factor
        return self.factor * figures[self.of] if self.of in figures else None


class Figures:
    """What one run found."""

    def __init__(self, targets: dict[str, Target]) -> None:
        self._targets = targets
        self._samples: dict[str, list[float]] = {}
        self._single: dict[str, float] = {}

    def add(self, name: str, *samples: float) -> None:
        """More samples of a figure, which is their median."""
        self._samples.setdefault(name, []).extend(samples)

    def put(self, name: str, value: float) -> None:
        """A figure that is no median."""
        self._single[name] = value

    def values(self) -> dict[str, float]:
        """Every figure."""
        medians = {name: statistics.median(samples) for name, samples in self._samples.items()}
        return {name: float(f"{value:.4g}") for name, value in (medians | self._single).items()}

    def write(self, path: Path, **more: Any) -> None:
        """The figures, their samples and targets, and whatever else belongs to them, as JSON."""
        figures = self.values()
        limits = {name: target.limit(figures) for name, target in self._targets.items()}
        met = {name: figures[name] < limit for name, limit in limits.items() if limit is not None and name in figures}
        samples = {name: [float(f"{value:.4g}") for value in found] for name, found in self._samples.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"figures": figures, "targets": limits, "met": met, "samples": samples, **more}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def table(self) -> Iterable[str]:
        """The figures with their range, target and whether it is met."""
        row = "{:<34} {:>10}  {:>19}  {:<24} {}"
        yield row.format("FIGURE", "MEDIAN", "RANGE", "TARGET", "")
        figures = self.values()
        for name, value in figures.items():
            found = self._samples.get(name, [])
            span = f"{min(found):.4g} - {max(found):.4g}" if len(found) > 1 else ""
            target = self._targets.get(name)
            limit = target.limit(figures) if target else None
            if target is None or limit is None:
                yield row.format(name, f"{value:.4g}", span, "", "").rstrip()
                continue
            said = f"< {limit:.4g}" + (f" ({target.factor:g} x {target.of})" if target.of else "")
            yield row.format(name, f"{value:.4g}", span, said, "met" if value < limit else "NOT MET")


def percentile(samples: list[float], percent: float) -> float:
    """The smallest sample that so many percent of them do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * int(percent) // 100) - 1)]
