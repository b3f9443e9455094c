# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that are JSON objects, and where in them a value stands.

A real parser reads them, so no brace and no quote in a value ends anything early. What it takes is JSON and nothing
more lenient, with these exceptions: bytes that are no UTF-8 are kept (surrogates stand for them), because clients could
hide their lines with one; and `\\x22`, as nginx writes where `escape=json` is missing, is read where it is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

# What may name a value, most wanted first; each is a path as `steps` makes it.
Places = tuple[tuple[tuple[str, str], ...], ...]

_LOGGED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)


class Objects:
    """Reads lines. An object with one of `keys` twice is refused: one of the two may come from a client.

    `logged`: `\\xNN` is a byte.
    """

    def __init__(self, keys: Iterable[str], *, logged: bool = False) -> None:
        self._keys = frozenset(keys)
        self._logged = logged
        self._decode = json.JSONDecoder(object_pairs_hook=self._checked, parse_constant=_refused).raw_decode

    def read(self, line: bytes) -> dict[str, Any] | None:
        """The object that a line is, None if it is none."""
        found = self.begin(line)
        return None if found is None or found[1] else found[0]

    def begin(self, line: bytes) -> tuple[dict[str, Any], str] | None:
        """The object a line begins with, and what stands behind it, None if it does not begin with one."""
        text = line.decode("utf-8", "surrogateescape").strip(" \t\r\n")
        try:
            found, end = self._decode(text)
        except (ValueError, RecursionError):
            if not self._logged or b"\\x" not in line:
                return None
            try:
                text = _LOGGED.sub(_plain, line).decode("utf-8", "surrogateescape").strip(" \t\r\n")
                found, end = self._decode(text)
            except (ValueError, RecursionError):
                return None
        return (found, text[end:]) if found.__class__ is dict else None

    def _checked(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _value in pairs if name in self._keys]
            if len(names) != len(set(names)):
                raise ValueError("a key is there twice")
        return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _plain(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        return match[0]
    number = int(match[1], 16)
    return bytes((number,)) if number >= 0x80 else b"\\u00" + match[1]


def steps(path: str) -> tuple[tuple[str, str], ...]:
    """A path of keys with dots between them: for each key, all that remains from there on, and the key itself."""
    keys = path.split(".")
    return tuple((".".join(keys[index:]), key) for index, key in enumerate(keys))


def value_at(document: dict[str, Any], places: Places) -> Any:
    """The first of these values that is there and not null, None for none.

    A key that is all of the remaining path, dots and all, wins over the way down.
    """
    for path in places:
        here: Any = document
        for rest, key in path:
            if rest in here:
                here = here[rest]
                break
            here = here.get(key)
            if here.__class__ is not dict:
                here = None
                break
        if here is not None:
            return here
    return None


class Lookup:
    """Finds several values at once: what `value_at` finds for each of `wanted`, in their order, in a third of the time.

    `keys` is every key that a value may be found by.
    """

    def __init__(self, wanted: Sequence[Places]) -> None:
        self.keys = frozenset(key for places in wanted for path in places for step in path for key in step)
        self._wanted = tuple(wanted)
        self._dotted = frozenset(key for key in self.keys if "." in key)
        ways: list[tuple[str, ...]] = [()]  # to the objects that hold the values, those on the way first
        for path in (path for places in wanted for path in places[:1]):
            names = tuple(key for _rest, key in path)
            ways += [names[:size] for size in range(1, len(names)) if names[:size] not in ways]
        self._ways = tuple((ways.index(way[:-1]), way[-1]) for way in ways[1:])
        self._first = tuple(
            (ways.index(tuple(key for _rest, key in places[0][:-1])), places[0][-1][1]) if places else (0, "")
            for places in wanted
        )
        self._others = tuple((index, places[1:]) for index, places in enumerate(wanted) if len(places) > 1)

    def values(self, document: dict[str, Any]) -> list[Any]:
        """The values, None for those that are not there."""
        holders = [document]
        for above, key in self._ways:
            held = holders[above].get(key)
            holders.append(held if held.__class__ is dict else {})
        if self._dotted and not all(map(self._dotted.isdisjoint, holders)):
            return [value_at(document, places) for places in self._wanted]
        found = [holders[at].get(key) for at, key in self._first]
        for index, places in self._others:
            if found[index] is None:
                found[index] = value_at(document, places)
        return found
