# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an entry as people write it, ``2027-01-31``, and as the warden keeps it, epoch seconds.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import calendar
import datetime
import re

_FORM = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:Z|\+00:00)?)?")


def parse_until(text: object) -> int:
    """The moment from which on an entry does not hold any more, in epoch seconds.

    A bare day is the last one on which it holds. Raises ValueError with the text and the reason.
    """
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("%.40r is not a day or a time in UTC, such as 2027-01-31 or 2027-01-31T12:00:00Z" % (text,))
    day, time, seconds = found.groups()
    try:
        moment = datetime.datetime.strptime(day + (time or "00:00") + (seconds or ":00"), "%Y-%m-%d%H:%M:%S")
        moment += datetime.timedelta(days=0 if time else 1)
    except (ValueError, OverflowError):
        raise ValueError("%r: there is no such day or time" % text) from None
    return calendar.timegm(moment.timetuple())
