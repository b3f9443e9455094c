# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and values as fail2ban's parser reads them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

The parser accepts nearly anything and reports nearly nothing: an unknown name is ignored, `` ;`` cuts a value short, a
lone ``%`` stops the server. What can be said about a declaration without asking fail2ban is said here.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Iterable

from .._errors import StockadeError
from ._files import IGNOREIP, Kind

#: A leading dash would be an option on fail2ban's command line, a leading dot a hidden file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_CONDITION = re.compile(r"[A-Za-z0-9_-]+=[A-Za-z0-9_.-]+\Z")
#: What YAML makes of yes and no, as a text.
_YES_NO = {"true": "yes", "false": "no"}
_USEDNS = ("yes", "warn", "no", "raw")
#: `set <jail> …` and `set loglevel …` are told apart by these words alone.
_RESERVED = frozenset({
    "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage", "includes", "loglevel", "logtarget", "syslogsocket", "thread",
})  # fmt: skip
_LONE_PERCENT = re.compile(r"%(?!\([^()%\s]+\)s)")
#: `<kill-<mode>>`: any name that begins like this is meant.
_NESTED = re.compile(r"<([A-Za-z_][\w.-]*-)<")
_REFERENCE = re.compile(r"%\((?:[A-Za-z_-]+/)?([^()%\s/]+)\)s|<(?:[a-z]+/)?([A-Za-z_][\w./-]*)>")


def check_name(kind: Kind, name: Any) -> str:
    """Return the name of a jail, filter or action.

    Raises StockadeError when fail2ban or its command line would misunderstand it.
    """
    text = "" if name is None else str(name)
    why = ""
    if not _NAME.match(text):
        why = "a name consists of letters, digits, dot, dash and underscore"
    elif kind.prefix and text.lower() in _RESERVED:
        why = "fail2ban reserves this name, choose another"
    elif kind.prefix and text == IGNOREIP:
        why = "a file of this name belongs to the whitelist, choose another"
    elif len(text) > 100:
        why = "a name has at most 100 characters"
    if why:
        raise StockadeError("%s %s: %s" % (kind.what, quoted(text), why))
    return text


def check_names(kind: Kind, entries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the names of declared things; raises StockadeError for a bad one and for one that is there twice."""
    names = [check_name(kind, entry.get("name")) for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StockadeError("%s %s is declared twice in one call" % (kind.what, ", ".join(twice)))
    return names


def check_key(where: str, key: str, *, conditional: bool = False) -> None:
    """Raise StockadeError for what cannot be the name of an option; ``where`` is such as ``jail 'sshd'``.

    :param conditional: it may hold for one family of addresses, as in ``blocktype?family=inet6``
    """
    name, mark, condition = key.partition("?") if conditional else (key, "", "")
    if not _KEY.match(name) or (mark and not _CONDITION.match(condition)):
        raise StockadeError("%s: %s cannot be the name of an option" % (where, quoted(key)))


def check_known(
    where: str, keys: Iterable[str], *, known: frozenset[str], named: Iterable[str], lenient: bool = False
) -> None:
    """Raise StockadeError with the nearest known name for an option that nothing would ever read.

    :param known: what fail2ban reads
    :param named: names somebody refers to as ``%(name)s`` or ``<name>``, or defines: to set those is of use
    :param lenient: somebody else may refer to it as well, so that only what looks like a known name is refused
    """
    named = set(named)
    begins = [name[:-1] for name in named if name.endswith("*")]
    for key in keys:
        plain = key.split("?", 1)[0]  # `blocktype?family=inet6` holds for one family
        if plain in known or plain in named or any(plain.startswith(begin) for begin in begins):
            continue
        near = difflib.get_close_matches(plain, sorted(known), n=1, cutoff=0.85 if lenient else 0.6)
        hint = " (did you mean %s?)" % near[0] if near else ", and nothing refers to it as %%(%s)s" % plain
        if near or not lenient:
            raise StockadeError("%s: fail2ban knows no option %s%s" % (where, quoted(key), hint))


def references(values: Iterable[Any]) -> set[str]:
    """Return the names that values refer to, as ``%(name)s`` or ``<name>``, in lower case as the parser has them.

    What ``<name-<other>>`` refers to is ``name-*``.
    """
    found: set[str] = set()
    for value in values:
        for part in value if isinstance(value, (list, tuple)) else [value]:
            found.update((one or other).lower() for one, other in _REFERENCE.findall(str(part)))
            found.update(begin.lower() + "*" for begin in _NESTED.findall(str(part)))
    return found


def value_lines(where: str, key: str, value: Any) -> list[str]:
    """Return the lines of an option's value as they go into a file, percent signs doubled.

    Raises StockadeError for what would not arrive in fail2ban as it is written.
    """
    if isinstance(value, dict):
        raise StockadeError("%s: %s must be a text or a list, not a mapping" % (where, key))
    parts = value if isinstance(value, (list, tuple)) else [value]
    texts = [str(part).lower() if isinstance(part, bool) else str(part) for part in parts]
    if key == "usedns":
        texts = [_YES_NO.get(text.lower(), text) for text in texts]
    for text in texts:
        _check_text(where, key, text)
    return [_LONE_PERCENT.sub("%%", text) for text in texts]


def assignment(key: str, lines: list[str]) -> str:
    """Return ``key = value``, further lines below the first one."""
    return ("%s = %s" % (key, ("\n" + " " * (len(key) + 3)).join(lines))).rstrip()


def section(name: str, assignments: Iterable[str]) -> str:
    """Return a section, or nothing if nothing is in it."""
    lines = list(assignments)
    return "\n".join(["[%s]" % name, *lines]) + "\n" if lines else ""


def sections(name: str, settings: dict[str, list[str]]) -> str:
    """Return a section, and one more for each condition that names of options bear: there fail2ban reads them."""
    by_title: dict[str, list[str]] = {name: []}
    for key, lines in settings.items():
        plain, mark, condition = key.partition("?")
        by_title.setdefault(name + mark + condition, []).append(assignment(plain, lines))
    return "\n".join(part for part in (section(title, lines) for title, lines in by_title.items()) if part)


def quoted(text: str) -> str:
    """Return text for an error message: control characters visible, at most 80 characters."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def one_line(text: Any) -> str:
    """Return text of somebody else for one line of a message: printable, at most 500 characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))[:500]


def _check_text(where: str, key: str, text: str) -> None:
    why = ""
    if any(not c.isprintable() for c in text):
        why = "control characters and line breaks are not allowed"
    elif text != text.strip():
        why = "spaces at the ends would be lost"
    elif re.search(r"(?:\A|\s);", text) or text.startswith("#"):
        why = "fail2ban takes what follows as a comment"
    elif key == "usedns" and text.lower() not in _USEDNS and "%(" not in text:
        why = "none of yes, warn, no and raw, and fail2ban would take it for no"
    if why:
        raise StockadeError("%s: %s is %s: %s" % (where, key, quoted(text), why))
