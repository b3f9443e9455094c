# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X-Forwarded-For: who is behind a trusted proxy.

Each proxy adds the address it was asked from at the right end, so what stands there is true as far as the one who wrote
it is trusted: from the right, trusted hops are passed over, and the first other one is the client. What stands left of
it may be anybody's invention.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from stockade.addresses import Network, NetworkIndex, parse_network
from stockade.watcher.clients import FORWARDED, SPARED, Client, Clients

_REMEMBERED = 8192  # pairs of peer and header
_LONGEST = 4096  # bytes of a header; a longer one is no proxy's
_HOPS = 32


class Forwarded:
    """Finds the client of a request in a header, for peers in the networks `trusted`."""

    def __init__(self, clients: Clients, trusted: Sequence[str]) -> None:
        self._clients = clients
        self._trusted = NetworkIndex(parse_network(text) for text in trusted)
        self._known: dict[tuple[bytes, bytes], Client | None] = {}

    def forget(self) -> None:
        """Drop what is remembered about clients."""
        self._known.clear()

    def is_forwarded(self, peer: bytes) -> bool:
        """Whether the header of a peer is believed."""
        return self._is_trusted(peer)

    def client(self, peer: bytes, header: bytes) -> Client | None:
        """The client of a request: the peer, or who is behind it if it is trusted; None if the peer is no address.

        SPARED where a trusted proxy does not say who it was: the proxy is never banned for it. Clients from a header
        have keys of their own. No key is a network with a trusted proxy in it.
        """
        pair = (peer, header)
        try:
            return self._known[pair]
        except KeyError:
            pass
        found = self._behind(header) if self._is_trusted(peer) else self._beside(peer)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if len(peer) <= 64 and len(header) <= 256:
            self._known[pair] = found
        return found

    def _behind(self, header: bytes) -> Client:
        if len(header) > _LONGEST:
            return SPARED
        for hop in reversed(header.split(b",")[-_HOPS:]):
            address = without_port(hop.strip())
            if self._is_trusted(address):
                continue
            client = self._beside(address)
            return tuple(key + FORWARDED for key in client) if client else SPARED
        return SPARED

    def _beside(self, address: bytes) -> Client | None:
        """The client of an address that is not trusted, by itself where a wider key would hold a trusted proxy."""
        client = self._clients.client(address)
        if not client:
            return client
        bare = str(_network(address))
        return tuple(bare if self._trusted.inside(parse_network(key)) else key for key in client)

    def _is_trusted(self, address: bytes) -> bool:
        try:
            return self._trusted.around(_network(address)) is not None
        except ValueError:  # UnicodeDecodeError too
            return False


def _network(address: bytes) -> Network:
    """The network that is this address alone. Raises ValueError for what Clients takes for no address."""
    return parse_network(str(ipaddress.ip_address(address.decode("ascii"))))


def without_port(text: bytes) -> bytes:
    """An address without the port that some write behind it: `203.0.113.9:4711`, `[2001:db8::9]:4711`.

    What does not look so is returned as it is.
    """
    if text.startswith(b"["):
        inside, bracket, port = text[1:].partition(b"]")
        return inside if bracket and b":" in inside and (not port or _is_port(port)) else text
    host, colon, port = text.partition(b":")
    return host if b"." in host and _is_port(colon + port) else text


def _is_port(text: bytes) -> bool:
    return text[:1] == b":" and text[1:].isdigit() and len(text) <= 6
