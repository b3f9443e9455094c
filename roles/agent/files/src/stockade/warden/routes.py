# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and next hops as the kernel's routing tables hold them (rtnetlink(7)); no privilege is needed to ask.

The files below /proc/net know neither multipath routes nor tables beside the main one, and those that list addresses
list every route with them.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from stockade.addresses import Address

MOST_ROUTES = 10_000  # for each address family; a router with a full table has many routes and few next hops

# include/uapi/linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_REQUEST_DUMP = 0x001 | 0x300
_ERROR, _DONE = 2, 3
_NEW_ADDRESS, _GET_ADDRESS, _NEW_ROUTE, _GET_ROUTE = 20, 22, 24, 26
_SOL_NETLINK, _STRICT_CHECK = 270, 12
_MAIN_TABLE, _EVERY_TABLE = 254, 0
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 5, 9, 18
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ADDRESS_BODY = struct.Struct("=BBBBI")
_ROUTE_BODY = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")
_TYPE_MASK = 0x3FFF  # the upper two bits are flags
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_LENGTHS = {4, 16}
_TIMEOUT_SECONDS = 1.0
_BUFFER = 65536

Message = tuple[int, memoryview]  # type, body


def addresses() -> set[Address]:
    """Every address of this host's interfaces; what could be read if the kernel does not answer."""
    found: set[bytes] = set()
    for family in _FAMILIES:
        for kind, body in _dump(_GET_ADDRESS, _ADDRESS_BODY.pack(family, 0, 0, 0, 0)):
            if kind == _NEW_ADDRESS:
                found |= parse_address(body)
    return _as_addresses(found)


def next_hops(most: int = MOST_ROUTES) -> set[Address]:
    """Every next hop of every routing table, from at most ``most`` routes of each family, the main table's first."""
    found: set[bytes] = set()
    for family in _FAMILIES:
        left = most
        for table in (_MAIN_TABLE, _EVERY_TABLE):
            for kind, body in _dump(_GET_ROUTE, _ROUTE_BODY.pack(family, 0, 0, 0, table, 0, 0, 0, 0)):
                if left <= 0:
                    break
                if kind == _NEW_ROUTE:
                    left -= 1
                    found |= parse_route(body)
    return _as_addresses(found)


def parse_address(body: bytes | memoryview) -> set[bytes]:
    """The address in one RTM_NEWADDR: on a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL ours."""
    held = dict(_attributes(body, _ADDRESS_BODY.size))
    address = held.get(_IFA_LOCAL, held.get(_IFA_ADDRESS))
    return set() if address is None else {address}


def parse_route(body: bytes | memoryview) -> set[bytes]:
    """The next hops in one RTM_NEWROUTE."""
    return _hops(body, _ROUTE_BODY.size)


def parse_messages(answer: bytes) -> Iterator[Message]:
    """The messages of one datagram; ends at the first that is cut off."""
    view, offset = memoryview(answer), 0
    while offset + _HEADER.size <= len(view):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(view, offset)
        if length < _HEADER.size or offset + length > len(view):
            return
        yield kind, view[offset + _HEADER.size : offset + length]
        offset += _aligned(length)


def _hops(body: bytes | memoryview, start: int) -> set[bytes]:
    found: set[bytes] = set()
    for kind, value in _attributes(body, start):
        if kind == _RTA_GATEWAY:
            found.add(value)
        elif kind == _RTA_VIA:
            found.add(value[2:])  # behind the family
        elif kind == _RTA_MULTIPATH:
            offset = 0
            while offset + _NEXT_HOP.size <= len(value):
                length = _NEXT_HOP.unpack_from(value, offset)[0]
                if length < _NEXT_HOP.size:
                    break
                found |= _hops(value[offset : offset + length], _NEXT_HOP.size)
                offset += _aligned(length)
    return found


def _attributes(body: bytes | memoryview, offset: int) -> Iterator[tuple[int, bytes]]:
    end = len(body)
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size or offset + length > end:
            return
        yield kind & _TYPE_MASK, bytes(body[offset + _ATTRIBUTE.size : offset + length])
        offset += _aligned(length)


def _dump(kind: int, body: bytes) -> Iterator[Message]:
    """What the kernel lists; ends early, without an error, where it does not answer."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(_TIMEOUT_SECONDS)
            with suppress(OSError):  # Linux 4.20; without it every dump is of every table
                sock.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
            sock.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST_DUMP, 1, 0) + body)
            while True:
                for message in parse_messages(sock.recv(_BUFFER)):
                    if message[0] in (_DONE, _ERROR):
                        return
                    yield message
    except OSError:
        return


def _as_addresses(found: set[bytes]) -> set[Address]:
    return {ipaddress.ip_address(packed) for packed in found if len(packed) in _LENGTHS and any(packed)}


def _aligned(length: int) -> int:
    return (length + 3) & ~3
