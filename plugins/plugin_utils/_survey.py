# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody typed into a form or after ``-e``: networks, a host pattern, a duration, a line of text, a name.

Every function takes the raw value of a variable and its ``name`` for the error, and gives plain text that no template
engine has seen. All raise StockadeError with the variable, the text and the reason.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible.constants import LOCALHOST
from ansible.inventory.manager import split_host_pattern

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils._list_file import canonical, visible

LONGEST = {"networks": 100000, "hosts": 2000, "line": 200, "duration": 40, "name": 64}  # characters
_TEMPLATE = re.compile(r"\{[{%#]")
_DURATION = re.compile(r"permanent|[0-9]{1,10}|(?:[0-9]{1,10}[smhdw])+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOSTS = re.compile(r"[\w.:*?\[\]-]+")
_WILDCARD = re.compile(r"[*?\[]")
_SUBSCRIPT = re.compile(r"\[-?[0-9]+(?:[:-]-?[0-9]*)?\]$")


def networks(
    value: t.Any, name: str, *, widest_ipv4: int | None = None, widest_ipv6: int | None = None, most: int | None = None
) -> list[str]:
    """The networks of a text in which they stand apart by commas, blanks or new lines, and comments behind ``#``.

    In their canonical form, each once, in their order. ``widest_ipv4`` and ``widest_ipv6`` are the shortest prefix
    lengths, ``most`` is the number of networks that are taken; None is no limit.
    """
    widest = {4: widest_ipv4, 6: widest_ipv6}
    found: dict[str, None] = {}
    for number, line in enumerate(_text(value, name, "networks").splitlines(), 1):
        words = line.partition("#")[0]
        if _TEMPLATE.search(words):
            raise _error("%s, line %d" % (name, number), words.strip(), "templates are not rendered here")
        for word in words.replace(",", " ").split():
            try:
                found[_narrow(canonical(word), widest)] = None
            except ValueError as error:
                raise _error("%s, line %d" % (name, number), word, str(error)) from None
    if not found:
        raise StockadeError("%s: names no address" % name)
    if most is not None and len(found) > most:
        raise StockadeError(
            "%s: %d networks, at most %d are taken here. Longer lists are files, see stockade_bans_files"
            % (name, len(found), most)
        )
    return list(found)


def _narrow(network: str, widest: t.Mapping[int, int | None]) -> str:
    if "/" in network:
        parsed = ipaddress.ip_network(network)
        limit = widest[parsed.version]
        if limit is not None and parsed.prefixlen < limit:
            raise ValueError("wider than /%d, the widest network that is taken here" % limit)
    return network


def hosts(value: t.Any, name: str, groups: t.Mapping[str, t.Sequence[str]]) -> str:
    """A host pattern, its parts apart by commas, that stays within the inventory, whose ``groups`` map names to hosts.

    Names in it are groups or hosts of the inventory: a slip is an error and not a run that does nothing, and nobody
    reaches the machine that Ansible runs on by the name localhost, which matches without being in any inventory.
    An inventory without hosts, as where only the syntax is checked, has no names to compare with. Regular expressions
    are not taken.
    """
    text = _text(value, name, "hosts", separator=",")
    if _TEMPLATE.search(text):
        raise _error(name, text, "templates are not rendered here")
    known = {host for members in groups.values() for host in members}.union(groups)
    empty = not any(groups.values())
    parts = split_host_pattern(text) or [text]
    for part in parts:
        plain = part[1:] if part[:1] in ("!", "&") else part
        if not _HOSTS.fullmatch(plain):
            raise _error(name, part, "not a host pattern")
        unscripted = _SUBSCRIPT.sub("", plain)
        if not (_WILDCARD.search(unscripted) or {plain, unscripted} & known or (empty and unscripted not in LOCALHOST)):
            raise _error(name, plain, "no group and no host of the inventory has this name")
    return ",".join(parts)


def line(value: t.Any, name: str) -> str:
    """One line of visible text, of at most 200 characters."""
    text = _text(value, name, "line")
    if not text.isprintable():
        raise _error(name, text, "only one line of visible characters is taken here")
    return text


def duration(value: t.Any, name: str) -> str:
    """A duration such as ``10m``, ``1d12h`` or ``permanent``."""
    text = _text(value, name, "duration")
    if not _DURATION.fullmatch(text):
        raise _error(name, text, "not a duration (examples: 10m, 1h, 7d, permanent)")
    return text


def list_name(value: t.Any, name: str) -> str:
    """The name of a list in the registry."""
    text = _text(value, name, "name")
    if not _NAME.fullmatch(text):
        raise _error(name, text, "not a name (letters, digits, and . _ - behind the first)")
    return text


def _text(value: t.Any, name: str, kind: str, *, separator: str = "\n") -> str:
    """The value as bounded plain text without blanks around it; a list of texts is one text."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        value = separator.join(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise StockadeError("%s: a text is needed, not %s" % (name, type(value).__name__))
    # strip() also takes away the mark by which ansible-core knows a text that is a template.
    text = value.strip()
    if len(text) > LONGEST[kind]:
        raise StockadeError("%s: %d characters, at most %d are taken here" % (name, len(text), LONGEST[kind]))
    return text


def _error(place: str, text: str, reason: str) -> StockadeError:
    return StockadeError("%s: %s: %s" % (place, visible(text), reason))
