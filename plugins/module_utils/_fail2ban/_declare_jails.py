# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a jail as an operator declares it to the text fail2ban reads.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from .._errors import StockadeError
from ._files import JAILS
from ._text import assignment, check_key, check_known, check_name, quoted, references, section, value_lines

#: Options of the module that are written under another name.
_RENAMED = {
    "bantime_increment": "bantime.increment",
    "bantime_factor": "bantime.factor",
    "bantime_multipliers": "bantime.multipliers",
    "bantime_maxtime": "bantime.maxtime",
    "bantime_rndtime": "bantime.rndtime",
    "bantime_overalljails": "bantime.overalljails",
}
#: Options with a type of their own, in the order in which they are written.
TYPED = (
    "enabled", "filter", "mode", "port", "protocol", "backend", "logpath", "journalmatch", "datepattern", "usedns",
    "failregex", "ignoreregex", "maxlines", "maxretry", "findtime", "bantime", *_RENAMED, "ignorecommand", "banaction",
    "banaction_allports", "action",
)  # fmt: skip
#: What else fail2ban reads from a jail; any other name can only be one that something refers to as `%(name)s`.
KNOWN = frozenset(key for key in TYPED if key not in _RENAMED) | frozenset(_RENAMED.values()) | frozenset({
    "action_", "bantime.formula", "chain", "destemail", "fail2ban_agent", "ignorecache", "ignoreself", "knocking_url",
    "logencoding", "logtimezone", "maxmatches", "mta", "prefregex", "sender", "skip_if_nologs",
})  # fmt: skip
_DURATIONS = ("findtime", "bantime", "bantime.maxtime", "bantime.rndtime")
#: Joined by commas; the other lists are one entry a line.
_COMMA_LISTS = ("port",)
#: Without one of them the firewall's command is wrong, which shows at the first ban.
_WHAT_IS_BANNED = ("port", "protocol")
_UNITS = r"(?:s|ss|secs?|seconds?|m|mm|mins?|minutes?|h|hh|hours?|d|dd|days?|w|ww|weeks?|mo|mon|months?|y|yy|years?)"
_DURATION = re.compile(r"(?ai)(?:\d+|\d+\s*%s(?:\s*\d+\s*%s)*)\Z" % (_UNITS, _UNITS))
#: fail2ban computes what these say, `eval()` included: numbers and nothing else.
_NUMBER = re.compile(r"(?a)\d+(?:\.\d+)?\Z")


def render(jail: dict[str, Any], *, named: Iterable[str] = ()) -> str:
    """Return the section of one declared jail; raises StockadeError naming the jail, the option and the reason.

    :param named: names that fail2ban's configuration refers to or defines, beside this jail
    """
    name = check_name(JAILS, jail.get("name"))
    settings = _settings(name, jail)
    used = set(named) | references(value for _key, value in settings)
    check_known(_where(name), (key for key, _value in settings), known=KNOWN, named=used)
    return section(name, (_assignment(name, key, value) for key, value in settings))


def wants_running(jail: dict[str, Any]) -> bool | None:
    """Return whether the jail is declared on or off, None when that is left to what other files say."""
    return None if jail.get("name") == "DEFAULT" else jail.get("enabled")


def values(jails: Iterable[dict[str, Any]]) -> list[Any]:
    """Return every value of these jails, to look for references in."""
    found: list[Any] = []
    for jail in jails:
        found += [value for key, value in jail.items() if key != "options"] + list((jail.get("options") or {}).values())
    return found


def is_duration(text: str) -> bool:
    """Return whether fail2ban takes a text for a time, such as ``1d 12h``."""
    return bool(_DURATION.match(text))


def _where(name: str) -> str:
    return "jail %s" % quoted(name)


def _settings(name: str, jail: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what is declared as (fail2ban's name, value), typed options first."""
    if name == "DEFAULT" and jail.get("enabled"):
        raise StockadeError("jail 'DEFAULT': enabled would turn on every jail fail2ban knows; enable jails one by one")
    found = [(_RENAMED.get(key, key), jail[key]) for key in TYPED if jail.get(key) is not None]
    seen = {key for key, _value in found}
    for key, value in sorted((jail.get("options") or {}).items()):
        lowered = str(key).lower()  # as fail2ban's parser reads it
        check_key(_where(name), lowered)
        if lowered == "ignoreip":
            raise StockadeError(
                "%s: ignoreip has one writer, the module stockade.fleet.whitelist; add the addresses there"
                % _where(name)
            )
        if lowered == "enabled":
            raise StockadeError("%s: enabled has an option of its own, write it beside name" % _where(name))
        if lowered in seen:
            raise StockadeError("%s: %s is given twice" % (_where(name), lowered))
        seen.add(lowered)
        if value is not None:
            found.append((lowered, value))
    return found


def _assignment(name: str, key: str, value: Any) -> str:
    lines = value_lines(_where(name), key, value)
    if key in _WHAT_IS_BANNED and not all(lines or [""]):
        raise StockadeError("%s: %s is empty: a ban would refuse nothing" % (_where(name), key))
    for line in lines:
        _check_numbers(name, key, line)
    if key in ("banaction", "banaction_allports", "action"):
        # fail2ban finds a Python action only by its file name
        lines = [re.sub(r"\Astockade(?=\[|\Z)", "stockade.py", line) for line in lines]
    if key in ("banaction", "banaction_allports"):
        # by itself it takes one port, and no list of them
        kind = "allports" if key.endswith("allports") else "multiport"
        lines = ["%s[type=%s]" % (line, kind) if line == "iptables-ipset" else line for line in lines]
    return assignment(key, [",".join(lines)] if key in _COMMA_LISTS else lines)


def _check_numbers(name: str, key: str, text: str) -> None:
    """Refuse what is no duration or number where fail2ban would compute it, some of it by ``eval()``."""
    if "%(" in text or (text == "-1" and key == "bantime"):
        return
    what = ""
    if key in _DURATIONS and not is_duration(text):
        what = "not a duration (such as 600, 10m, 1h, 1d 12h%s)" % (", -1 for permanent" if key == "bantime" else "")
    elif key == "bantime.factor" and not _NUMBER.match(text):
        what = "not a number"
    elif key == "bantime.multipliers" and not all(_NUMBER.match(word) for word in text.split()):
        what = "not numbers apart by blanks (such as 1 2 4 8 16)"
    if what:
        raise StockadeError("%s: %s is %s: %s" % (_where(name), key, quoted(text), what))
