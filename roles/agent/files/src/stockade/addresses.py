# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks: the one place where text becomes an address.

Everything that reaches the registry or the firewall went through `parse_network`, so that a name, a zone id,
host bits or an octal-looking number can never stand in for an address.
"""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_BITS = {4: 32, 6: 128}
_MAPPED = 0xFFFF  # the first 96 bits of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2)


class Network(NamedTuple):
    """An IPv4 or IPv6 network: its IP version, its first address as a number, its prefix length.

    A tenth of the memory and of the time of `ipaddress.ip_network`, which counts with 100,000 of them.
    """

    version: int
    first: int
    prefixlen: int

    @property
    def max_prefixlen(self) -> int:
        """Bits of an address: 32 or 128."""
        return _BITS[self.version]

    @property
    def last(self) -> int:
        """The last address as a number."""
        return self.first | (1 << (_BITS[self.version] - self.prefixlen)) - 1

    @property
    def packed(self) -> bytes:
        """The first address in network byte order."""
        return self.first.to_bytes(_BITS[self.version] // 8, "big")

    @property
    def address(self) -> str:
        """The first address as text."""
        return socket.inet_ntop(_FAMILY[self.version], self.packed)

    @property
    def netmask(self) -> str:
        """The mask as an address."""
        bits = _BITS[self.version]
        mask = (1 << bits) - (1 << bits - self.prefixlen)
        return socket.inet_ntop(_FAMILY[self.version], mask.to_bytes(bits // 8, "big"))

    def __str__(self) -> str:
        """The canonical text: a bare address where the network is one address, CIDR otherwise."""
        return self.address if self.prefixlen == _BITS[self.version] else f"{self.address}/{self.prefixlen}"

    def supernet(self, prefixlen: int) -> Network:
        """The network of this prefix length around it."""
        shift = _BITS[self.version] - prefixlen
        return Network(self.version, self.first >> shift << shift, prefixlen)

    def supernets(self) -> list[Network]:
        """Every network around it, itself first."""
        return [self.supernet(length) for length in range(self.prefixlen, -1, -1)]


def parse_network(text: object) -> Network:
    """Return the network that `text` names; a bare address is a /32 or /128, an IPv4-mapped one becomes IPv4.

    Raises ValueError with the text and the reason.
    """
    if not isinstance(text, str):
        raise ValueError(f"{str(text)[:80]!r} is not an address")
    address, slash, prefix = text.partition("/")
    version = 6 if ":" in address else 4
    try:
        first = int.from_bytes(socket.inet_pton(_FAMILY[version], address), "big")
        length = _prefix_length(prefix) if slash else _BITS[version]
        if length > _BITS[version] or first & (1 << _BITS[version] - length) - 1:
            raise ValueError
    except (OSError, ValueError):
        raise ValueError(f"{_shown(text)}: {_complaint(text)}") from None
    if version == 6 and length >= 96 and first >> 32 == _MAPPED:
        return Network(4, first & 0xFFFFFFFF, length - 96)
    return Network(version, first, length)


def from_packed(packed: bytes, prefixlen: int | None = None) -> Network:
    """The network of a first address in network byte order, by default of that one address."""
    version = 4 if len(packed) == 4 else 6
    return Network(version, int.from_bytes(packed, "big"), _BITS[version] if prefixlen is None else prefixlen)


def merged(networks: Iterable[Network]) -> list[Network]:
    """The fewest networks of one IP version that hold the same addresses, in their order."""
    own = [ipaddress.ip_network((network.packed, network.prefixlen)) for network in networks]
    collapsed = ipaddress.collapse_addresses(own)  # type: ignore[type-var]
    return [from_packed(network.network_address.packed, network.prefixlen) for network in collapsed]


def between(first: bytes, behind: bytes | None) -> list[Network]:
    """The networks from one address up to the one before `behind`, by default up to the last of all."""
    low = ipaddress.ip_address(first)
    high = ipaddress.ip_address(behind) - 1 if behind else ipaddress.ip_address(b"\xff" * len(first))
    found = ipaddress.summarize_address_range(low, high)
    return [from_packed(network.network_address.packed, network.prefixlen) for network in found]


def _prefix_length(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise ValueError
    return int(text)


def _shown(text: str) -> str:
    return text[:80].encode("unicode_escape").decode()


def _complaint(text: str) -> str:
    """What is wrong with a text that `parse_network` does not take."""
    address, slash, prefix = text.partition("/")
    if "%" in text:
        return "zone ids are not allowed"
    try:
        bits = ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        parts = address.split(".")
        if len(parts) == 4 and all(part.isdigit() for part in parts):
            return "not an address (numbers are 0 to 255, without leading zeros)"
        return "not an address or network (host names are not allowed)"
    if not slash:
        return "not an address"
    try:
        length = _prefix_length(prefix)
    except ValueError:
        return "the part behind / must be a prefix length"
    if length > bits:
        return "the prefix length is too long"
    return f"host bits set (did you mean {from_packed(ipaddress.ip_address(address).packed).supernet(length)}?)"


# Never banned on any host (RFC 6890): a ban of these cuts a host off from itself or from its neighbours.
NEVER_BANNED: tuple[Network, ...] = tuple(
    parse_network(text)
    for text in (
        "0.0.0.0/32",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
    )
)

# Spared by decisions of services unless `ban_private` is set: RFC 1918, RFC 6598, RFC 4193.
PRIVATE: tuple[Network, ...] = tuple(
    parse_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


class NetworkIndex:
    """Networks, asked for those around or inside another one without walking all of them."""

    def __init__(self, networks: Iterable[Network]) -> None:
        tables: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for version, first, length in networks:
            tables[version].setdefault(length, set()).add(first)
        # for each version the prefix lengths in use, widest first, each with the bits to shift away
        self._tables = {
            version: [(length, _BITS[version] - length, firsts) for length, firsts in sorted(by_length.items())]
            for version, by_length in tables.items()
        }
        self._sorted = {version: sorted(self._all(version)) for version in (4, 6)}

    def _all(self, version: int) -> Iterator[tuple[int, int]]:
        for length, _shift, firsts in self._tables[version]:
            yield from ((first, length) for first in firsts)

    def around(self, network: Network) -> Network | None:
        """The widest of the networks that cover `network`, or None."""
        version, first, prefixlen = network
        for length, shift, firsts in self._tables[version]:
            if length > prefixlen:
                return None
            if first >> shift << shift in firsts:
                return network.supernet(length)
        return None

    def inside(self, network: Network) -> list[Network]:
        """The networks inside `network`, itself left out, in the order of their addresses."""
        ordered = self._sorted[network.version]
        low = bisect_left(ordered, (network.first, network.prefixlen + 1))
        high = bisect_right(ordered, (network.last, network.max_prefixlen))
        return [Network(network.version, first, length) for first, length in ordered[low:high]]
