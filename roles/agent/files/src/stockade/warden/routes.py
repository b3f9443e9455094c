# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and next hops as the kernel's routing tables hold them (rtnetlink(7)); no privilege is needed to ask.

The files below /proc/net know neither multipath routes nor tables beside the main one, and those that list addresses
list every route with them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from stockade.addresses import Network, from_packed
from stockade.warden import netlink
from stockade.warden.netlink import attributes

MOST_ROUTES = 10_000  # for each address family; a router with a full table has many routes and few next hops

# include/uapi/linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_GET_ADDRESS, _GET_ROUTE = 22, 26
_SOL_NETLINK, _STRICT_CHECK = 270, 12
_MAIN_TABLE, _EVERY_TABLE = 254, 0
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 5, 9, 18
_ADDRESS_BODY = struct.Struct("=BBBBI")
_ROUTE_BODY = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_LENGTHS = {4, 16}


def addresses() -> set[Network]:
    """Every address of this host's interfaces; what could be read if the kernel does not answer."""
    found: set[bytes] = set()
    for family in _FAMILIES:
        for body in _dump(_GET_ADDRESS, _ADDRESS_BODY.pack(family, 0, 0, 0, 0)):
            found |= parse_address(body)
    return _networks(found)


def next_hops(most: int = MOST_ROUTES) -> set[Network]:
    """Every next hop of every routing table, from at most ``most`` routes of each family, the main table's first."""
    found: set[bytes] = set()
    for family in _FAMILIES:
        left = most
        for table in (_MAIN_TABLE, _EVERY_TABLE):
            for body in _dump(_GET_ROUTE, _ROUTE_BODY.pack(family, 0, 0, 0, table, 0, 0, 0, 0)):
                if left <= 0:
                    break
                left -= 1
                found |= parse_route(body)
    return _networks(found)


def parse_address(body: bytes | memoryview) -> set[bytes]:
    """The address in one RTM_NEWADDR: on a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL ours."""
    held = dict(attributes(body, _ADDRESS_BODY.size))
    address = held.get(_IFA_LOCAL, held.get(_IFA_ADDRESS))
    return set() if address is None else {bytes(address)}


def parse_route(body: bytes | memoryview) -> set[bytes]:
    """The next hops in one RTM_NEWROUTE."""
    return _hops(body, _ROUTE_BODY.size)


def _hops(body: bytes | memoryview, start: int) -> set[bytes]:
    found: set[bytes] = set()
    for kind, value in attributes(body, start):
        if kind == _RTA_GATEWAY:
            found.add(bytes(value))
        elif kind == _RTA_VIA:
            found.add(bytes(value[2:]))  # behind the family
        elif kind == _RTA_MULTIPATH:
            offset = 0
            while offset + _NEXT_HOP.size <= len(value):
                length = _NEXT_HOP.unpack_from(value, offset)[0]
                if length < _NEXT_HOP.size:
                    break
                found |= _hops(value[offset : offset + length], _NEXT_HOP.size)
                offset += (length + 3) & ~3
    return found


def _dump(kind: int, body: bytes) -> Iterator[memoryview]:
    """What the kernel lists; ends early, without an error, where it does not answer."""
    with suppress(OSError), netlink.connect(socket.NETLINK_ROUTE) as sock:
        with suppress(OSError):  # Linux 4.20; without it every dump is of every table
            sock.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
        for found, _flags, answer in netlink.ask(sock, netlink.message(kind, netlink.DUMP, body)):
            if found == kind - 2:  # RTM_NEW… answers RTM_GET…
                yield answer


def _networks(found: set[bytes]) -> set[Network]:
    return {from_packed(packed) for packed in found if len(packed) in _LENGTHS and any(packed)}
