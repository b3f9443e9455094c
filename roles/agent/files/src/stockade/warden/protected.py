# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host itself needs to reach: its own addresses, gateways and resolvers, as the kernel and libc see them."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from pathlib import Path

from stockade.addresses import Network, parse_network

_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")


def own_addresses(proc: Path = Path("/proc/self/net")) -> set[Network]:
    """Every address of this host."""
    found: set[Network] = {ipaddress.ip_network(text) for text in _LOCAL.findall(_read(proc / "fib_trie"))}
    for line in _read(proc / "if_inet6").splitlines():
        found.add(ipaddress.IPv6Network(bytes.fromhex(line.split()[0])))
    return found


def gateways(proc: Path = Path("/proc/self/net")) -> set[Network]:
    """Every next hop of the routing tables."""
    found: set[Network] = set()
    for line in _read(proc / "route").splitlines()[1:]:
        gateway = struct.pack("=I", int(line.split()[2], 16))
        if any(gateway):
            found.add(ipaddress.ip_network(socket.inet_ntoa(gateway)))
    for line in _read(proc / "ipv6_route").splitlines():
        gateway = bytes.fromhex(line.split()[4])
        if any(gateway):
            found.add(ipaddress.IPv6Network(gateway))
    return found


def resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> set[Network]:
    """Every name server of resolv.conf."""
    found: set[Network] = set()
    for line in _read(resolv_conf).splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.add(parse_network(words[1].partition("%")[0]))
            except ValueError:
                continue  # libc would not use it either
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no IPv6 on this host, or no resolver configured
