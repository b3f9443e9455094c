# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures over what was banned in a span of time, whether it still holds or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from stockade.warden.rows import network_of

HOUR = 3600
REPEATERS = 50


class Decision(NamedTuple):
    """One ban that was decided; `lifted` is whether somebody took it back before its time."""

    key: bytes
    source: str
    banned_at: int
    lifted: bool


def figures(decisions: Iterable[Decision], since: int) -> dict[str, Any]:
    """How many there were, by hour (epoch seconds of its start) and source, and who came again, most often first.

    A ban that was lifted counts in every figure but the last: it was a mistake, not an offence.
    """
    hours: Counter[int] = Counter()
    sources: Counter[str] = Counter()
    offences: Counter[bytes] = Counter()
    keys = set()
    for key, source, banned_at, lifted in decisions:
        hours[banned_at - banned_at % HOUR] += 1
        sources[source] += 1
        keys.add(key)
        if not lifted:
            offences[key] += 1
    again = sorted(((key, count) for key, count in offences.items() if count > 1), key=lambda row: (-row[1], row[0]))
    return {
        "since": since,
        "bans": sum(hours.values()),
        "networks": len(keys),
        "by_hour": {str(hour): hours[hour] for hour in sorted(hours)},
        "by_source": dict(sorted(sources.items(), key=lambda row: (-row[1], row[0]))),
        "repeaters": len(again),
        "repeated": [{"network": str(network_of(key)), "bans": count} for key, count in again[:REPEATERS]],
    }
