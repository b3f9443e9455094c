# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts remember of the bans that they decided, whether these still hold or not.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import integer, loaded, mapping, rows_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import parse
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import iso

_LATEST = 1 << 40  # epoch seconds; what is later is no time
_HOUR = re.compile("[0-9]{1,13}")
_KEYS = 2400  # hours that one host may tell, a little more than the 90 days it remembers


class History:
    """Sums over hosts. ``times`` maps a network to how often the host that knows it best has banned it."""

    def __init__(self) -> None:
        self.told = 0
        self.silent = 0
        self.times: dict[str, int] = {}
        self._hours: Counter[int] = Counter()

    def take_in(self, facts: t.Mapping[str, t.Any]) -> None:
        """Add the history of one host; what is none is passed over."""
        history = mapping(facts.get("history"))
        if history.get("available") is not True:
            self.silent += 1
            return
        self.told += 1
        for hour, number in list(mapping(loaded(history.get("by_hour"))).items())[:_KEYS]:
            text = str(hour)
            if _HOUR.fullmatch(text) and int(text) < _LATEST:
                self._hours[int(text)] += max(integer(number), 0)
        for row in rows_of(history.get("repeated")) or ():
            found = (
                parse(row["network"]) if isinstance(row, t.Mapping) and isinstance(row.get("network"), str) else None
            )
            if found is not None:
                self.times[found[0]] = max(self.times.get(found[0], 0), integer(row.get("bans")))

    @property
    def note(self) -> str:
        """Whose bans are missing, if some hosts remember and others do not."""
        if not self.told or not self.silent:
            return ""
        return (
            f"bans over time are without those of {self.silent} of {self.told + self.silent} hosts, which remember none"
        )

    def moments(self) -> list[tuple[str, int]]:
        """The start of each hour in ISO 8601, and how many bans all hosts decided in it."""
        return [(iso(hour), number) for hour, number in self._hours.items()]
