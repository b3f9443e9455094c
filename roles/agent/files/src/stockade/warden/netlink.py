# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generation number of the nftables ruleset: one question to the kernel, microseconds, no listing."""

from __future__ import annotations

import socket
import struct

# include/uapi/linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_NETLINK_NETFILTER = 12
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_NEWGEN = 15
_NFT_MSG_GETGEN = 16
_NFTA_GEN_ID = 1
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_GENERATION_HEADER = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")


def ruleset_generation() -> int | None:
    """The number that moves with every change of the ruleset, whoever made it; None if the kernel does not tell."""
    kind = _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETGEN
    request = _HEADER.pack(_HEADER.size + _GENERATION_HEADER.size, kind, _NLM_F_REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
            sock.settimeout(1.0)
            sock.send(request + _GENERATION_HEADER.pack(0, 0, 0))
            return _parse(sock.recv(8192))
    except OSError:
        return None


def _parse(answer: bytes) -> int | None:
    if len(answer) < 20 or _HEADER.unpack_from(answer)[1] != _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_NEWGEN:
        return None
    offset = _HEADER.size + _GENERATION_HEADER.size
    while offset + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, offset)
        if kind == _NFTA_GEN_ID and length == 8:
            return int(struct.unpack_from(">I", answer, offset + 4)[0])
        if length < _ATTRIBUTE.size:
            return None
        offset += (length + 3) & ~3
    return None
