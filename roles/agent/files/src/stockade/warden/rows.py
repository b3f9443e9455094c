# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the registry, as the warden handles them and as the protocol shows them. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stockade.addresses import Network, from_packed

_IPV4 = b"\0" * 10 + b"\xff\xff"  # IPv4 sorts inside ::ffff:0:0/96


def key_of(network: Network) -> bytes:
    """17 bytes that sort as networks do: the first address, then the prefix length."""
    if network.version == 4:
        return _IPV4 + network.packed + bytes((network.prefixlen + 96,))
    return network.packed + bytes((network.prefixlen,))


def network_of(key: bytes) -> Network:
    """The network of a key."""
    if key[16] >= 96 and key[:12] == _IPV4:
        return from_packed(key[12:16], key[16] - 96)
    return from_packed(key[:16], key[16])


# Where a change is about no network: a key that an older agent can read too, and that nothing banned ever has.
ALARM = "alarm"
NO_NETWORK = b"\0" * 16 + b"\x80"


class Ban(NamedTuple):
    """One reason why a network is refused; `expires_at` None means permanent."""

    network: Network
    source: str
    origin: str
    id: str
    reason: str
    banned_at: int
    expires_at: int | None

    def wire(self) -> dict[str, Any]:
        """The row as the protocol shows it."""
        return {
            "id": self.id,
            "network": str(self.network),
            "source": self.source,
            "origin": self.origin,
            "reason": self.reason,
            "banned_at": self.banned_at,
            "expires_at": self.expires_at,
        }


class EndedBan(NamedTuple):
    """A ban of the past; `ended_by` says who or what ended it: `expired`, `renewed`, `unban/root`, …"""

    ban: Ban
    ended_at: int
    ended_by: str

    def wire(self) -> dict[str, Any]:
        """The row as the protocol shows it."""
        return {**self.ban.wire(), "ended_at": self.ended_at, "ended_by": self.ended_by}


class WhitelistEntry(NamedTuple):
    """A network that is never banned; `list_name` names who keeps the entry, `expires_at` None means unlimited."""

    network: Network
    list_name: str
    comment: str
    added_at: int
    expires_at: int | None

    def wire(self) -> dict[str, Any]:
        """The entry as the protocol shows it."""
        return {
            "network": str(self.network),
            "list": self.list_name,
            "comment": self.comment,
            "expires_at": self.expires_at,
        }


class Declaration(NamedTuple):
    """How a list stands: the digest it was declared by, how many of what it holds, until when that is true."""

    digest: str
    counts: dict[str, int]
    valid_until: int | None


@dataclass
class Change:
    """Everything that one request changes; the registry takes it in one commit or not at all.

    A row of `put` replaces the one of the same network, source and origin. `declaration` is of the list `list_name`
    (`bans/<name>` or `whitelist/<name>`), None if nobody gave a digest.
    """

    put: list[Ban] = field(default_factory=list)
    replaced: list[Ban] = field(default_factory=list)  # by a later one of the same request: their ids are known
    end: list[Ban] = field(default_factory=list)
    ended_by: str = ""
    told: bool = True  # to followers; what this host had no room for is no reason for others to lift it
    put_whitelist: list[WhitelistEntry] = field(default_factory=list)
    end_whitelist: list[WhitelistEntry] = field(default_factory=list)
    list_name: str = ""
    declaration: Declaration | None = None

    @property
    def passing(self) -> bool:
        """Whether it touches the whitelist."""
        return bool(self.put_whitelist or self.end_whitelist)

    def __bool__(self) -> bool:
        return bool(self.put or self.end or self.passing or self.declaration)
