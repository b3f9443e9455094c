# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of everything: each service's share of bans, and what goes first when the registry is full."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Literal

from stockade.addresses import Network
from stockade.protocol import QUOTA, ProtocolError
from stockade.warden.callers import Caller
from stockade.warden.policy import Policy
from stockade.warden.registry import Registry
from stockade.warden.rows import Ban, Change

MOST_BANS = 200_000  # live ones with an end, lists aside
MARGIN = 2000  # shed at once, so that a full registry does not shed with every ban
CROWD = 64  # banned /64 of one /48 that become the /48: an attacker there has 65,536 of them
SHED, MERGED = "shed", "merged"


class Quota:
    """Each service's bans (or alarms: `what`) in a minute: a bucket that fills steadily and holds one minute's worth.

    `monotonic` returns seconds that no clock step moves.
    """

    def __init__(self, monotonic: Callable[[], float], what: Literal["bans", "alarms"] = "bans") -> None:
        self._monotonic = monotonic
        self._what = what
        self._left: dict[str, tuple[float, float]] = {}  # by caller: how many are left, when that was

    def take(self, caller: Caller, count: int) -> None:
        """Take `count` out of the caller's share. Raises ProtocolError(QUOTA) if it has not that many left."""
        share = caller.bans_per_minute if self._what == "bans" else caller.alarms_per_minute
        if share is None:
            return
        now = self._monotonic()
        left, when = self._left.get(caller.name, (float(share), now))
        left = min(share, left + (now - when) * share / 60)
        if count > left:
            self._left[caller.name] = left, now
            seconds = int((min(count, share) - left) * 60 / share) + 1
            allowed = f"{caller.name} may ask for {share} {self._what} a minute"
            raise ProtocolError(QUOTA, f"{allowed}: ask again in {seconds} s")
        self._left[caller.name] = left - count, now


class Shedding:
    """Keeps the registry below `most` live timed bans: crowded IPv6 networks are merged, then what ends first goes."""

    def __init__(self, registry: Registry, origin: str, most: int = MOST_BANS) -> None:
        self.shed = 0  # since the start
        self.shed_at = 0  # epoch seconds
        self._registry = registry
        self._origin = origin
        self._most = most
        self._margin = min(MARGIN, max(most // 10, 1))

    def relief(self, now: int, policy: Callable[[], Policy], caller: Caller) -> Change | None:
        """What has to go now, None while there is room."""
        excess = self._registry.excess(now, self._most)
        if not excess:
            return None
        self.shed_at = now
        change = self._merge(now, policy(), caller)
        change.told = False
        if change.end:
            change.ended_by = MERGED
            return change
        change.ended_by = SHED
        change.end = self._registry.soonest(now, excess + self._margin)
        self.shed += len(change.end)
        return change

    def _merge(self, now: int, policy: Policy, caller: Caller) -> Change:
        change = Change()
        for network in self._registry.crowded(now, CROWD):
            if policy.refusal(network, caller=caller, operator=False, force=False) or policy.holes(network):
                continue
            held = self._registry.inside(now, network)
            rows = [ban for ban in held if _timed(ban)]
            around = self._around(network, rows, now)
            change.end += [ban for ban in rows if ban.network != network]
            if not any(ban[:3] == around[:3] and ban.expires_at is None for ban in held):
                change.put.append(around)
        return change

    def _around(self, network: Network, rows: list[Ban], now: int) -> Ban:
        longest = max(rows, key=lambda ban: ban.expires_at or 0)
        reason = f"{len(rows)} bans in this network, the registry is full"
        return Ban(network, longest.source, self._origin, uuid.uuid4().hex, reason, now, longest.expires_at)


def _timed(ban: Ban) -> bool:
    return ban.expires_at is not None and not ban.source.startswith("list/")
