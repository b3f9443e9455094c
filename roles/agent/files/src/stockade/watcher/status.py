# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the watcher is: each input, each rule, and what deserves an alarm."""

from __future__ import annotations

from typing import Any

from stockade.watcher.courier import Courier
from stockade.watcher.engine import Engine
from stockade.watcher.inputs.file import FileInput
from stockade.watcher.rules.rate import Rate

PERIOD = 60.0  # seconds
_ENOUGH = 100  # lines after which mostly unparsed ones are a problem


def input_status(source: FileInput, engine: Engine, name: str, now: int) -> dict[str, Any]:
    """Counts and lag of one input; `now` in epoch seconds."""
    parser, newest = engine.formats[name], engine.newest[name]
    behind = source.behind()
    return {
        "name": name,
        "path": source.path,
        "lines": parser.parsed + parser.unparsed,
        "unparsed": parser.unparsed,
        "too_long": source.skipped,
        "out_of_time": engine.out_of_time[name],
        "behind_bytes": behind,
        "lag_seconds": max(0, now - newest) if behind and newest else 0,
        "problem": source.problem,
    }


def rule_status(rule: Rate) -> dict[str, Any]:
    """What one rule tracks and decided."""
    return {
        "name": rule.rule.name,
        "observe": rule.rule.observe,
        "tracked": rule.tracked,
        "verdicts": rule.verdicts,
        "shed": rule.shed,
    }


class Alarms:
    """What is wrong though nothing failed: lines that do not parse or do not count, lag, shedding, dropped verdicts.

    About the last one to two times `PERIOD`: what is over does not stay an alarm.
    """

    def __init__(self) -> None:
        self._from: dict[str, int] = {}  # counters where the span begins that is looked at
        self._middle: dict[str, int] = {}
        self._turn = 0.0  # monotonic: when the middle becomes the beginning

    def look(self, inputs: list[dict[str, Any]], engine: Engine, courier: Courier, *, monotonic: float) -> list[str]:
        """The alarms now."""
        totals = {
            f"{key} {entry['name']}": int(entry[key])
            for entry in inputs
            for key in ("lines", "unparsed", "out_of_time")
        }
        totals.update({f"shed {rule.rule.name}": rule.shed for rule in engine.rules}, dropped=courier.dropped)
        if monotonic >= self._turn:
            self._from, self._middle, self._turn = self._middle, totals, monotonic + PERIOD
        recent = {key: _more(total, self._from.get(key, 0)) for key, total in totals.items()}
        found = []
        shortest = min(rule.rule.findtime for rule in engine.rules)
        for entry in inputs:
            name, path = entry["name"], entry["path"]
            lines, unparsed, late = (recent[f"{key} {name}"] for key in ("lines", "unparsed", "out_of_time"))
            if lines >= _ENOUGH and unparsed * 2 > lines:
                found.append(f"{path}: {unparsed} of {lines} lines do not parse")
            if lines >= _ENOUGH and late * 10 > lines * 9:
                found.append(f"{path}: {late} of {lines} lines are too old or of the future: is the clock right?")
            if entry["lag_seconds"] > shortest:
                found.append(f"{path}: {entry['lag_seconds']}s behind")
        for rule in engine.rules:
            if shed := recent[f"shed {rule.rule.name}"]:
                found.append(f"rule {rule.rule.name}: too many clients, {shed} quiet ones were forgotten")
        if recent["dropped"]:
            found.append(f"{recent['dropped']} verdicts were dropped while the warden was away")
        return found


def _more(total: int, before: int) -> int:
    return total - before if total >= before else total  # a counter that fell began at nothing again
