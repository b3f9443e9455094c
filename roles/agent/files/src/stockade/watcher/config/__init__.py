# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of the watcher, /etc/stockade/watcher.toml: `[[input]]`, `[[rule]]` and what is about all of them."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stockade.config import ConfigError, load
from stockade.watcher.config import inputs as input_tables
from stockade.watcher.config import rules as rule_tables
from stockade.watcher.config.inputs import Input
from stockade.watcher.config.parts import Keys, between, seconds, table, unique
from stockade.watcher.config.presets import LOOKBACK, PRESETS
from stockade.watcher.config.rules import Rule

PATH = Path("/etc/stockade/watcher.toml")
MAX_EASING = 12 * 3600  # seconds
_LONGEST_LOOKBACK = 3600  # seconds, unless the file says more
MAX_LOOKBACK = 7 * 86_400  # seconds
_TOP: Keys = {
    "preset": str,
    "lookback": (str, int),
    "max_bans_per_minute": int,
    "max_share": int,
    "easing": dict,
    "events": dict,
    "input": list,
    "rule": list,
}


@dataclass(frozen=True, slots=True)
class Easing:
    """After a key login of one of `users`, the watcher bans nothing that holds that address for `seconds`."""

    users: tuple[str, ...] = ()
    seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Events:
    """How many `days` events are kept (0: none), and whether the `text` of messages is kept with them."""

    days: int = 14
    text: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """`lookback`: how old (seconds) lines of a log may be to count, when it is seen for the first time.

    `max_bans_per_minute` and `max_share` (percent of all requests): beyond these the watcher only observes; 0 is no
    limit.
    """

    inputs: tuple[Input, ...]
    rules: tuple[Rule, ...]
    lookback: int
    max_bans_per_minute: int = 200
    max_share: int = 25
    easing: Easing = Easing()
    events: Events = Events()

    def inputs_of(self, rule: Rule) -> list[Input]:
        """The inputs a rule counts."""
        suited = [entry for entry in self.inputs if entry.kind == rule.kind]
        return [entry for entry in suited if not rule.inputs or entry.name in rule.inputs]


def read(path: Path = PATH) -> Config:
    """The configuration in that file. Raises ConfigError naming file, key and reason."""
    return parse(load(path), where=str(path))


def parse(document: dict[str, Any], where: str = "watcher.toml") -> Config:
    """The configuration of a parsed TOML document. Raises ConfigError."""
    lists = {key: document[key] for key in ("input", "rule") if isinstance(document.get(key), list)}
    given = {**table({key: value for key, value in document.items() if key not in lists}, _TOP, where), **lists}
    preset = given.get("preset", "none" if "rule" in given else "default")
    if preset not in PRESETS:
        raise ConfigError(f"{where}: preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    inputs = [input_tables.parse(entry, f"{where}: input {n}") for n, entry in enumerate(given.get("input", ()), 1)]
    own = [rule_tables.parse(entry, f"{where}: rule {n}") for n, entry in enumerate(given.get("rule", ()), 1)]
    if not inputs:
        raise ConfigError(f"{where}: no [[input]]: no rule can fire")
    unique([entry.name for entry in inputs], f"{where}: input")
    unique([entry.place for entry in inputs], f"{where}: input path")
    _check_overlap(inputs, where)
    config = Config(inputs=tuple(inputs), rules=(*PRESETS[preset], *own), lookback=0, **_about_all(given, where))
    unique([rule.name for rule in config.rules], f"{where}: rule")
    for rule in own:
        _check_can_fire(rule, config, where)
    config = replace(config, rules=tuple(rule for rule in config.rules if config.inputs_of(rule)))
    if not config.rules:
        raise ConfigError(f"{where}: no [[rule]] and no preset: nothing can be banned")
    longest = max(rule.findtime for rule in config.rules)
    wanted = seconds(given["lookback"], f"{where}: lookback") if "lookback" in given else LOOKBACK.get(preset, 0)
    if wanted > MAX_LOOKBACK:
        raise ConfigError(f"{where}: lookback must be at most {MAX_LOOKBACK // 86_400}d, not {given['lookback']}")
    shortest = min(longest, _LONGEST_LOOKBACK)
    return replace(config, lookback=max(wanted, shortest))


def _check_overlap(inputs: list[Input], where: str) -> None:
    """Raise ConfigError if a pattern meets the log of another input: its lines would count twice."""
    for entry in inputs:
        for other in inputs:
            if entry is not other and entry.path and fnmatch.fnmatchcase(entry.path, other.path):
                raise ConfigError(f"{where}: input {other.name}: {other.path} is or holds {entry.path} of {entry.name}")


def _about_all(given: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "max_bans_per_minute" in given:
        bans = given["max_bans_per_minute"]
        found["max_bans_per_minute"] = between(bans, 0, 100_000, f"{where}: max_bans_per_minute")
    if "max_share" in given:
        found["max_share"] = between(given["max_share"], 0, 100, f"{where}: max_share")
    if "easing" in given:
        found["easing"] = _easing(given["easing"], f"{where}: easing")
    if "events" in given:
        entry = table(given["events"], {"days": int, "text": bool}, f"{where}: events")
        between(entry.get("days", 1), 0, 365, f"{where}: events: days")
        found["events"] = Events(**entry)
    return found


def _easing(entry: dict[str, Any], where: str) -> Easing:
    given = table(entry, {"users": list, "duration": (str, int)}, where, required=("users",))
    longest = seconds(given.get("duration", "1h"), f"{where}: duration")
    if longest > MAX_EASING:
        raise ConfigError(f"{where}: duration must be at most {MAX_EASING // 3600}h, not {given['duration']}")
    return Easing(users=given["users"], seconds=longest)


def _check_can_fire(rule: Rule, config: Config, where: str) -> None:
    by_name = {entry.name: entry for entry in config.inputs}
    where = f"{where}: rule {rule.name}"
    for name in rule.inputs:
        if name not in by_name:
            raise ConfigError(f"{where}: inputs: no input is named {name!r}, it cannot fire")
        if by_name[name].kind != rule.kind:
            raise ConfigError(f"{where}: inputs: {name} has {by_name[name].kind}, {rule.type} judges {rule.kind}")
    counted = config.inputs_of(rule)
    if not counted:
        raise ConfigError(
            f"{where}: no input has {rule.kind} (format {_formats(rule)}), it cannot fire: name one in inputs"
        )
    if rule.start and all(any(rule.start.startswith(text) for text in entry.ignore) for entry in counted):
        raise ConfigError(f"{where}: start: what begins so is dropped by ignore of its inputs, it cannot fire")


def _formats(rule: Rule) -> str:
    return ", ".join(name for name, kind in input_tables.FORMATS.items() if kind == rule.kind)


__all__ = [
    "PATH",
    "PRESETS",
    "Config",
    "ConfigError",
    "Easing",
    "Events",
    "Input",
    "Rule",
    "parse",
    "read",
]
