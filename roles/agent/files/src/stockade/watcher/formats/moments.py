# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments: epoch seconds of the times that logs write without year or offset."""

from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo

_DAY = 86_400
_HALF_AN_HOUR = 1800
_LATE = 60  # seconds that a line may come after those that are younger
_YEARS = 8  # from one February 29 to the next at most, but for 1900 and 2100


class LocalTime:
    """Times of a time zone (an IANA name, empty for the host's own).

    `reference` is what counts as now, in epoch seconds, None for the clock. `last` is the last time that `epoch` gave:
    it tells the two passes of the hour that comes twice apart. Raises zoneinfo.ZoneInfoNotFoundError.
    """

    def __init__(self, timezone: str = "") -> None:
        self.reference: int | None = None
        self.last = 0
        self._zone: tzinfo | None = zoneinfo.ZoneInfo(timezone) if timezone else None

    def epoch(self, year: int | None, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
        """Epoch seconds, None if there is no such time. A leap second is the one before it.

        Without a year it is the latest one in which the date exists and the time is at most a day from now: clocks of
        hosts differ, and a log is no older than a year. The hour that comes twice is the second pass if the first one
        would lie more than half an hour before the last time, or more than a minute once the clock went back; a time
        that is left out is moved as the system would.
        """
        second = min(second, 59) if second <= 60 else second
        if year is not None:
            found = self._of(year, month, day, hour, minute, second)
        else:
            found = self._latest(month, day, hour, minute, second)
        if found is not None:
            self.last = found
        return found

    def _latest(self, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
        limit = (int(time.time()) if self.reference is None else self.reference) + _DAY
        newest = datetime.fromtimestamp(limit, self._zone).year
        for year in range(newest, newest - _YEARS - 1, -1):
            found = self._of(year, month, day, hour, minute, second)
            if found is not None and found <= limit:
                return found
        return None

    def _of(self, year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=self._zone)
            first = int(moment.timestamp())
            again = int(moment.replace(fold=1).timestamp())
            if again <= first or self.last - first <= _LATE:
                return first
            went_back = self._offset(self.last) == self._offset(again)
        except (ValueError, OverflowError, OSError):
            return None
        return again if went_back or self.last - first > _HALF_AN_HOUR else first

    def _offset(self, epoch: int) -> timedelta | None:
        return datetime.fromtimestamp(epoch, UTC).astimezone(self._zone).utcoffset()


def with_offset(fields: tuple[int, int, int, int, int, int], offset: int) -> int | None:
    """Epoch seconds of a time (year to second) at a UTC offset in seconds, None if there is no such time."""
    year, month, day, hour, minute, second = fields
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59) if second <= 60 else second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return int(moment.timestamp()) - offset
