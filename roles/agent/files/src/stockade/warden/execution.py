# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every change has in common: the policy of the moment, the commit, and the firewall after it.

An answer without error means that the change is durably recorded and accepted by the kernel; anything less is an error
that names the missing half. With `check` the answer is the same and nothing happens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from stockade.protocol import UNAVAILABLE, ProtocolError
from stockade.warden.callers import Caller
from stockade.warden.config import WardenConfig
from stockade.warden.enforcement import Enforcement
from stockade.warden.limits import Quota, Shedding
from stockade.warden.policy import Policy, Surroundings
from stockade.warden.registry import Registry
from stockade.warden.rows import Change

Answer = dict[str, Any]
SHOWN = 100  # entries of a list that an answer shows; the counts are of all


class Execution:
    """Carries changes out. `clock` returns epoch seconds, `monotonic` seconds that no clock step moves."""

    def __init__(
        self,
        *,
        registry: Registry,
        enforcement: Enforcement,
        config: WardenConfig,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self.registry = registry
        self.config = config
        self.surroundings = surroundings
        self.quota = Quota(monotonic)
        self.alarm_quota = Quota(monotonic, "alarms")
        self.broken = ""  # what the registry said when it was found broken: only a start can rebuild it
        self.shedding = Shedding(registry, config.origin)
        self._policy: Policy | None = None
        self._policy_of: tuple[object, object] = (None, None)
        self._enforcement = enforcement
        self._clock = clock

    @property
    def subtracts(self) -> bool:
        """Whether the firewall lets a whitelisted part of a banned network through."""
        return self._enforcement.subtracts

    def now(self) -> int:
        """Epoch seconds."""
        return int(self._clock())

    def policy(self) -> Policy:
        """The rules as they are now: whitelist, addresses and routes move."""
        whitelist, surroundings = self.registry.whitelist(self.now()), self.surroundings()
        if self._policy is None or self._policy_of[0] is not whitelist or self._policy_of[1] != surroundings:
            self._policy = Policy(whitelist=whitelist, surroundings=surroundings, ban_private=self.config.ban_private)
            self._policy_of = (whitelist, surroundings)
        return self._policy

    def cannot_subtract(self, holes: list[str]) -> str | None:
        """Why a network with these holes cannot be banned by this firewall, or None."""
        if not holes or self.subtracts:
            return None
        return f"{holes[0]} inside it is never banned, and {self._enforcement.backend} cannot let a part through"

    def carry_out(self, now: int, change: Change, *, wanted: bool = False) -> None:
        """Commit, then enforce; also where nothing changes, so that `unchanged` is only said of what is in force.

        `wanted` says that the caller expects bans in force. Raises ProtocolError with the half that is missing.
        """
        if change:
            try:
                self.registry.change(now, change)
            except sqlite3.Error as error:
                self.noticed(error)
                half = "NOT recorded" if change.passing or not (change.put or change.end) else "in force, NOT recorded"
                self._enforcement.hold_unrecorded(put=change.put, end=change.end, why=str(error))
                raise ProtocolError(UNAVAILABLE, f"{half}: {error}") from None
            self._enforcement.unrecorded = ""
        self._enforcement.hold(put=change.put, end=change.end, passing=change.passing, wanted=wanted)

    def noticed(self, error: sqlite3.Error) -> None:
        """Tell a broken file from a disk that is full or cannot be written."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self.broken = str(error)

    def relieve(self, now: int, caller: Caller) -> None:
        """Make room if the registry is full."""
        while change := self.shedding.relief(now, self.policy, caller):
            self.carry_out(now, change)
