# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as fail2ban writes them, compared by what they are and not by their text.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
from typing import Iterable, Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def parse(text: str) -> Network | None:
    """Return an address or network, None for what is neither: fail2ban also takes host names and any other text."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def parsed(texts: Iterable[str]) -> dict[Network, str]:
    """Return the networks among texts, each with the text it stands in."""
    found = {}
    for text in texts:
        network = parse(text)
        if network is not None:
            found[network] = text
    return found


def keyed(texts: Iterable[str]) -> dict[Network | str, str]:
    """Return all texts by what they are: networks by their value, others by themselves."""
    return {parse(text) or text: text for text in texts}


def plain(network: Network) -> str:
    """Return a network as it is written everywhere here: a single address without a prefix length."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


class Covering:
    """Tells whether a network lies within one of many."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._heads: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            self._heads.setdefault((network.version, network.prefixlen), set()).add(int(network[0]) >> shift)

    def __contains__(self, network: Network) -> bool:
        head, longest = int(network[0]), network.max_prefixlen
        return any(
            version == network.version and length <= network.prefixlen and head >> (longest - length) in heads
            for (version, length), heads in self._heads.items()
        )
