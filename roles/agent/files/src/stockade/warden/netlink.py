# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small questions to the kernel's nftables over netlink: microseconds, no listing, no process.

Numbers are those of include/uapi/linux/{netlink,netfilter/nfnetlink,netfilter/nf_tables}.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_NFNL_SUBSYS_NFTABLES = 10
_NFPROTO_INET = 1
_NFT_MSG_GETTABLE, _NFT_MSG_GETCHAIN, _NFT_MSG_GETGEN = 1, 4, 16
_NFTA_GEN_ID = 1
_NFTA_TABLE_NAME, _NFTA_TABLE_USE, _NFTA_TABLE_HANDLE = 1, 3, 4
_NFTA_CHAIN_TABLE, _NFTA_CHAIN_HANDLE, _NFTA_CHAIN_NAME, _NFTA_CHAIN_USE = 1, 2, 3, 6
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_FAMILY_HEADER = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")

Fingerprint = tuple[bytes, ...]


def ruleset_generation() -> int | None:
    """The number that moves with every change of the ruleset, whoever made it; None if the kernel does not tell."""
    found = _ask(_NFT_MSG_GETGEN, 0)
    return int.from_bytes(found[_NFTA_GEN_ID], "big") if found and _NFTA_GEN_ID in found else None


def fingerprint(table: str, chain: str) -> Fingerprint | None:
    """What changes when a table or chain of the family inet is made anew, flushed or emptied; None if it is not there.

    These are the handles, which the kernel never uses twice, and how many objects and rules there are.
    """
    of_table = _ask(_NFT_MSG_GETTABLE, _NFPROTO_INET, (_NFTA_TABLE_NAME, table))
    of_chain = _ask(_NFT_MSG_GETCHAIN, _NFPROTO_INET, (_NFTA_CHAIN_TABLE, table), (_NFTA_CHAIN_NAME, chain))
    if of_table is None or of_chain is None:
        return None
    table_parts = (of_table.get(kind, b"") for kind in (_NFTA_TABLE_HANDLE, _NFTA_TABLE_USE))
    return (*table_parts, *(of_chain.get(kind, b"") for kind in (_NFTA_CHAIN_HANDLE, _NFTA_CHAIN_USE)))


def _ask(message: int, family: int, *attributes: tuple[int, str]) -> dict[int, bytes] | None:
    """The attributes of the one object asked for, None if there is none."""
    body = _FAMILY_HEADER.pack(family, 0, 0)
    for kind, text in attributes:
        value = text.encode() + b"\0"
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)
    kind = _NFNL_SUBSYS_NFTABLES << 8 | message
    request = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST, 1, 0) + body
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
            sock.settimeout(1.0)
            sock.send(request)
            answer = sock.recv(16384)
    except OSError:
        return None
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        return None
    return dict(_attributes(answer, _HEADER.size + _FAMILY_HEADER.size))


def _attributes(answer: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, answer[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
