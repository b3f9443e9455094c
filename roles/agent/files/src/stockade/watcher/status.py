# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the watcher is: each input, each rule, what deserves an alarm; and telling it to whoever wants to know."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from stockade import __version__
from stockade.watcher import breaker, textfile
from stockade.watcher.courier import Courier
from stockade.watcher.engine import Engine
from stockade.watcher.journal import WARNING, Problems, log
from stockade.watcher.reading import Reading, Source
from stockade.watcher.verdict import PROXY, STORM

PERIOD = 60.0  # seconds
_ENOUGH = 100  # lines after which mostly unparsed ones are a problem


class Reporter:
    """Writes the status file and the textfile, and tells of alarms.

    `bans` is how many bans the warden made at the watcher's word, `events_dropped` how many events were not kept.
    """

    def __init__(self, runtime_dir: Path | None, *, started: int) -> None:
        self.bans = 0
        self.events_dropped = 0
        self._path = runtime_dir / "status.json" if runtime_dir else None
        self._started = started
        self._alarms = Alarms()
        self._told: set[str] = set()  # what alarms are about that the journal has
        self._rate_from = (time.monotonic(), 0)
        self._lines_per_second = 0

    def status(self, word: str, reading: Reading, courier: Courier, problems: Problems, now: int) -> dict[str, Any]:
        """Everything in one mapping; `now` in epoch seconds. The courier is given what deserves an alarm."""
        engine = reading.engine
        inputs = [input_status(source, engine, name, now) for name, source in reading.inputs.items()]
        alarms = self._alarms.look(inputs, engine, courier, monotonic=time.monotonic())
        found = [*problems.texts, *alarms.values()]
        self._announce(alarms)
        courier.alarm(alarms)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "state": "degraded" if found and word == "watching" else word,
            "started_at": self._started,
            "at": now,
            "problems": found,
            "last_error": found[0] if found else "",
            "lines_per_second": self._lines_per_second,
            "bans": self.bans,
            "pending": len(courier.pending),
            "dropped": courier.dropped,
            "late": courier.late,
            "events_dropped": self.events_dropped,
            "inputs": inputs,
            "rules": rule_status(engine),
            "held": breaker.summary(engine.breaker),
            "eased": sorted(engine.eased.until) if engine.eased else [],
        }

    def tell(self, status: dict[str, Any]) -> str:
        """Write status file and textfile; what went wrong, empty if nothing did."""
        self._measure(sum(entry["lines"] for entry in status["inputs"]))
        if self._path is None:
            return ""
        temporary = self._path.with_name("status.json.new")
        try:
            temporary.write_text(json.dumps(status), encoding="ascii")
            os.replace(temporary, self._path)
        except OSError as error:
            return f"cannot write {self._path}: {error.strerror}"
        return textfile.write(self._path.with_name("stockade.prom"), status)

    def _measure(self, lines: int) -> None:
        now, (since, before) = time.monotonic(), self._rate_from
        if now > since:
            self._lines_per_second = round(max(0, lines - before) / (now - since))
        self._rate_from = (now, lines)

    def _announce(self, alarms: dict[str, str]) -> None:
        """Say new alarms in the journal."""
        for about, text in alarms.items():
            if about not in self._told:
                log(WARNING, f"alarm about={about.replace(' ', '-')}: {text}")
        self._told = set(alarms)


def input_status(source: Source, engine: Engine, name: str, now: int) -> dict[str, Any]:
    """Counts and lag of one input; `now` in epoch seconds."""
    parser, newest = engine.formats[name], engine.newest[name]
    entry = next(entry for entry in engine.config.inputs if entry.name == name)
    behind = source.behind()
    return {
        "name": name,
        "path": entry.place,
        "lines": parser.parsed + parser.unparsed,
        "unparsed": parser.unparsed,
        "too_long": source.skipped,
        "out_of_time": engine.out_of_time[name],
        "behind_bytes": behind,
        "lag_seconds": max(0, now - newest) if behind and newest else 0,
        "problem": source.problem,
    }


def rule_status(engine: Engine) -> list[dict[str, Any]]:
    """What each rule tracks and decided; clients that one tally counts for several rules are told with each of them."""
    return [
        {
            "name": rule.name,
            "type": rule.type,
            "observe": rule.observe,
            "maxretry": rule.maxretry,
            "findtime": rule.findtime,
            "tracked": tally.tracked,
            "verdicts": tally.verdicts[rule.name],
            "shed": tally.shed,
        }
        for tally in engine.tallies
        for rule in tally.rules
    ]


class Alarms:
    """What is wrong though nothing failed: lines that do not parse or do not count, lag, shedding, dropped verdicts.

    About the last one to two times `PERIOD`: what is over does not stay an alarm.
    """

    def __init__(self) -> None:
        self._from: dict[str, int] = {}  # counters where the span begins that is looked at
        self._middle: dict[str, int] = {}
        self._turn = 0.0  # monotonic: when the middle becomes the beginning

    def look(
        self, inputs: list[dict[str, Any]], engine: Engine, courier: Courier, *, monotonic: float
    ) -> dict[str, str]:
        """The alarms now, by what they are about."""
        totals = {
            f"{key} {entry['name']}": int(entry[key])
            for entry in inputs
            for key in ("lines", "unparsed", "out_of_time")
        }
        totals.update({f"shed {tally.rules[0].name}": tally.shed for tally in engine.tallies})
        totals.update(dropped=courier.dropped, proxied=courier.proxied)
        totals.update({f"held {why}": count for why, count in engine.breaker.held.items()})
        if monotonic >= self._turn:
            self._from, self._middle, self._turn = self._middle, totals, monotonic + PERIOD
        recent = {key: _more(total, self._from.get(key, 0)) for key, total in totals.items()}
        return {**self._about_inputs(inputs, recent, engine), **self._about_bans(recent, engine)}

    def _about_inputs(self, inputs: list[dict[str, Any]], recent: dict[str, int], engine: Engine) -> dict[str, str]:
        found = {}
        shortest = min(rule.findtime for rule in engine.rules)
        for entry in inputs:
            name, path = entry["name"], entry["path"]
            lines, unparsed, late = (recent[f"{key} {name}"] for key in ("lines", "unparsed", "out_of_time"))
            if lines >= _ENOUGH and unparsed * 2 > lines:
                found[f"format {name}"] = f"{path}: {unparsed} of {lines} lines do not parse"
            if lines >= _ENOUGH and late * 10 > lines * 9:
                found[f"time {name}"] = (
                    f"{path}: {late} of {lines} lines are too old or of the future: is the clock right?"
                )
            if entry["lag_seconds"] > shortest:
                found[f"lag {name}"] = f"{path}: {entry['lag_seconds']}s behind"
        return found

    def _about_bans(self, recent: dict[str, int], engine: Engine) -> dict[str, str]:
        found = {}
        for tally in engine.tallies:
            name = tally.rules[0].name
            if shed := recent[f"shed {name}"]:
                found[f"shed {name}"] = f"rule {name}: too many clients, {shed} quiet ones were forgotten"
        for why, count in engine.breaker.held.items():
            if recent[f"held {why}"]:
                about = summary_words(why, count, engine)
                found[why.partition("(")[2].rstrip(")")] = about
        if recent["proxied"]:
            found["proxy"] = f"{recent['proxied']} bans were only told: {PROXY}; use the warden's backend `command`"
        if recent["dropped"]:
            found["dropped"] = f"{recent['dropped']} verdicts were dropped while the warden was away"
        return found


def summary_words(why: str, count: int, engine: Engine) -> str:
    """What the breaker did, and what to do about it."""
    if why == STORM:
        return f"storm: more than {engine.config.max_bans_per_minute} bans in a minute, {count} so far only told"
    names = ", ".join(sorted(engine.breaker.heavy)[:3])
    return (
        f"{names}: over {engine.config.max_share} % of all requests for a while, as a proxy has: not banned. Name it in"
        " trusted_proxies, or ban it by hand"
    )


def _more(total: int, before: int) -> int:
    return total - before if total >= before else total  # a counter that fell began at nothing again
