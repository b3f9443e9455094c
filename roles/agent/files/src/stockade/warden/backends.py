# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall that the configuration asks for: one backend by itself, or several as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from stockade.addresses import Network
from stockade.warden.command import Command
from stockade.warden.config import WardenConfig
from stockade.warden.firewall import Firewall, FirewallError, Held, Remaining
from stockade.warden.hosts_deny import HostsDeny
from stockade.warden.ledger import Ledger
from stockade.warden.nftables import Nftables

STATE = Path("/var/lib/stockade")


def build(settings: WardenConfig, state: Path = STATE) -> Firewall:
    """The firewall of this host; `state` is where backends without a memory of their own keep theirs."""
    makers: dict[str, Callable[[], Firewall]] = {
        "nftables": Nftables,
        "hosts_deny": lambda: HostsDeny(Ledger(state / "hosts_deny.ledger")),
        "command": lambda: Command(
            Ledger(state / "command.ledger"), ban=settings.command_ban, unban=settings.command_unban
        ),
    }
    parts = [makers[name]() for name in settings.backends]
    return parts[0] if len(parts) == 1 else Combined(parts)


class Combined:
    """Several firewalls that all hold the same. What one does not take, the others still do."""

    def __init__(self, parts: Sequence[Firewall]) -> None:
        self.name = ", ".join(part.name for part in parts)
        self.subtracts = all(part.subtracts for part in parts)
        self._parts = tuple(parts)

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """See Firewall."""
        passing = set(whitelist)
        self._each(lambda part: part.synchronise(whitelist=passing, bans=bans))

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall."""
        passing = set(whitelist)
        self._each(lambda part: part.set_whitelist(passing))

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        lifted = set(lift)
        self._each(lambda part: part.apply(ban=ban, lift=lifted))

    def remove(self) -> None:
        """See Firewall."""
        self._each(lambda part: part.remove())

    def present(self) -> bool:
        """See Firewall."""
        return any(part.present() for part in self._parts)

    def disturbed(self) -> bool:
        """See Firewall."""
        return any(part.disturbed() for part in self._parts)

    def held(self) -> Held:
        """See Firewall: of each network the longest that any of them holds."""
        found = Held()

        def add(part: Firewall) -> None:
            one = part.held()
            found.whitelist.update(one.whitelist)
            for network, left in one.bans.items():
                known = found.bans.get(network, 0)
                found.bans[network] = None if left is None or known is None else max(left, known)

        self._each(add)
        return found

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """See Firewall."""
        asked = list(networks)
        counts: dict[Network, int] = {}
        for part in self._parts:
            counts.update(part.packets(asked))
        return counts

    def _each(self, call: Callable[[Firewall], None]) -> None:
        failures = []
        for part in self._parts:
            try:
                call(part)
            except FirewallError as error:
                failures.append(f"{part.name}: {error}".replace(f"{part.name}: {part.name}: ", f"{part.name}: "))
        if failures:
            raise FirewallError("; ".join(failures))
