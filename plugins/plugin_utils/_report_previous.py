# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report before this one tells: what is new, what is gone, who comes back.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import parse
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import iso

# How long and how many networks are remembered after their ban ended.
REMEMBERED_DAYS = 90
REMEMBERED = 50000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
_MOST = 1000000


class Previous:
    """The report before this one, as far as it can be read.

    ``given`` is that report, its JSON text, or nothing; ``answered`` are the hosts that told their bans now. ``note``
    says so if it is of no use.
    """

    def __init__(self, given: t.Any, answered: set[str]) -> None:
        self.at = ""
        self.note = ""
        # Network to how many times it was banned by then, and the time up to which that is.
        self.bans: dict[str, tuple[int, str]] = {}
        # The same of those whose ban had ended, and when they were seen last.
        self.past: dict[str, tuple[int, str]] = {}
        # Networks of hosts that said nothing now: nobody knows whether they are gone.
        self._open: set[str] = set()
        report = given.strip() if isinstance(given, str) else given
        if not report:
            return
        try:
            report = json.loads(report) if isinstance(report, str) else report
        except (RecursionError, ValueError):
            self.note = "the report before this one cannot be read: nothing is known to be new"
            return
        if not isinstance(report, t.Mapping) or not _is_time(report.get("generated_at")):
            self.note = "the report before this one has another shape: nothing is known to be new"
            return
        self.at = report["generated_at"]
        for row in _list(report.get("bans")):
            network = row.get("network") if isinstance(row, t.Mapping) else None
            if isinstance(network, str):
                # A host whose clock is ahead has bans from after the report that knows them.
                since = row.get("since")
                self.bans[network] = (_times(row.get("times")), max(self.at, since) if _is_time(since) else self.at)
                if not answered.issuperset(map(str, _list(row.get("hosts")))):
                    self._open.add(network)
        past = report.get("past")
        for network, entry in past.items() if isinstance(past, t.Mapping) else ():
            if isinstance(entry, t.Mapping) and _is_time(entry.get("seen")) and parse(network):
                self.past[network] = (_times(entry.get("times")), entry["seen"])

    def compare(self, bans: t.Sequence[dict[str, t.Any]]) -> None:
        """Give every ban ``times``, and ``new`` if there was a report before."""
        for ban in bans:
            network = ban["network"]
            times, seen = self.bans.get(network) or self.past.get(network, (0, ""))
            # Decided anew since it was seen last. One that was seen before and only out of sight is no new offence.
            ban["times"] = max(1, times + (1 if ban["since"] > seen else 0))
            if self.at:
                ban["new"] = network not in self.bans

    def gone(self, bans: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
        """What to remember: networks that are not banned any more, those seen last first."""
        here = {ban["network"] for ban in bans}
        ended = {
            network: (times, self.at)
            for network, (times, _seen) in self.bans.items()
            if network not in here and parse(network)
        }
        rest = {network: entry for network, entry in self.past.items() if network not in here}
        both = sorted({**rest, **ended}.items(), key=lambda item: item[0])
        both.sort(key=lambda item: item[1][1], reverse=True)
        return {network: {"times": times, "seen": seen} for network, (times, seen) in both[:REMEMBERED]}

    def ended(self, bans: t.Iterable[t.Mapping[str, t.Any]]) -> int:
        """How many networks of that report are not in this one, of those all of whose hosts could be asked."""
        here = {ban["network"] for ban in bans}
        return sum(1 for network in self.bans if network not in here and network not in self._open)


def recent(past: t.Mapping[str, dict[str, t.Any]], *, now: float) -> dict[str, dict[str, t.Any]]:
    """Those that are still remembered at that epoch second."""
    try:
        oldest = iso((datetime.fromtimestamp(now, tz=timezone.utc) - timedelta(days=REMEMBERED_DAYS)).timestamp())
    except (OverflowError, OSError, ValueError):
        oldest = ""
    return {network: entry for network, entry in past.items() if entry["seen"] >= oldest}


def _is_time(value: t.Any) -> bool:
    return isinstance(value, str) and _TIME.match(value) is not None


def _list(value: t.Any) -> t.Sequence[t.Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _times(value: t.Any) -> int:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST
    return t.cast(int, value) if good else 1
