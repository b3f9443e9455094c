# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks: the one place where text becomes an address.

Everything that reaches the registry or the firewall went through `parse_network`, so that a name, a zone id,
host bits or an octal-looking number can never stand in for an address.
"""

from __future__ import annotations

import ipaddress

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


def covers(outer: Network, inner: Network) -> bool:
    """True if every address of `inner` is in `outer`."""
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def first_covering(networks: tuple[Network, ...] | list[Network], network: Network) -> Network | None:
    """The first of `networks` that covers `network`, or None."""
    return next((outer for outer in networks if covers(outer, network)), None)
