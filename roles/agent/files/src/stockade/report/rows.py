# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a report: one for each rule or jail and address, however often it decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stockade.addresses import Network

BANNED, ENDED, LIFTED = "banned", "ended", "lifted"


@dataclass(frozen=True)
class Row:
    """What `jail` (a jail of fail2ban, or who else decided) did about `network`; all times are epoch seconds.

    `state` is what became of it at last: banned, ended, lifted, the warden's word for another end, or the watcher's own
    for why it only told. `until` is the end of a ban that holds, None for a permanent one. `seen` is what was counted,
    as far as the source says it.
    """

    network: Network
    jail: str
    times: int
    first: int
    last: int
    state: str
    until: int | None = None
    seen: str = ""


@dataclass(frozen=True)
class Found:
    """The rows of a report, and what stood in the way of finding all of them."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


def one_each(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One row for each jail and network of one source, in the order of the report: by jail, then by address."""
    found: dict[tuple[str, Network], Row] = {}
    for row in rows:
        key = (row.jail, row.network)
        there = found.get(key)
        if there is None:
            found[key] = row
            continue
        # Of two that were decided within a second, the one that holds came last.
        latest = row if (row.last, row.state == BANNED) >= (there.last, there.state == BANNED) else there
        found[key] = replace(
            latest, times=there.times + row.times, first=min(there.first, row.first), seen=latest.seen or there.seen
        )
    return _in_order(found)


def joined(better: tuple[Row, ...], other: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows of two sources that tell of the same decisions; `better` knows what has become of them."""
    found = {(row.jail, row.network): row for row in other}
    for row in better:
        same = found.get((row.jail, row.network))
        if same is not None:
            row = replace(
                row,
                times=max(row.times, same.times),
                first=min(row.first, same.first),
                last=max(row.last, same.last),
            )
        found[(row.jail, row.network)] = row
    return _in_order(found)


def _in_order(found: dict[tuple[str, Network], Row]) -> tuple[Row, ...]:
    return tuple(found[key] for key in sorted(found))
