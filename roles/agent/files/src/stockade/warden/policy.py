# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is never banned: the checks that every ban passes before it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stockade.addresses import NEVER_BANNED, PRIVATE, Network, covers, first_covering, format_network
from stockade.warden import protected
from stockade.warden.callers import Caller
from stockade.warden.registry import WhitelistEntry

WIDEST_OPERATOR = {4: 8, 6: 32}  # prefix lengths; wider only with `force`
WIDEST_SERVICE = {4: 24, 6: 48}
WIDEST_WHITELIST = {4: 8, 6: 32}


@dataclass(frozen=True)
class Surroundings:
    """What the host itself needs, read anew for each request: addresses move."""

    own: frozenset[Network]
    reachable: frozenset[Network]  # gateways and resolvers

    @classmethod
    def read(cls) -> Surroundings:
        """As the kernel and libc see it now."""
        return cls(
            own=frozenset(protected.own_addresses()),
            reachable=frozenset(protected.gateways() | protected.resolvers()),
        )


class Policy:
    """Answers for one request: refusal as text, or None."""

    def __init__(
        self,
        *,
        whitelist: list[WhitelistEntry],
        surroundings: Surroundings,
        ban_private: bool,
    ) -> None:
        self._whitelist = whitelist
        self._surroundings = surroundings
        self._ban_private = ban_private

    def refusal(self, network: Network, *, caller: Caller, operator: bool, force: bool) -> str | None:
        """Why `network` may not be banned, or None. `operator` tells decisions of people from those of services."""
        checks: tuple[Callable[[], str | None], ...] = (
            lambda: self._never(network),
            lambda: self._whitelisted(network),
            lambda: None if force and caller.trusted else self._too_wide(network, operator),
            lambda: None if operator or self._ban_private else self._private(network),
        )
        return next((text for check in checks if (text := check())), None)

    def holes(self, network: Network) -> list[str]:
        """What passes though `network` is banned: whitelisted networks, gateways and resolvers inside it."""
        inside = {entry.network for entry in self._whitelist} | self._surroundings.reachable | self._surroundings.own
        return sorted(format_network(inner) for inner in inside if covers(network, inner) and inner != network)

    def _never(self, network: Network) -> str | None:
        if reserved := first_covering(list(NEVER_BANNED), network):
            return f"{format_network(reserved)} is never banned (loopback, link-local, multicast or unspecified)"
        if first_covering(list(self._surroundings.own), network):
            return "it is an address of this host"
        if first_covering(list(self._surroundings.reachable), network):
            return "it is a gateway or resolver of this host"
        return None

    def _whitelisted(self, network: Network) -> str | None:
        for entry in self._whitelist:
            if covers(entry.network, network):
                comment = f" ({entry.comment})" if entry.comment else ""
                return f"{format_network(entry.network)} is whitelisted by list {entry.list_name}{comment}"
        return None

    def _too_wide(self, network: Network, operator: bool) -> str | None:
        widest = (WIDEST_OPERATOR if operator else WIDEST_SERVICE)[network.version]
        if network.prefixlen >= widest:
            return None
        return f"wider than /{widest}" + (" (force: true bans it all the same)" if operator else "")

    def _private(self, network: Network) -> str | None:
        private = first_covering(list(PRIVATE), network)
        return f"{format_network(private)} is private (ban_private is off)" if private else None
