# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the kernel to what the registry says, and keeping it there.

The registry is the truth; what the firewall does not take is kept as the problem, told to whoever asked, and retried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stockade.addresses import Network
from stockade.protocol import UNAVAILABLE, ProtocolError
from stockade.warden.firewall import Firewall, FirewallError, Remaining
from stockade.warden.policy import Surroundings
from stockade.warden.registry import Ban, Registry

RETRY_SECONDS = 5.0


class Enforcement:
    """The firewall's side of one registry. `problem` says why the kernel does not hold all of it; empty if it does."""

    def __init__(
        self,
        *,
        registry: Registry,
        firewall: Firewall,
        clock: Callable[[], float],
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self.problem = ""
        self.backend = firewall.name
        self._registry = registry
        self._firewall = firewall
        self._clock = clock
        self._surroundings = surroundings
        self._retry_at = 0.0
        self._passing: set[Network] = set()  # what the kernel lets through

    def synchronise(self) -> None:
        """Compare everything; a failure is kept as the problem and not raised."""
        if self._registry.released:
            return
        now = int(self._clock())
        bans = {network: _remaining(expires, now) for network, expires in self._registry.in_force(now).items()}
        passing = self._wanted_passing()
        try:
            self._firewall.synchronise(whitelist=passing, bans=bans)
        except FirewallError as error:
            self._failed(error)
        else:
            self.problem, self._passing = "", passing

    def tick(self) -> None:
        """Once a second: repair what others took out, follow whitelist entries that end, retry what failed."""
        if self._registry.released:
            return
        if self.problem:
            if self._clock() >= self._retry_at:
                self.synchronise()
        elif self._firewall.disturbed():
            self.synchronise()
        elif self._wanted_passing() != self._passing:
            self._attempt(self._hold_whitelist)

    def bans_changed(self, bans: Iterable[Ban]) -> None:
        """Bring the networks of these rows to what the registry says now. Raises ProtocolError if that failed."""
        if self._registry.released:
            raise ProtocolError(UNAVAILABLE, "recorded, NOT in force: the warden is released (`stockade resume`)")
        self._attempt(lambda: self._hold_bans({ban.network for ban in bans}))
        self.complain()

    def whitelist_changed(self, lifted: Iterable[Ban]) -> None:
        """Let through what is whitelisted now, and lift what that covers. Raises ProtocolError if that failed."""
        if self._registry.released:
            return

        def change() -> None:
            self._hold_whitelist()
            self._hold_bans({ban.network for ban in lifted})

        self._attempt(change)
        self.complain()

    def release(self) -> None:
        """Take everything out. Raises ProtocolError if that failed."""
        self.problem = ""
        self._attempt(self._firewall.remove)
        self.complain()

    def complain(self) -> None:
        """Raise ProtocolError if the kernel does not hold what the registry says."""
        if self.problem:
            raise ProtocolError(UNAVAILABLE, f"recorded, NOT in force: {self.problem}")

    def _attempt(self, change: Callable[[], None]) -> None:
        if self.problem:  # the kernel is behind already: one change would not bring it up
            self.synchronise()
            return
        try:
            change()
        except FirewallError as error:
            self._failed(error)

    def _hold_bans(self, networks: set[Network]) -> None:
        now = int(self._clock())
        held = self._registry.in_force(now, networks)
        remaining = {network: _remaining(expires, now) for network, expires in held.items()}
        self._firewall.apply(ban=remaining, lift=networks - held.keys())

    def _hold_whitelist(self) -> None:
        passing = self._wanted_passing()
        self._firewall.set_whitelist(passing)
        self._passing = passing

    def _wanted_passing(self) -> set[Network]:
        whitelisted = {entry.network for entry in self._registry.whitelist(int(self._clock()))}
        return whitelisted | self._surroundings().reachable

    def _failed(self, error: FirewallError) -> None:
        self.problem = str(error)
        self._retry_at = self._clock() + RETRY_SECONDS


def _remaining(expires_at: int | None, now: int) -> Remaining:
    return None if expires_at is None else max(expires_at - now, 1)
