# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's nftables asked and told over netlink: what somebody else changed, and the elements of sets.

Adding one element costs a few hundredths of a millisecond this way and no process.
Names and numbers are those of include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h; addresses travel in network
byte order, times in milliseconds.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stockade.warden import netlink
from stockade.warden.netlink import NESTED, attribute, attributes

_NETFILTER = 12  # NETLINK_NETFILTER
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 16, 17
_GET_TABLE, _GET_CHAIN, _GET_SETS, _NEW_ELEMENTS, _GET_ELEMENTS, _DELETE_ELEMENTS, _GET_GENERATION = (
    _SUBSYSTEM << 8 | number for number in (1, 4, 10, 12, 13, 14, 16)
)
_INET = 1  # NFPROTO_INET
_FAMILY_HEADER = struct.Struct("=BBH")
_GENERATION_ID = 1
_TABLE_NAME, _TABLE_USE, _TABLE_HANDLE = 1, 3, 4
_CHAIN_TABLE, _CHAIN_HANDLE, _CHAIN_NAME, _CHAIN_USE = 1, 2, 3, 6
_SET_TABLE, _SET_NAME = 1, 2
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS, _LIST_ITEM = 1, 2, 3, 1
_KEY, _FLAGS, _TIMEOUT, _EXPIRATION, _EXPRESSION, _EXPRESSIONS = 1, 3, 4, 5, 7, 11
_DATA_VALUE, _EXPRESSION_NAME, _EXPRESSION_DATA, _COUNTER_PACKETS, _EXPRESSION_ITEM = 1, 1, 2, 2, 1
_INTERVAL_END = 1
# Elements in one transaction; either makes at most 60 KB with IPv6, which fits the smallest socket buffer met.
MOST_ADDED = MOST_DROPPED = 1000
MOST_PUT = 500

Fingerprint = tuple[bytes, ...]


class Element(NamedTuple):
    """One element of a set: its key, what is left of its time in milliseconds (None: no end).

    In an interval set an element with `interval_end` is the first address behind an interval.
    """

    key: bytes
    remaining: int | None
    interval_end: bool


def generation() -> int | None:
    """The number that moves with every change of the ruleset, whoever made it; None if the kernel does not tell."""
    found = _one(_GET_GENERATION, 0)
    return int.from_bytes(found[_GENERATION_ID], "big") if found and _GENERATION_ID in found else None


def fingerprint(table: str, chain: str) -> Fingerprint | None:
    """What changes when a table or chain of the family inet is made anew, flushed or emptied; None if it is not there.

    These are the handles, which the kernel never uses twice, and how many objects and rules there are.
    """
    of_table = _one(_GET_TABLE, _INET, (_TABLE_NAME, table))
    of_chain = _one(_GET_CHAIN, _INET, (_CHAIN_TABLE, table), (_CHAIN_NAME, chain))
    if of_table is None or of_chain is None:
        return None
    table_parts = (of_table.get(kind, b"") for kind in (_TABLE_HANDLE, _TABLE_USE))
    return (*table_parts, *(of_chain.get(kind, b"") for kind in (_CHAIN_HANDLE, _CHAIN_USE)))


def sets(table: str) -> list[str]:
    """The names of the sets of a table; none if it is not there. Raises OSError if the kernel refuses."""
    body = _FAMILY_HEADER.pack(_INET, 0, 0) + attribute(_SET_TABLE, table.encode() + b"\0")
    found = []
    with netlink.connect(_NETFILTER) as sock:
        try:
            for _kind, _flags, answer in netlink.ask(sock, netlink.message(_GET_SETS, netlink.DUMP, body)):
                name = dict(attributes(answer, _FAMILY_HEADER.size)).get(_SET_NAME, b"")
                found.append(bytes(name).rstrip(b"\0").decode("utf-8", "replace"))
        except FileNotFoundError:
            return []
    return found


def elements(table: str, name: str) -> Iterator[Element]:
    """The elements of a set.

    Raises FileNotFoundError if it is not there, InterruptedError if the ruleset changed on the way (what came until
    then may be incomplete or double), OSError if the kernel refuses.
    """
    for element in _listed(netlink.DUMP, _set(table, name)):
        yield _parsed(element)


def packets(table: str, name: str, key: bytes) -> int | None:
    """How many packets the element of this key has matched; None if there is none, or nobody counts."""
    item = attribute(NESTED | _LIST_ITEM, _element(key, None))
    try:
        for element in _listed(0, _set(table, name) + attribute(NESTED | _LIST_ELEMENTS, item)):
            return _counted(dict(attributes(element)))
    except FileNotFoundError:
        pass
    return None


class Transactions:
    """Changes of a table's elements, each method one transaction: all of it, or an OSError and nothing of it.

    They go over one socket that stays open, because closing one waits until the kernel has freed what was deleted: ten
    milliseconds and more, whatever the number of elements.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._sock: socket.socket | None = None

    def add(self, name: str, wanted: Iterable[tuple[bytes, int | None]]) -> None:
        """Add elements to a set, each with its time in milliseconds; FileExistsError if one is there already."""
        self._carry_out([(_NEW_ELEMENTS, netlink.EXCLUSIVE, _list(self._table, name, wanted))])

    def put(self, name: str, wanted: Iterable[tuple[bytes, int | None]]) -> None:
        """Add elements or change their time; older kernels keep the old time of one that is only added."""
        wanted = list(wanted)
        absent = self._absent(name, [key for key, _timeout in wanted])
        self._carry_out([*absent, (_NEW_ELEMENTS, 0, _list(self._table, name, wanted))])

    def drop(self, name: str, keys: Iterable[bytes]) -> None:
        """Take elements out, there or not."""
        self._carry_out(self._absent(name, keys))

    def _absent(self, name: str, keys: Iterable[bytes]) -> list[tuple[int, int, bytes]]:
        """Deleting what has expired meanwhile would abort the transaction, so it is added first."""
        body = _list(self._table, name, [(key, None) for key in keys])
        return [(_NEW_ELEMENTS, 0, body), (_DELETE_ELEMENTS, 0, body)]

    def _carry_out(self, changes: list[tuple[int, int, bytes]]) -> None:
        """Carry out messages, each of a type, flags and body."""
        batch = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
        request = netlink.message(_BATCH_BEGIN, 0, batch)
        for number, (kind, flags, body) in enumerate(changes, 1):
            flags |= netlink.CREATE if kind == _NEW_ELEMENTS else 0
            flags |= netlink.ACK if number == len(changes) else 0
            request += netlink.message(kind, flags, body, number)
        if self._sock is None:
            self._sock = netlink.connect(_NETFILTER)
        try:
            for _message in netlink.ask(self._sock, request + netlink.message(_BATCH_END, 0, batch)):
                pass
        except BaseException:
            self._sock.close()  # more complaints may wait in it
            self._sock = None
            raise


def _list(table: str, name: str, items: Iterable[tuple[bytes, int | None]]) -> bytes:
    packed = b"".join([attribute(NESTED | _LIST_ITEM, _element(key, timeout)) for key, timeout in items])
    return _set(table, name) + attribute(NESTED | _LIST_ELEMENTS, packed)


def _set(table: str, name: str) -> bytes:
    head = _FAMILY_HEADER.pack(_INET, 0, 0)
    return head + attribute(_LIST_TABLE, table.encode() + b"\0") + attribute(_LIST_SET, name.encode() + b"\0")


def _element(key: bytes, timeout: int | None) -> bytes:
    packed = attribute(NESTED | _KEY, attribute(_DATA_VALUE, key))
    return packed if timeout is None else packed + attribute(_TIMEOUT, timeout.to_bytes(8, "big"))


def _listed(flags: int, body: bytes) -> Iterator[memoryview]:
    with netlink.connect(_NETFILTER) as sock:
        for _kind, said, answer in netlink.ask(sock, netlink.message(_GET_ELEMENTS, flags, body)):
            if said & netlink.DUMP_INTERRUPTED:
                raise InterruptedError("the ruleset changed while it was listed")
            for kind, items in attributes(answer, _FAMILY_HEADER.size):
                if kind == _LIST_ELEMENTS:
                    for _item, element in attributes(items):
                        yield element
            if not flags & netlink.DUMP:
                return


def _parsed(element: memoryview) -> Element:
    key, remaining, interval_end = b"", None, False
    for kind, value in attributes(element):
        if kind == _KEY:
            key = bytes(value[4:])  # behind the header of the one attribute in it
        elif kind == _EXPIRATION:
            remaining = int.from_bytes(value, "big")
        elif kind == _FLAGS:
            interval_end = bool(int.from_bytes(value, "big") & _INTERVAL_END)
    return Element(key, remaining, interval_end)


def _counted(element: dict[int, memoryview]) -> int | None:
    expression = element.get(_EXPRESSION)
    if expression is None and _EXPRESSIONS in element:
        expression = dict(attributes(element[_EXPRESSIONS])).get(_EXPRESSION_ITEM)
    parts = {} if expression is None else dict(attributes(expression))
    if bytes(parts.get(_EXPRESSION_NAME, b"")) != b"counter\0":
        return None
    return int.from_bytes(dict(attributes(parts[_EXPRESSION_DATA])).get(_COUNTER_PACKETS, b""), "big")


def _one(kind: int, family: int, *wanted: tuple[int, str]) -> dict[int, bytes] | None:
    """The attributes of the one object asked for, None if there is none."""
    body = _FAMILY_HEADER.pack(family, 0, 0)
    body += b"".join(attribute(number, text.encode() + b"\0") for number, text in wanted)
    try:
        with netlink.connect(_NETFILTER) as sock:
            for _kind, _flags, answer in netlink.ask(sock, netlink.message(kind, 0, body)):
                return {number: bytes(value) for number, value in attributes(answer, _FAMILY_HEADER.size)}
    except OSError:
        pass
    return None
