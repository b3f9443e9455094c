# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to start reading a log that is seen for the first time."""

from __future__ import annotations

import os
from collections.abc import Callable

_CHUNK = 256 * 1024  # bytes read at once
_STEP = 64 * 1024  # bytes: where the search goes over to reading
_ENOUGH = 1024 * 1024  # bytes without a time after which none is expected any more

TimeOf = Callable[[bytes], int | None]


def offset_of(fd: int, not_before: int, time_of: TimeOf) -> int:
    """Offset of a line start in an existing log so that the lines before it are older than `not_before`.

    Halves the file by time, which takes a few reads in a log of any size; a log whose times are out of order is read
    from too early rather than too late, the engine leaves old lines out.
    """
    low, high = 0, os.fstat(fd).st_size
    while high - low > _STEP:
        middle = (low + high) // 2
        start, moment = _first_time(fd, middle, high, time_of)
        if moment is None or moment >= not_before:
            high = middle
        else:
            low = start
    return low


def first_moment(fd: int, time_of: TimeOf) -> int | None:
    """The time of the first line that has one, of those at the start of a file; None if none has."""
    lines = os.pread(fd, _STEP, 0).split(b"\n")[:-1]
    return next((moment for line in lines if (moment := time_of(line)) is not None), None)


def _first_time(fd: int, offset: int, end: int, time_of: TimeOf) -> tuple[int, int | None]:
    """Start and time of the first line behind `offset` that has one; None for the time if there is none nearby."""
    end = min(end, offset + _ENOUGH)
    while offset < end:
        data = os.pread(fd, _CHUNK, offset)
        start = data.find(b"\n") + 1
        if not start:
            return offset, None
        while (newline := data.find(b"\n", start)) >= 0:
            moment = time_of(data[start:newline])
            if moment is not None:
                return offset + start, moment
            start = newline + 1
        offset += max(1, start - 1)
    return offset, None
