# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warden over a real registry and a recorded firewall, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stockade.addresses import Network, parse_network
from stockade.warden.callers import ROOT, Caller
from stockade.warden.config import WardenConfig
from stockade.warden.core import Warden
from stockade.warden.firewall import FirewallError, Held
from stockade.warden.policy import Surroundings
from stockade.warden.registry import Registry

NOW = 1_800_000_000


class RecordedFirewall:
    """A fake firewall: it keeps what it was told in a dict, and refuses while `broken` is set."""

    name = "recorded"
    subtracts = True

    def __init__(self) -> None:
        self.bans: dict[str, int | None] = {}
        self.whitelist: set[str] = set()
        self.broken = False
        self.gone = False
        self.dropped = 0  # packets, by each ban

    def _check(self) -> None:
        if self.broken:
            raise FirewallError("nft: no")

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, int | None]) -> None:
        self._check()
        self.bans = {str(network): left for network, left in bans.items()}
        self.whitelist = {str(network) for network in whitelist}
        self.gone = False

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        self._check()
        self.whitelist = {str(network) for network in whitelist}

    def apply(self, *, ban: Mapping[Network, int | None], lift: Iterable[Network]) -> None:
        self._check()
        self.bans.update({str(network): left for network, left in ban.items()})
        for network in lift:
            self.bans.pop(str(network), None)

    def remove(self) -> None:
        self._check()
        self.bans, self.whitelist, self.gone = {}, set(), True

    def present(self) -> bool:
        return bool(self.bans or self.whitelist)

    def disturbed(self) -> bool:
        return self.gone

    def held(self) -> Held:
        self._check()
        bans = {parse_network(text): left for text, left in self.bans.items()}
        return Held(bans, {parse_network(text) for text in self.whitelist})

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        return {network: self.dropped for network in networks if str(network) in self.bans}


class Host:
    """One warden with its parts in reach of the test."""

    def __init__(self, path: str = ":memory:") -> None:
        self.now = float(NOW)  # the wall clock; a test that moves it alone steps the clock
        self.uptime = 1000.0
        self.firewall = RecordedFirewall()
        self.path = path
        self.registry = Registry(path)
        self.warden = self._warden()

    def _warden(self) -> Warden:
        around = Surroundings(
            own=frozenset({parse_network("198.51.100.10"), parse_network("2001:db8::10")}),
            reachable=frozenset({parse_network("198.51.100.1")}),
        )
        warden = Warden(
            registry=self.registry,
            firewall=self.firewall,
            config=WardenConfig(origin="web1"),
            clock=lambda: self.now,
            monotonic=lambda: self.uptime,
            surroundings=lambda: around,
        )
        warden.start()
        return warden

    def restart(self) -> None:
        """A new process over the same file."""
        self.registry.close()
        self.registry = Registry(self.path)
        self.warden = self._warden()

    def wait(self, seconds: float) -> None:
        """Let time pass, and the warden look once."""
        self.now += seconds
        self.uptime += seconds
        self.warden.tick()

    def ask(self, op: str, caller: Caller = ROOT, **fields: Any) -> dict[str, Any]:
        return self.warden.handle(caller, {"v": 1, "op": op, **fields})

    def ban(self, *networks: str, caller: Caller = ROOT, **fields: Any) -> dict[str, Any]:
        return self.ask("ban", caller, bans=[{"network": network, **fields} for network in networks])

    def banned(self) -> list[str]:
        return sorted(row["network"] for row in self.ask("bans", limit=1000)["bans"])
