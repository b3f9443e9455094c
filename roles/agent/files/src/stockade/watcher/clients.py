# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients: from the text of an address to the keys it is counted and banned by.

An attacker with IPv6 owns a /64 at least, so that is what counts there by default. Not where a /64 holds clients that
have nothing to do with each other (translation prefixes), nor where this host itself lives: its gateway and its
neighbours would be banned along.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from stockade.addresses import NetworkIndex, parse_network

# One client: what it is counted and banned by, one text for each kind of key that the rules use; empty if it is never
# banned (loopback and the like).
Client = tuple[str, ...]
# Kind of key -> how wide it is for IPv4 and IPv6.
KEYS = {"address": (32, 128), "ipv6/64": (32, 64), "ipv4/24": (24, 64)}
DEFAULT_KEY = "ipv6/64"
SPARED: Client = ()
# The end of every key of a client that is known from a proxy's header: it counts apart from one with the same address
# that connects itself, because the kernel can drop only the latter.
FORWARDED = "@proxy"

_REMEMBERED = 16_384  # texts of addresses

_SHARED_64 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64, RFC 8215
        "2001::/32",  # Teredo: one /64 holds every client of a server
    )
)


class Clients:
    """Resolves addresses to keys of each kind in `kinds`. `own`: this host's addresses (default: the kernel's list)."""

    def __init__(self, own: Iterable[str] | None = None, kinds: Sequence[str] = (DEFAULT_KEY,)) -> None:
        self.kinds = tuple(kinds)
        self._widths = [KEYS[kind] for kind in self.kinds]
        self._own_networks = self._networks_of(own_addresses() if own is None else own)
        self._known: dict[bytes, Client | None] = {}
        self._spared: frozenset[str] = frozenset()
        self._whitelist = NetworkIndex(())

    def spare(self, networks: Iterable[str]) -> bool:
        """Take over whom the warden never bans: these do not count. True if that changed (see `refresh`).

        Raises ValueError for what is no network.
        """
        found = frozenset(networks)
        if found == self._spared:
            return False
        self._whitelist = NetworkIndex(parse_network(text) for text in found)
        self._spared = found
        self._known.clear()
        return True

    def client(self, text: bytes) -> Client | None:
        """The client of an address as it stands in a log, None if it is no address. Remembers the last few thousand."""
        try:
            return self._known[text]
        except KeyError:
            pass
        try:
            client = self.resolve(text)
        except ValueError:  # UnicodeDecodeError too
            client = None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[text[:64]] = client  # a longer text is no address, and short again it is none either
        return client

    def refresh(self, own: Iterable[str] | None = None) -> bool:
        """Ask again for the host's own addresses; True if they changed (callers then drop what they remember)."""
        networks = self._networks_of(own_addresses() if own is None else own)
        if networks == self._own_networks:
            return False
        self._own_networks = networks
        self._known.clear()
        return True

    def resolve(self, text: bytes) -> Client:
        """The client of an address as it stands in a log. Raises ValueError if it is no address."""
        if self._spared and self._whitelist.around(parse_network(text.decode("ascii"))) is not None:
            return SPARED
        if b":" not in text:
            return self._ipv4(text.decode("ascii"))
        if b"%" in text:
            raise ValueError("zone ids are not allowed")
        address = ipaddress.IPv6Address(text.decode("ascii"))
        if address.ipv4_mapped is not None:
            return self._ipv4(str(address.ipv4_mapped))
        if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
            return SPARED
        bare = str(address)
        if any(address in network for network in _SHARED_64):
            return (bare,) * len(self._widths)
        return tuple(bare if wide == 128 else self._network(bare, wide) for _wide4, wide in self._widths)

    def _ipv4(self, text: str) -> Client:
        number = _ipv4_number(text)
        if number >> 24 == 127 or number >> 16 == 0xA9FE or number >> 28 == 0xE or number == 0:
            return SPARED
        return tuple(text if wide == 32 else self._network(text, wide) for wide, _wide6 in self._widths)

    def _network(self, bare: str, prefix: int) -> str:
        network = ipaddress.ip_network(f"{bare}/{prefix}", strict=False)
        return bare if network in self._own_networks else str(network)

    @staticmethod
    def _networks_of(addresses: Iterable[str]) -> set[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return {
            ipaddress.ip_network(f"{address}/{64 if ':' in address else 24}", strict=False) for address in addresses
        }


def _ipv4_number(text: str) -> int:
    """What ipaddress.IPv4Address makes of it, in a tenth of the time. Raises ValueError.

    Only the canonical text comes back unchanged, so leading zeros and shortened forms are errors here too.
    """
    try:
        packed = socket.inet_pton(socket.AF_INET, text)
    except OSError:
        raise ValueError(f"{text!r} is no IPv4 address") from None
    if socket.inet_ntop(socket.AF_INET, packed) != text:
        raise ValueError(f"{text!r} is no canonical IPv4 address")
    return int.from_bytes(packed, "big")


def own_addresses(proc: Path = Path("/proc/self/net")) -> list[str]:
    """This host's own addresses as the kernel lists them under /proc; empty where it does not say."""
    return sorted({*_own_ipv6(proc / "if_inet6"), *_own_ipv4(proc / "fib_trie")})


def _own_ipv6(path: Path) -> Iterable[str]:
    for line in _lines(path):
        yield str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))


def _own_ipv4(path: Path) -> Iterable[str]:
    candidate = ""
    for line in _lines(path):  # "|-- 192.0.2.11" and below it "/32 host LOCAL"
        if "|--" in line:
            candidate = line.split()[-1]
        elif "/32 host LOCAL" in line and candidate:
            yield candidate


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
