# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the kernel to what the registry says, and keeping it there.

The registry is the truth; what the firewall does not take is kept as the problem, told to whoever asked, and retried.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable

from stockade.addresses import Network
from stockade.protocol import UNAVAILABLE, ProtocolError
from stockade.warden.firewall import Firewall, FirewallError, Remaining
from stockade.warden.policy import Surroundings
from stockade.warden.registry import Registry
from stockade.warden.rows import Ban

RETRY_SECONDS = 5.0
COMPARE_SECONDS = 86400.0  # between two full comparisons: single elements that root took out, ends beyond a timeout
LOOK_SECONDS = 30.0  # between two looks at gateways and resolvers
CLOCK_STEP_SECONDS = 2.0  # kernel timeouts run on, the registry compares with the wall clock


class Enforcement:
    """The firewall's side of one registry.

    `problem` says why the kernel does not hold all of it, empty if it does; `unrecorded` why the registry lacks
    something that the kernel holds, until the next change that is recorded.
    `clock` returns epoch seconds, `monotonic` seconds that no clock step moves.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        firewall: Firewall,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self.problem = ""
        self.released = registry.released
        self.unrecorded = ""
        self.backend = firewall.name
        self.subtracts = firewall.subtracts
        self._registry = registry
        self._firewall = firewall
        self._clock = clock
        self._monotonic = monotonic
        self._surroundings = surroundings
        self._clock_offset = clock() - monotonic()
        self._retry_at = 0.0
        self._look_at = 0.0  # monotonic
        self._compare_at = 0.0  # monotonic
        self._next_end = 0.0  # epoch seconds when the first timed whitelist entry ends
        self._passing: set[Network] = set()  # what the kernel lets through

    def synchronise(self) -> None:
        """Compare everything; a failure is kept as the problem and not raised."""
        self._compare_at = self._monotonic() + COMPARE_SECONDS
        try:
            if self.released:
                if self._firewall.present():
                    self._firewall.remove()
                self.problem = ""
                return
            passing = self._wanted_passing()
            self._firewall.synchronise(whitelist=passing, bans=self._in_force())
            self.problem, self._passing = "", passing
        except FirewallError as error:
            self._failed(error)

    def tick(self) -> None:
        """Once a second: repair what others changed, follow the clock and what ends, retry what failed."""
        now = self._monotonic()
        offset = self._clock() - now
        stepped = abs(offset - self._clock_offset) > CLOCK_STEP_SECONDS
        self._clock_offset = offset
        if self.problem:
            if now >= self._retry_at:
                self.synchronise()
        elif self.released:
            if self._firewall.present():
                self.synchronise()
        elif stepped or now >= self._compare_at or self._firewall.disturbed():
            self.synchronise()
        elif (now >= self._look_at or self._clock() >= self._next_end) and self._wanted_passing() != self._passing:
            self._attempt(self._hold_whitelist)

    def hold(self, *, put: list[Ban], end: list[Ban], passing: bool, wanted: bool) -> None:
        """Bring these rows' networks, and with `passing` the whitelist, to what the registry says now.

        `wanted` says that the caller expects bans in force. Raises ProtocolError if the kernel does not hold all of
        it, whether something changed or not: asking again is never taken for success.
        """
        if self.released:
            if wanted:
                raise ProtocolError(UNAVAILABLE, "recorded, NOT in force: the warden is released (`stockade resume`)")
            return
        networks = {ban.network for ban in (*put, *end)}

        def change() -> None:
            if passing:
                self._hold_whitelist()
            if networks:
                held = self._in_force(networks)
                self._firewall.apply(ban=held, lift=networks - held.keys())

        self._attempt(change)
        if self.problem:
            raise ProtocolError(UNAVAILABLE, f"recorded, NOT in force: {self.problem}")

    def hold_unrecorded(self, *, put: Iterable[Ban], end: Iterable[Ban], why: str) -> None:
        """Do in the kernel what the registry could not take. Raises ProtocolError if that fails too."""
        self.unrecorded = why
        if self.released:
            raise ProtocolError(UNAVAILABLE, f"NOT recorded and NOT in force, the warden is released: {why}")
        now = int(self._clock())
        rows = {ban[:3]: ban for network in {ban.network for ban in (*put, *end)} for ban in self._live(now, network)}
        networks = {row[0] for row in rows} | {ban.network for ban in put}
        rows = {row: ban for row, ban in rows.items() if row not in {ban[:3] for ban in end}}
        rows.update((ban[:3], ban) for ban in put)
        wanted: dict[Network, Remaining] = {}
        for ban in sorted(rows.values(), key=lambda ban: math.inf if ban.expires_at is None else ban.expires_at):
            wanted[ban.network] = _remaining(ban.expires_at, now)
        try:
            self._firewall.apply(ban=wanted, lift=networks - wanted.keys())
        except FirewallError as error:
            raise ProtocolError(UNAVAILABLE, f"NOT recorded and NOT in force: {error}") from None

    def _live(self, now: int, network: Network) -> list[Ban]:
        try:
            return self._registry.live(now, network=network)
        except sqlite3.Error:
            return []

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """Packets dropped by each of these since its ban was last set; empty if the firewall does not tell."""
        try:
            return self._firewall.packets(networks)
        except FirewallError:
            return {}

    def release(self) -> None:
        """Take everything out. Raises ProtocolError if that failed; `tick` goes on trying."""
        self.released = True
        self.problem = ""
        self._attempt(self._firewall.remove)
        if self.problem:
            raise ProtocolError(UNAVAILABLE, f"NOT released: {self.problem}")

    def resume(self) -> None:
        """Put everything back. Raises ProtocolError if that failed."""
        self.released = False
        self.synchronise()
        if self.problem:
            raise ProtocolError(UNAVAILABLE, f"resumed, NOT in force: {self.problem}")

    def _attempt(self, change: Callable[[], None]) -> None:
        if self.problem:  # the kernel is behind already: one change would not bring it up
            self.synchronise()
            return
        try:
            change()
        except FirewallError:
            self.synchronise()  # somebody may just have flushed the ruleset: that is put right, not reported

    def _in_force(self, networks: set[Network] | None = None) -> dict[Network, Remaining]:
        now = int(self._clock())
        held = self._registry.in_force(now, networks)
        return {network: _remaining(expires, now) for network, expires in held.items()}

    def _hold_whitelist(self) -> None:
        passing = self._wanted_passing()
        self._firewall.set_whitelist(passing)
        self._passing = passing

    def _wanted_passing(self) -> set[Network]:
        entries = self._registry.whitelist(int(self._clock()))
        self._look_at = self._monotonic() + LOOK_SECONDS
        self._next_end = min((e.expires_at for e in entries if e.expires_at is not None), default=math.inf)
        return {entry.network for entry in entries} | self._surroundings().reachable

    def _failed(self, error: FirewallError) -> None:
        self.problem = str(error)
        self._retry_at = self._monotonic() + RETRY_SECONDS


def _remaining(expires_at: int | None, now: int) -> Remaining:
    return None if expires_at is None else max(expires_at - now, 1)
