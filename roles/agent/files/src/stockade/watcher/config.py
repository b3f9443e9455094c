# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of the watcher, /etc/stockade/watcher.toml: `[[input]]` and `[[rule]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stockade import durations
from stockade.config import ConfigError, check_keys, load
from stockade.watcher.clients import DEFAULT_KEY, KEYS

PATH = Path("/etc/stockade/watcher.toml")
FORMATS = ("access",)
TYPES = ("rate",)
MAX_RETRY = 10_000  # requests: each one in a window is remembered
MAX_FINDTIME = 86_400  # seconds
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # it becomes part of a ban's source
_Keys = dict[str, type | tuple[type, ...]]
_TOP: _Keys = {"preset": str, "lookback": (str, int), "input": list, "rule": list}
_INPUT: _Keys = {"name": str, "path": str, "format": str, "vhost": bool}
_RULE: _Keys = {
    "name": str,
    "type": str,
    "inputs": list,
    "maxretry": int,
    "findtime": (str, int),
    "duration": (str, int),
    "reason": str,
    "key": str,
    "exclude_static": bool,
    "observe": bool,
}


@dataclass(frozen=True, slots=True)
class Input:
    """A log file, and how its lines are read; with `vhost` they begin with a virtual host (vhost_combined)."""

    name: str
    path: str
    format: str = "access"
    vhost: bool = False


@dataclass(frozen=True, slots=True)
class RateRule:
    """`maxretry` is the count that bans, `findtime` its sliding window; both durations in seconds, None permanent."""

    name: str
    maxretry: int = 30
    findtime: int = 60
    duration: int | None = 600
    reason: str = ""
    key: str = DEFAULT_KEY
    exclude_static: bool = True
    observe: bool = False
    inputs: tuple[str, ...] = ()  # empty: all


@dataclass(frozen=True, slots=True)
class Config:
    """`lookback`: how old (seconds) lines of a log may be to count, when it is seen for the first time."""

    inputs: tuple[Input, ...]
    rules: tuple[RateRule, ...]
    lookback: int


# The defaults a site can turn on blindly, and the first source system's 30 of anything.
PRESETS: dict[str, tuple[RateRule, ...]] = {
    "default": (
        RateRule(name="requests"),
        RateRule(name="requests-all", maxretry=300, exclude_static=False),
    ),
    "original": (RateRule(name="original", exclude_static=False),),
    "none": (),
}
_LOOKBACK = {"original": 3600}


def read(path: Path = PATH) -> Config:
    """The configuration in that file. Raises ConfigError naming file, key and reason."""
    return parse(load(path), where=str(path))


def check(path: str | Path) -> list[str]:
    """What is wrong with that file; empty if a watcher would start with it."""
    try:
        read(Path(path))
    except ConfigError as error:
        return [str(error)]
    return []


def parse(table: dict[str, Any], where: str = "watcher.toml") -> Config:
    """The configuration of a parsed TOML document. Raises ConfigError."""
    check_keys(table, _TOP, where)
    preset = table.get("preset", "none" if "rule" in table else "default")
    if preset not in PRESETS:
        raise ConfigError(f"{where}: preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    inputs = [_input(entry, f"{where}: input {number}") for number, entry in enumerate(table.get("input", ()), 1)]
    rules = [_rule(entry, f"{where}: rule {number}") for number, entry in enumerate(table.get("rule", ()), 1)]
    rules = [*PRESETS[preset], *rules]
    _unique([entry.name for entry in inputs], f"{where}: input")
    _unique([entry.path for entry in inputs], f"{where}: input path")
    _unique([entry.name for entry in rules], f"{where}: rule")
    if not inputs:
        raise ConfigError(f"{where}: no [[input]]: no rule can fire")
    if not rules:
        raise ConfigError(f"{where}: no [[rule]] and no preset: nothing can be banned")
    known = {entry.name for entry in inputs}
    for rule in rules:
        for name in rule.inputs:
            if name not in known:
                raise ConfigError(f"{where}: rule {rule.name}: inputs: no input is named {name!r}, it cannot fire")
    longest = max(rule.findtime for rule in rules)
    lookback = _seconds(table["lookback"], f"{where}: lookback") if "lookback" in table else _LOOKBACK.get(preset, 0)
    return Config(inputs=tuple(inputs), rules=tuple(rules), lookback=max(lookback or longest, longest))


def _input(entry: object, where: str) -> Input:
    table = _table(entry, _INPUT, where, required=("name", "path"))
    parsed = Input(**table)
    _check_name(parsed.name, where)
    where = f"{where} ({parsed.name})"
    if not parsed.path.startswith("/") or "\0" in parsed.path:
        raise ConfigError(f"{where}: path must be absolute, not {parsed.path!r}")
    if any(char in parsed.path for char in "*?["):
        raise ConfigError(f"{where}: path {parsed.path!r}: patterns are not supported, name one file")
    if parsed.format not in FORMATS:
        raise ConfigError(f"{where}: format must be one of {', '.join(FORMATS)}, not {parsed.format!r}")
    return parsed


def _rule(entry: object, where: str) -> RateRule:
    table = _table(entry, _RULE, where, required=("name", "type"))
    _check_name(table["name"], where)
    where = f"{where} ({table['name']})"
    if table.pop("type") not in TYPES:
        raise ConfigError(f"{where}: type must be one of {', '.join(TYPES)}")
    if "findtime" in table:
        table["findtime"] = _seconds(table["findtime"], f"{where}: findtime")
    if "duration" in table:
        try:
            table["duration"] = durations.parse(table["duration"])
        except ValueError as error:
            raise ConfigError(f"{where}: duration: {error}") from None
    if "inputs" in table:
        if not table["inputs"] or not all(isinstance(name, str) for name in table["inputs"]):
            raise ConfigError(f"{where}: inputs must name at least one input, or be left out for all")
        table["inputs"] = tuple(table["inputs"])
    rule = replace(RateRule(name=table["name"]), **table)
    if not 1 <= rule.maxretry <= MAX_RETRY:
        raise ConfigError(f"{where}: maxretry must be 1 to {MAX_RETRY}, not {rule.maxretry}")
    if rule.findtime > MAX_FINDTIME:
        raise ConfigError(f"{where}: findtime must be at most {MAX_FINDTIME}s, not {rule.findtime}s")
    if rule.key not in KEYS:
        raise ConfigError(f"{where}: key must be one of {', '.join(KEYS)}, not {rule.key!r}")
    if len(rule.reason) > 80 or not rule.reason.isprintable():
        raise ConfigError(f"{where}: reason must be printable and at most 80 characters long")
    return rule


def _table(entry: object, known: _Keys, where: str, *, required: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: must be a table ([[…]])")
    check_keys(entry, known, where)
    for key in required:
        if key not in entry:
            raise ConfigError(f"{where}: {key} is missing")
    return dict(entry)


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: name {name!r} must be letters, digits, dot, dash, underscore (at most 64)")


def _seconds(value: object, where: str) -> int:
    try:
        seconds = durations.parse(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    if seconds is None:
        raise ConfigError(f"{where}: must be a number of seconds, not permanent")
    return seconds


def _unique(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where} {name!r} is there twice")
