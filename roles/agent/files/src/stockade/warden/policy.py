# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is never banned: the checks that every ban passes before it is recorded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from stockade.addresses import NEVER_BANNED, PRIVATE, Network, NetworkIndex
from stockade.warden import protected
from stockade.warden.callers import Caller
from stockade.warden.rows import WhitelistEntry

WIDEST_OPERATOR = {4: 8, 6: 32}  # prefix lengths; wider only with `force`
WIDEST_SERVICE = {4: 24, 6: 48}
WIDEST_WHITELIST = {4: 8, 6: 32}

_NEVER_BANNED = NetworkIndex(NEVER_BANNED)
_PRIVATE = NetworkIndex(PRIVATE)


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

    def digest(self) -> str:
        """The same text for the same surroundings."""
        known = " ".join(map(str, sorted(self.own | self.reachable)))
        return hashlib.sha256(known.encode()).hexdigest()[:16]


class Policy:
    """Answers for one request: refusal as text, or None."""

    def __init__(self, *, whitelist: list[WhitelistEntry], surroundings: Surroundings, ban_private: bool) -> None:
        self._entries = {entry.network: entry for entry in whitelist}
        self._whitelist = NetworkIndex(self._entries)
        self._own = NetworkIndex(surroundings.own)
        self._reachable = NetworkIndex(surroundings.reachable)
        self._passing = NetworkIndex([*self._entries, *surroundings.own, *surroundings.reachable, *NEVER_BANNED])
        self._ban_private = ban_private

    def refusal(self, network: Network, *, caller: Caller, operator: bool, force: bool) -> str | None:
        """Why `network` may not be banned, or None. `operator` tells decisions of people from those of services."""
        if self._passing.around(network):  # one look for the many that nothing protects
            return self.never(network) or self._whitelisted(network)
        return (None if force and caller.trusted else self._too_wide(network, operator)) or (
            None if operator or self._ban_private else self._private(network)
        )

    def holes(self, network: Network) -> list[str]:
        """What passes though `network` is banned: whatever inside it is whitelisted, needed, or never banned."""
        return [str(inner) for inner in self._passing.inside(network)]

    def never(self, network: Network) -> str | None:
        """Why `network` is never banned whatever the whitelist says, or None."""
        if reserved := _NEVER_BANNED.around(network):
            return f"{reserved} is never banned (loopback, link-local, multicast or unspecified)"
        if self._own.around(network):
            return "it is an address of this host"
        if self._reachable.around(network):
            return "it is a gateway or resolver of this host"
        return None

    def _whitelisted(self, network: Network) -> str | None:
        found = self._whitelist.around(network)
        if found is None:
            return None
        entry = self._entries[found]
        comment = f" ({entry.comment})" if entry.comment else ""
        return f"{found} is whitelisted by list {entry.list_name}{comment}"

    def _too_wide(self, network: Network, operator: bool) -> str | None:
        widest = (WIDEST_OPERATOR if operator else WIDEST_SERVICE)[network.version]
        if network.prefixlen >= widest:
            return None
        return f"wider than /{widest}" + (" (force bans it all the same)" if operator else "")

    def _private(self, network: Network) -> str | None:
        private = _PRIVATE.around(network)
        return f"{private} is private (ban_private is off)" if private else None
