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


def alarms(inputs: list[dict[str, Any]], engine: Engine, courier: Courier) -> list[str]:
    """What is wrong though nothing failed: lines that do not parse, lag, shedding, dropped verdicts."""
    found = []
    shortest = min(rule.rule.findtime for rule in engine.rules)
    for entry in inputs:
        if entry["lines"] >= _ENOUGH and entry["unparsed"] * 2 > entry["lines"]:
            found.append(f"{entry['path']}: {entry['unparsed']} of {entry['lines']} lines do not parse")
        if entry["lag_seconds"] > shortest:
            found.append(f"{entry['path']}: {entry['lag_seconds']}s behind")
    found += [
        f"rule {rule.rule.name}: too many clients, {rule.shed} quiet ones were forgotten"
        for rule in engine.rules
        if rule.shed
    ]
    if courier.dropped:
        found.append(f"{courier.dropped} verdicts were dropped while the warden was away")
    return found
