# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks: the one place where text becomes an address.

Everything that reaches the registry or the firewall went through `parse_network`, so that a name, a zone id,
host bits or an octal-looking number can never stand in for an address.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")

# Never banned on any host (RFC 6890): a ban of these cuts a host off from itself or from its neighbours.
NEVER_BANNED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
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
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def parse_network(text: object) -> Network:
    """Return the network that `text` names; a bare address is a /32 or /128, an IPv4-mapped one becomes IPv4.

    Raises ValueError with the text and the reason.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an address")
    shown = text[:80].encode("ascii", "backslashreplace").decode()
    if "%" in text:
        raise ValueError(f"{shown}: zone ids are not allowed")
    address, slash, prefix = text.partition("/")
    if slash and not (prefix.isascii() and prefix.isdigit()):
        raise ValueError(f"{shown}: the part behind / must be a prefix length")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{shown}: {_reason(address, text)}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network.subnet_of(MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(mapped or 0), network.prefixlen - 96))
    return network


def _reason(address: str, text: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        if address and all(part.isdigit() for part in address.split(".")) and address.count(".") == 3:
            return "not an address (numbers are 0 to 255, without leading zeros)"
        return "not an address or network (host names are not allowed)"
    try:
        wanted = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "the prefix length is too long"
    return f"host bits set (did you mean {format_network(wanted)}?)"


def format_network(network: Network) -> str:
    """The canonical text: a bare address where the network is one address, CIDR otherwise."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


class NetworkIndex:
    """Networks, asked for those around or inside another one without walking all of them."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._tables: dict[tuple[int, int], dict[int, Network]] = {}
        for network in networks:
            key = network.version, network.prefixlen
            self._tables.setdefault(key, {})[int(network.network_address)] = network
        self._sorted = {version: sorted(self._starts(version)) for version in (4, 6)}

    def _starts(self, version: int) -> Iterator[tuple[int, int, Network]]:
        for (kind, length), table in self._tables.items():
            if kind == version:
                yield from ((start, length, network) for start, network in table.items())

    def around(self, network: Network) -> Network | None:
        """One of the networks that covers `network`, or None."""
        address, bits = int(network.network_address), network.max_prefixlen
        for (version, length), table in self._tables.items():
            if version == network.version and length <= network.prefixlen:
                found = table.get(address >> (bits - length) << (bits - length))
                if found is not None:
                    return found
        return None

    def inside(self, network: Network) -> list[Network]:
        """The networks inside `network`, itself left out, in the order of their addresses."""
        ordered = self._sorted[network.version]
        low = bisect_left(ordered, int(network.network_address), key=itemgetter(0))
        high = bisect_right(ordered, int(network.broadcast_address), key=itemgetter(0))
        return [inner for _start, length, inner in ordered[low:high] if length > network.prefixlen]
