# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as numbers: parsed once, and asked which of them cover which.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import typing as t

# Version, first address, prefix length.
Key = t.Tuple[int, int, int]
_BITS = {4: 32, 6: 128}
# Nobody's on the internet: a network that touches one of these has no country, and a ban of it is never proposed.
# Those reserved for documentation are not among them: a fleet of tests bans them.
_RESERVED = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip


def parse(text: t.Any) -> tuple[str, Key] | None:
    """Canonical text (a bare address for /32 and /128) and key of a network; None if it is none."""
    if not isinstance(text, str) or "%" in text:
        return None
    try:
        if "/" not in text:
            address = ipaddress.ip_address(text)
            return str(address), (address.version, int(address), _BITS[address.version])
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    key = (network.version, int(network.network_address), network.prefixlen)
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network), key


def text_of(key: Key) -> str:
    """Canonical text of a key."""
    version, first, length = key
    address: t.Any = ipaddress.IPv4Address(first) if version == 4 else ipaddress.IPv6Address(first)
    return str(address) if length == _BITS[version] else "%s/%d" % (address, length)


def widened(key: Key, length: int) -> Key:
    """The network of that prefix length around a narrower one."""
    version, first, _length = key
    bits = _BITS[version] - length
    return version, first >> bits << bits, length


class Networks:
    """A set of networks."""

    def __init__(self, keys: t.Iterable[Key] = ()) -> None:
        self._firsts: dict[tuple[int, int], set[int]] = {}
        self._around: dict[tuple[int, int], set[int]] = {}
        for version, first, length in keys:
            self._firsts.setdefault((version, length), set()).add(first)
        self._lengths = {version: sorted(length for of, length in self._firsts if of == version) for version in (4, 6)}

    def has(self, key: Key) -> bool:
        """Whether exactly this network is in the set."""
        version, first, length = key
        return first in self._firsts.get((version, length), ())

    def covering(self, key: Key) -> Key | None:
        """The widest network of the set that contains this one and is another."""
        version, first, own = key
        for length in self._lengths[version]:
            if length >= own:
                break
            bits = _BITS[version] - length
            start = first >> bits << bits
            if start in self._firsts[version, length]:
                return version, start, length
        return None

    def touches(self, key: Key) -> bool:
        """Whether any network of the set has an address in common with this one."""
        version, first, length = key
        if self.has(key) or self.covering(key):
            return True
        if (version, length) not in self._around:
            self._around[version, length] = {
                widened((version, inner, longer), length)[1]
                for (of, longer), firsts in self._firsts.items()
                if of == version and longer > length
                for inner in firsts
            }
        return first in self._around[version, length]


def networks_of(texts: t.Iterable[t.Any]) -> Networks:
    """The set of those texts that are networks."""
    return Networks(found[1] for found in map(parse, texts) if found)


RESERVED = networks_of(_RESERVED)
