# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instants: epoch seconds of the times that logs write with their offset, as text or as a number."""

from __future__ import annotations

import re

from stockade.watcher.events import LATEST
from stockade.watcher.formats.moments import with_offset

_REMEMBERED = 4096  # texts of times
_LONGEST = 40  # characters of one
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(Z|[+-]\d\d:?\d\d)", re.ASCII)
_APACHE = re.compile(r"\[?(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]?", re.ASCII)
_FRACTION = re.compile(r"([0-9T :-]{19})[.,][0-9]{1,9}(Z|[+-][0-9:]{4,5})")
_NUMBER = re.compile(r"(\d{9,13})(?:\.\d{1,9})?", re.ASCII)
# Numbers from the first on are in units of the second part of a second: no log has times of the year 5138.
_UNITS = ((1e17, 1_000_000_000), (1e14, 1_000_000), (1e11, 1000))


class Instants:
    """Reads times; remembers the last few thousand texts, because most lines share theirs with others."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def epoch(self, value: object) -> int | None:
        """Epoch seconds, None if it is no time, has no offset or is out of range (1970 to 2106).

        `2026-11-26T12:00:00+01:00` (RFC 3339, with a fraction or without), `26/Nov/2026:12:00:00 +0100` (in brackets
        or without), or a number since 1970 in seconds, milliseconds, microseconds or nanoseconds, by its size. True and
        false are no numbers.
        """
        if value.__class__ is float or value.__class__ is int:
            return _of_number(value)
        if value.__class__ is not str or len(value) > _LONGEST:
            return None
        known = self._known.get(value)
        if known is not None:
            return known
        fraction = _FRACTION.fullmatch(value)
        if fraction is not None:  # hardly ever seen twice, but the second is
            return self.epoch(fraction[1] + fraction[2])
        found = _of_text(value)
        if found is None or not 0 <= found <= LATEST:
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[value] = found
        return found


def _of_number(number: float) -> int | None:
    if not 0 <= number < 1e20:  # nor is NaN
        return None
    for least, unit in _UNITS:
        if number >= least:
            number /= unit
            break
    return int(number) if number <= LATEST else None


def _of_text(text: str) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is not None:
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        zone = match[7]
    elif (match := _APACHE.fullmatch(text)) is not None:
        day, month, year = int(match[1]), _MONTHS.get(match[2], 0), int(match[3])
        hour, minute, second = map(int, match.groups()[3:6])
        zone = match[7]
    else:
        match = _NUMBER.fullmatch(text)
        return None if match is None else _of_number(int(match[1]))
    offset = _offset(zone)
    return None if offset is None else with_offset((year, month, day, hour, minute, second), offset)


def _offset(zone: str) -> int | None:
    """Seconds of `Z`, `+01:00` or `+0100`; None if it is none."""
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    seconds = hours * 3600 + minutes * 60
    return -seconds if zone[0] == "-" else seconds
