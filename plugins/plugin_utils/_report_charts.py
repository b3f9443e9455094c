# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page draws: figures on their way to bars and columns.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean

MAX_BARS = 10
# A number that is not zero is seen, however small it is beside the largest.
_LEAST = 0.8
_NAME = 60


def bars(ident: str, title: str, what: str, numbers: t.Mapping[str, int]) -> dict[str, t.Any]:
    """A chart of bars, the largest numbers first, the small ones in one bar; widths in percent of the largest."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = (ordered, []) if len(ordered) <= MAX_BARS else (ordered[: MAX_BARS - 1], ordered[MAX_BARS - 1 :])
    largest = shown[0][1] if shown else 0
    rows = [
        {"name": clean(name, limit=_NAME), "number": number, "size": _size(number, largest)} for name, number in shown
    ]
    if rest:
        total = sum(number for _name, number in rest)
        # The others together are no bar: it would dwarf those that have a name.
        rows.append({"name": "%d others" % len(rest), "number": total, "size": 0})
    text = "Most: %s, %s %s." % (rows[0]["name"], _number(rows[0]["number"]), what) if rows else ""
    return {"id": "chart-" + ident, "title": title, "what": what, "rows": rows, "text": text}


def columns(ident: str, title: str, what: str, numbers: t.Mapping[str, int], *, hours: bool) -> dict[str, t.Any]:
    """A chart over time, the oldest first; heights in percent of the largest."""
    largest = max(numbers.values(), default=0)
    rows = [
        {"name": _moment(moment, hours=hours), "number": number, "size": _size(number, largest)}
        for moment, number in numbers.items()
    ]
    total, most = sum(numbers.values()), max(rows, key=lambda row: t.cast(int, row["number"]))
    text = "None in this time."
    if total:
        text = "%s in all, most at %s: %s." % (_number(total), most["name"], _number(most["number"]))
    middle = rows[len(rows) // 2]["name"]
    return {
        "id": "chart-" + ident,
        "title": title,
        "what": what,
        "rows": rows,
        "text": text,
        "largest": largest,
        "ticks": [rows[0]["name"], middle, rows[-1]["name"]],
    }


def _number(value: t.Any) -> str:
    return "{:,}".format(value)


def _size(number: int, largest: int) -> str:
    if number <= 0 or largest <= 0:
        return "0"
    return "%g" % max(_LEAST, round(100 * number / largest, 2))


def _moment(text: str, *, hours: bool) -> str:
    """``26 Nov 14:00`` or ``26 Nov``."""
    moment = datetime.strptime(text[:13] if hours else text[:10], "%Y-%m-%dT%H" if hours else "%Y-%m-%d")
    return "%d %s" % (moment.day, moment.strftime("%b %H:%M" if hours else "%b"))
