# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans of one host: order and figures.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t
from collections import Counter

Row = t.Dict[str, t.Any]

# A ban that ends within this many seconds counts as expiring.
SOON = 3600


def newest_first(rows: list[Row]) -> list[Row]:
    """The rows by the time of the ban, the latest first."""
    return sorted(rows, key=lambda row: (-row["banned_at"], row["network"]))


def summarise(rows: list[Row], *, total: int, now: int) -> Row:
    """Figures over the rows.

    ``total`` is the number of bans in force; where it is more than there are rows, ``complete`` is false and every
    figure but ``bans`` speaks of the newest rows only. ``now`` is the epoch second.
    """
    timed = [row["expires_at"] for row in rows if row["expires_at"] is not None]
    sources = Counter(row["source"] for row in rows)
    return {
        "bans": total,
        "networks": len({row["network"] for row in rows}),
        "permanent": len(rows) - len(timed),
        "timed": len(timed),
        "expiring_1h": sum(1 for expires_at in timed if expires_at - now <= SOON),
        "by_source": dict(sorted(sources.items(), key=lambda item: (-item[1], item[0]))),
        "packets": sum(row.get("packets") or 0 for row in rows),
        "newest": max((row["banned_at"] for row in rows), default=None),
        "oldest": min((row["banned_at"] for row in rows), default=None),
        "complete": total <= len(rows),
    }
