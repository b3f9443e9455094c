# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`[[rule]]`: what makes events a ban."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from stockade.config import ConfigError
from stockade.watcher.clients import DEFAULT_KEY, KEYS
from stockade.watcher.config.parts import FOREVER, Keys, between, check_name, duration, one_of, seconds, table

MAX_RETRY = 10_000  # events: each one in a window is remembered
MAX_FINDTIME = 86_400  # seconds, of rules that look at every request
MAX_FINDTIME_MESSAGES = 30 * 86_400  # seconds, of the others
USER = "user"  # the key of a rule that counts by the name somebody tried
PROBES = ("path", "injection", "traversal")
# Type -> what it judges, see stockade.watcher.events.
TYPES = {"rate": "requests", "probe": "requests", "failures": "messages", "users": "messages", "text": "messages"}
_STATUS = re.compile(r"[1-9]xx|[1-9]\d\d(?:-[1-9]\d\d)?")
_COMMON: Keys = {
    "name": str,
    "type": str,
    "inputs": list,
    "maxretry": int,
    "findtime": (str, int),
    "duration": (str, int),
    "reason": str,
    "key": str,
    "observe": bool,
    "must_match": list,
    "must_not_match": list,
}
_OWN: dict[str, Keys] = {
    "rate": {"exclude_static": bool, "status": list, "method": list, "path": list, "agent": list},
    "probe": {"probes": list, "paths": list, "wide": bool},
    "failures": {},
    "users": {"names": list, "ignore_case": bool},
    "text": {"start": str, "anywhere": str},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """`maxretry` is the count that bans, `findtime` its sliding window; both durations in seconds, None permanent.

    What follows `inputs` (empty: all that suit) belongs to one type: `rate` counts requests (`status` such as `404`,
    `4xx`, `400-404`; `path` with `*` for anything; `agent` parts of the user agent), `probe` distinct sensitive
    requests (`paths` more of them, from the root or, without `/`, anywhere; `wide` the longer list), `failures` failed
    logins, `users` tries of `names`, `text` messages that `start` so or hold a text `anywhere`. `must_match` and
    `must_not_match`: sample lines.
    """

    name: str
    type: str = "rate"
    maxretry: int = 30
    findtime: int = 60
    duration: int | None = 600
    reason: str = ""
    key: str = DEFAULT_KEY
    observe: bool = False
    inputs: tuple[str, ...] = ()
    exclude_static: bool = True
    status: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    probes: tuple[str, ...] = PROBES
    paths: tuple[str, ...] = ()
    wide: bool = False
    names: tuple[str, ...] = ()
    ignore_case: bool = False
    start: str = ""
    anywhere: str = ""
    must_match: tuple[str, ...] = ()
    must_not_match: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it judges: `requests` or `messages`."""
        return TYPES[self.type]


# What a rule of each type is unless it says otherwise.
DEFAULTS = {
    "rate": Rule("rate"),
    "probe": Rule("probe", "probe", maxretry=3, findtime=600, duration=3600),
    "failures": Rule("failures", "failures", maxretry=5, findtime=600, duration=3600),
    "users": Rule("users", "users", maxretry=2, findtime=86_400, duration=3600),
    "text": Rule("text", "text", maxretry=5, findtime=600, duration=3600),
}


def parse(entry: object, where: str) -> Rule:
    """One table of the file. Raises ConfigError."""
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        where = (
            f"{where} ({entry['name'][:64]!r})" if not entry["name"].isascii() else f"{where} ({entry['name'][:64]})"
        )
    kind = entry.get("type") if isinstance(entry, dict) else None
    if isinstance(kind, str):
        one_of(kind, tuple(TYPES), f"{where}: type")
    known = {**_COMMON, **_OWN.get(str(kind), {})}
    given = table(entry, known, where, required=("name", "type"))
    check_name(given["name"], where)
    _durations(given, where)
    rule = replace(DEFAULTS[given["type"]], **given)
    between(rule.maxretry, 1, MAX_RETRY, f"{where}: maxretry")
    kinds = (*KEYS, USER) if rule.type == "failures" else tuple(KEYS)
    one_of(rule.key, kinds, f"{where}: key")
    if len(rule.reason) > 80 or not rule.reason.isprintable():
        raise ConfigError(f"{where}: reason must be printable and at most 80 characters long")
    _CHECKS.get(rule.type, lambda _rule, _where: None)(rule, where)
    return rule


def _durations(given: dict[str, Any], where: str) -> None:
    longest = MAX_FINDTIME if given["type"] == "rate" else MAX_FINDTIME_MESSAGES
    if given.get("findtime") == "permanent" and TYPES[given["type"]] == "messages":
        given["findtime"] = FOREVER
    elif "findtime" in given:
        given["findtime"] = seconds(given["findtime"], f"{where}: findtime")
        if given["findtime"] > longest:
            raise ConfigError(f"{where}: findtime must be at most {longest}s, not {given['findtime']}s")
    if "duration" in given:
        given["duration"] = duration(given["duration"], f"{where}: duration")


def _check_rate(rule: Rule, where: str) -> None:
    for text in rule.status:
        if not _STATUS.fullmatch(text):
            raise ConfigError(f"{where}: status: {text!r} is none (examples: 404, 4xx, 400-404)")
    for text in rule.method:
        if not text.isalpha() or not text.isupper():
            raise ConfigError(f"{where}: method: {text!r} is none (example: POST)")
    for text in rule.path:
        if not text.startswith(("/", "*")) or not text.isprintable():
            raise ConfigError(f"{where}: path: {text!r} can never be one: a path begins with / (or the pattern with *)")
        if text.count("*") > 2:
            raise ConfigError(f"{where}: path: {text!r} has more than two *")


def _check_probe(rule: Rule, where: str) -> None:
    for text in rule.probes:
        one_of(text, PROBES, f"{where}: probes")
    for text in rule.paths:
        if not text.strip("/*") or not text.isprintable() or any(char in text for char in " ?#%"):
            raise ConfigError(f"{where}: paths: {text!r} is none (examples: /backup.tar, .env, wp-config.php*)")
    if rule.paths and "path" not in rule.probes:
        raise ConfigError(f"{where}: paths cannot count: probes leaves paths out")


def _check_users(rule: Rule, where: str) -> None:
    if not rule.names:
        raise ConfigError(f"{where}: names is missing: it cannot fire")


def _check_text(rule: Rule, where: str) -> None:
    if bool(rule.start) == bool(rule.anywhere):
        raise ConfigError(f"{where}: needs either start or anywhere")


_CHECKS = {"rate": _check_rate, "probe": _check_probe, "users": _check_users, "text": _check_text}


def statuses(texts: tuple[str, ...]) -> frozenset[int]:
    """The statuses that these texts name; all of them for none."""
    if not texts:
        return frozenset(range(1000))
    found: set[int] = set()
    for text in texts:
        low, _dash, high = text.replace("xx", "00").partition("-")
        last = int(low) + 99 if text.endswith("xx") else int(high or low)
        found.update(range(int(low), last + 1))
    return frozenset(found)
