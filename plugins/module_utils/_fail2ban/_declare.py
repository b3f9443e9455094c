# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a jail as an operator declares it to the text fail2ban reads.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

fail2ban's parser accepts nearly anything and reports nearly nothing: an unknown name is ignored, a duration runs
through ``eval()``, `` ;`` cuts a value short, a lone ``%`` stops the server. What can be said about a declaration
without asking fail2ban is said here.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from .._errors import StockadeError
from ._files import IGNOREIP

#: Options of the module that are written under another name.
_RENAMED = {
    "bantime_increment": "bantime.increment",
    "bantime_maxtime": "bantime.maxtime",
}
#: Options with a type of their own, in the order in which they are written.
TYPED = (
    "enabled", "filter", "mode", "port", "protocol", "backend", "logpath", "journalmatch", "maxretry", "findtime",
    "bantime", "bantime_increment", "bantime_maxtime", "banaction", "banaction_allports", "action",
)  # fmt: skip
#: What else fail2ban reads from a jail; anything outside these lists can only be a name for `%(name)s`.
KNOWN = frozenset(TYPED) | frozenset(_RENAMED.values()) | frozenset({
    "action_", "bantime.factor", "bantime.formula", "bantime.multipliers", "bantime.overalljails", "bantime.rndtime",
    "chain", "datepattern", "destemail", "failregex", "fail2ban_agent", "ignorecache", "ignorecommand", "ignoreip",
    "ignoreregex", "ignoreself", "knocking_url", "logencoding", "logtimezone", "maxlines", "maxmatches", "mta",
    "prefregex", "sender", "skip_if_nologs", "usedns",
})  # fmt: skip
_DURATIONS = ("findtime", "bantime", "bantime.maxtime", "bantime.rndtime")
#: Joined by commas; the other lists are one entry a line.
_COMMA_LISTS = ("port",)

#: A leading dash would be an option on fail2ban's command line, a leading dot a hidden file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
#: `set <jail> …` and `set loglevel …` are told apart by these words alone.
_RESERVED = frozenset({
    "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage", "includes", "loglevel", "logtarget", "syslogsocket", "thread",
})  # fmt: skip
_UNITS = r"(?:s|ss|secs?|seconds?|m|mm|mins?|minutes?|h|hh|hours?|d|dd|days?|w|ww|weeks?|mo|mon|months?|y|yy|years?)"
_DURATION = re.compile(r"(?i)(?:\d+|\d+\s*%s(?:\s*\d+\s*%s)*)\Z" % (_UNITS, _UNITS))
_LONE_PERCENT = re.compile(r"%(?!\([^()%\s]+\)s)")


def render(jail: dict[str, Any]) -> str:
    """Return the section of one declared jail; raises StockadeError naming the jail, the option and the reason."""
    name = check_name(jail.get("name"))
    lines = ["[%s]" % name]
    for key, value in _settings(name, jail):
        text = _value(name, key, value)
        lines.append(("%s = %s" % (key, text)).rstrip())
    return "\n".join(lines) + "\n"


def check_name(name: Any) -> str:
    """Return the name of a jail; raises StockadeError when fail2ban or its command line would misunderstand it."""
    text = "" if name is None else str(name)
    if not _NAME.match(text):
        raise StockadeError("jail %s: a name consists of letters, digits, dot, dash and underscore" % quoted(text))
    if text.lower() in _RESERVED:
        raise StockadeError("jail %s: fail2ban reserves this name, choose another" % quoted(text))
    if text == IGNOREIP:
        raise StockadeError("jail %s: a file of this name belongs to the whitelist, choose another" % quoted(text))
    if len(text) > 100:
        raise StockadeError("jail %s: a name has at most 100 characters" % quoted(text))
    return text


def quoted(text: str) -> str:
    """Return text for an error message: control characters visible, at most 80 characters."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def wants_running(jail: dict[str, Any]) -> bool | None:
    """Return whether the jail is declared on or off, None when that is left to what other files say."""
    return None if jail.get("name") == "DEFAULT" else jail.get("enabled")


def _settings(name: str, jail: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what is declared as (fail2ban's name, value), typed options first."""
    if name == "DEFAULT" and jail.get("enabled"):
        raise StockadeError("jail 'DEFAULT': enabled would turn on every jail fail2ban knows; enable jails one by one")
    found = [(_RENAMED.get(key, key), jail[key]) for key in TYPED if jail.get(key) is not None]
    seen = {key for key, _value in found}
    for key, value in sorted((jail.get("options") or {}).items()):
        lowered = str(key).lower()  # as fail2ban's parser reads it
        _check_key(name, lowered)
        if lowered in seen:
            raise StockadeError("jail %s: %s is given twice" % (quoted(name), lowered))
        seen.add(lowered)
        if value is not None:
            found.append((lowered, value))
    return found


def _check_key(name: str, key: str) -> None:
    if not _KEY.match(key):
        raise StockadeError("jail %s: %s cannot be the name of an option" % (quoted(name), quoted(key)))
    if key == "ignoreip":
        raise StockadeError(
            "jail %s: ignoreip has one writer, the module stockade.fleet.whitelist; add the addresses there"
            % quoted(name)
        )
    if key not in KNOWN:
        near = difflib.get_close_matches(key, sorted(KNOWN), n=1, cutoff=0.85)
        if near:
            raise StockadeError(
                "jail %s: fail2ban knows no option %s (did you mean %s?)" % (quoted(name), quoted(key), near[0])
            )


def _value(name: str, key: str, value: Any) -> str:
    if isinstance(value, dict):
        raise StockadeError("jail %s: %s must be a text or a list, not a mapping" % (quoted(name), key))
    parts = [_text(part) for part in value] if isinstance(value, (list, tuple)) else [_text(value)]
    for part in parts:
        _check_text(name, key, part)
        if key in _DURATIONS:
            _check_duration(name, key, part)
    if key in ("banaction", "banaction_allports"):
        # fail2ban finds a Python action only by its file name
        parts = [re.sub(r"\Astockade(?=\[|\Z)", "stockade.py", part) for part in parts]
    parts = [_LONE_PERCENT.sub("%%", part) for part in parts]
    return (",".join(parts)) if key in _COMMA_LISTS else ("\n" + " " * (len(key) + 3)).join(parts)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_text(name: str, key: str, text: str) -> None:
    """Refuse what would not arrive in fail2ban as it is written here."""
    why = ""
    if any(not c.isprintable() for c in text):
        why = "control characters and line breaks are not allowed"
    elif text != text.strip():
        why = "spaces at the ends would be lost"
    elif re.search(r"(?:\A|\s);", text) or text.startswith("#"):
        why = "fail2ban takes what follows as a comment"
    if why:
        raise StockadeError("jail %s: %s is %s: %s" % (quoted(name), key, quoted(text), why))


def _check_duration(name: str, key: str, text: str) -> None:
    if text == "-1" and key == "bantime":
        return
    if "%(" not in text and not _DURATION.match(text):
        raise StockadeError(
            "jail %s: %s is %s: not a duration (such as 600, 10m, 1h, 1d 12h%s)"
            % (quoted(name), key, quoted(text), ", -1 for permanent" if key == "bantime" else "")
        )
