# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host itself needs to reach: its own addresses, gateways and resolvers, as the kernel and libc see them."""

from __future__ import annotations

import time
from pathlib import Path

from stockade.addresses import Network, NetworkIndex, parse_network
from stockade.warden import routes

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED = Path("/run/systemd/resolve/resolv.conf")  # the servers behind systemd-resolved's 127.0.0.53
_MAXNS = 3  # resolv.h: libc asks no more than these
_KEEP_FACTOR = 100  # next hops are read anew after this many times the duration of the reading: 1 % of a core
_OWN = NetworkIndex(parse_network(text) for text in ("0.0.0.0", "127.0.0.0/8", "::", "::1"))


class _NextHops:
    """The next hops: on a host with a few routes always read anew, on a router with thousands less often."""

    def __init__(self) -> None:
        self._held: set[Network] = set()
        self._until = 0.0

    def read(self) -> set[Network]:
        began = time.monotonic()
        if began >= self._until:
            self._held = routes.next_hops()
            ended = time.monotonic()
            self._until = ended + _KEEP_FACTOR * (ended - began)
        return set(self._held)


_next_hops = _NextHops()


def own_addresses() -> set[Network]:
    """Every address of this host."""
    return routes.addresses()


def gateways() -> set[Network]:
    """Every next hop of the routing tables; on a host with thousands of routes as of a few seconds ago."""
    return _next_hops.read()


def resolvers(resolv_conf: Path = RESOLV_CONF, resolved: Path = RESOLVED) -> set[Network]:
    """Every name server in use, without those of the host itself."""
    asked = _name_servers(resolv_conf)[:_MAXNS]
    own = {server for server in asked if _OWN.around(server)}
    if own:
        asked += _name_servers(resolved)  # resolved asks all of them
    return {server for server in asked if not _OWN.around(server)}


def _name_servers(path: Path) -> list[Network]:
    """The lines that libc understands: a bare address each, the zone left out."""
    found: list[Network] = []
    for line in _read(path).splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver" or "/" in words[1]:
            continue
        try:
            found.append(parse_network(words[1].partition("%")[0]))
        except ValueError:
            continue
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no resolver configured
