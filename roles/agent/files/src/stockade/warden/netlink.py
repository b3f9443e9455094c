# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink messages and attributes (netlink(7), include/uapi/linux/netlink.h): packing, parsing, dumping."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
REQUEST, ACK, DUMP_INTERRUPTED, EXCLUSIVE, DUMP, CREATE = 0x001, 0x004, 0x010, 0x200, 0x300, 0x400
ERROR, DONE = 2, 3
NESTED = 0x8000
_TYPE_MASK = 0x3FFF  # the upper two bits of an attribute's type are flags
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT_SECONDS = 10.0  # the kernel answers at once; a transaction of thousands of elements takes milliseconds
_BUFFER = 1 << 16

Message = tuple[int, int, memoryview]  # type, flags, body


def connect(protocol: int) -> socket.socket:
    """A netlink socket of this protocol."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.settimeout(_TIMEOUT_SECONDS)
    return sock


def message(kind: int, flags: int, body: bytes, sequence: int = 1) -> bytes:
    """One request."""
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attributes(body: bytes | memoryview, offset: int = 0) -> Iterator[tuple[int, memoryview]]:
    """The attributes of a message or of another attribute; ends at the first that is cut off."""
    view, end = memoryview(body), len(body)
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(view, offset)
        if length < _ATTRIBUTE.size or offset + length > end:
            return
        yield kind & _TYPE_MASK, view[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def messages(datagram: bytes) -> Iterator[Message]:
    """The messages of one datagram; ends at the first that is cut off."""
    view, offset = memoryview(datagram), 0
    while offset + HEADER.size <= len(view):
        length, kind, flags, _sequence, _port = HEADER.unpack_from(view, offset)
        if length < HEADER.size or offset + length > len(view):
            return
        yield kind, flags, view[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def ask(sock: socket.socket, request: bytes) -> Iterator[Message]:
    """The messages that answer a request, until the kernel has said that it is done.

    Raises OSError if the kernel refuses. A message with `DUMP_INTERRUPTED` says that what is listed changed meanwhile.
    """
    sock.send(request)
    while True:
        for kind, flags, body in messages(sock.recv(_BUFFER)):
            if kind == ERROR:
                check(body)
                return
            if kind == DONE:
                if len(body) >= 4:
                    check(body)  # a listing that the kernel gave up
                return
            yield kind, flags, body


def check(body: memoryview) -> None:
    """Raise the OSError that an error message carries, if it is one and no acknowledgement."""
    number = -struct.unpack_from("=i", body)[0]
    if number:
        raise OSError(number, os.strerror(number))
