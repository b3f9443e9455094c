# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a merged report.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_history import History
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import STATES, UNKNOWN
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_previous import Previous
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import PERMANENT, iso

HOURS = 48
DAYS = 30
_JAIL = "fail2ban/"

Rows = t.Sequence[t.Mapping[str, t.Any]]


def summarise(
    bans: Rows, hosts: Rows, before: Previous, history: History, *, now: float, countries: bool
) -> dict[str, t.Any]:
    """The figures. Without ``countries`` (nobody asked, or nobody knows) there are none by country.

    Over time it is the bans that hosts decided, each host's by itself; where none remembers, those that still hold.
    """
    moments = history.moments() if history.told else [(ban["since"], 1) for ban in bans]
    sources = Counter(source for ban in bans for source in ban["sources"])
    states = Counter(host["state"] for host in hosts)
    day_ago = iso(now - 86400)
    return {
        "hosts": len(hosts),
        "states": {state: states[state] for state in STATES if states[state]},
        "unreachable": [host["name"] for host in hosts if host["state"] == "unreachable"],
        "truncated": [host["name"] for host in hosts if host["truncated"]],
        "networks": len(bans),
        "permanent": sum(1 for ban in bans if ban["until"] == PERMANENT),
        "on_several_hosts": sum(1 for ban in bans if len(ban["hosts"]) > 1),
        "covered": sum(1 for ban in bans if "covered_by" in ban),
        "repeated": sum(1 for ban in bans if ban["times"] > 1),
        "last_24h": sum(1 for ban in bans if ban["since"] >= day_ago),
        "since_last": _since_last(bans, before),
        "by_source": _largest_first(sources),
        "by_jail": _largest_first(
            Counter({name[len(_JAIL) :]: number for name, number in sources.items() if name.startswith(_JAIL)})
        ),
        "by_country": _largest_first(Counter(ban["country"] for ban in bans)) if countries else {},
        "by_host": {host["name"]: host["bans"] for host in hosts if host["state"] not in UNKNOWN},
        "by_hour": _over_time(moments, now=now, step=3600, steps=HOURS, letters=13, rest=":00:00Z"),
        "by_day": _over_time(moments, now=now, step=86400, steps=DAYS, letters=10, rest=""),
    }


def _since_last(bans: Rows, before: Previous) -> dict[str, t.Any] | None:
    if not before.at:
        return None
    new = sum(1 for ban in bans if ban["new"])
    return {"at": before.at, "new": new, "gone": before.ended(bans)}


def _largest_first(numbers: t.Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def _over_time(
    moments: t.Iterable[tuple[str, int]], *, now: float, step: int, steps: int, letters: int, rest: str
) -> dict[str, int]:
    """How many bans began in each of the last ``steps`` hours or days, the oldest first.

    A host whose clock is ahead counts into the last one.
    """
    result = dict.fromkeys((iso(now - step * back)[:letters] for back in range(steps - 1, -1, -1)), 0)
    last = iso(now)[:letters]
    for moment, number in moments:
        slot = min(moment[:letters], last)
        if slot in result:
            result[slot] += number
    return {slot + rest: number for slot, number in result.items()}
