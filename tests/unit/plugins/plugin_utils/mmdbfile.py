# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a small database in MaxMind's format, which no library here does: a binary tree of IPv6 and a data section."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"


class _Long(int):
    """A number of 32 bits; plain ones have 16."""


class _Longest(int):
    """A number of 64 bits."""


def write_mmdb(path: Path, records: Mapping[str, Any], *, version: int = 6) -> None:
    """The database that maps these networks to these records; in one of IPv6, IPv4 lies in ::/96, as usual."""
    data, offsets = b"", {}
    for text, record in records.items():
        offsets[text] = len(data)
        data += _encoded(record)
    nodes: list[list[Any]] = [[None, None]]
    for text in records:
        network = ipaddress.ip_network(text)
        size = {4: 32, 6: 128}[version]
        length = size - network.max_prefixlen + network.prefixlen
        bits = f"{int(network.network_address):0{size}b}"[:length]
        place = 0
        for bit in bits[:-1]:
            if nodes[place][int(bit)] is None:
                nodes.append([None, None])
                nodes[place][int(bit)] = len(nodes) - 1
            place = nodes[place][int(bit)]
        nodes[place][int(bits[-1])] = (text,)
    tree = b"".join(struct.pack(">II", *(_pointer(side, len(nodes), offsets) for side in node)) for node in nodes)
    about = {
        "node_count": _Long(len(nodes)),
        "record_size": 32,
        "ip_version": version,
        "database_type": "Country",
        "languages": [],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": _Longest(1_700_000_000),
        "description": {},
    }
    path.write_bytes(tree + b"\0" * 16 + data + _MARKER + _encoded(about))


def _pointer(side: Any, nodes: int, offsets: Mapping[str, int]) -> int:
    if side is None:
        return nodes
    return nodes + 16 + offsets[side[0]] if isinstance(side, tuple) else int(side)


def _encoded(value: Any) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return _head(2, len(text)) + text
    if isinstance(value, _Longest):
        return bytes([8, 9 - 7]) + struct.pack(">Q", value)
    if isinstance(value, _Long):
        return _head(6, 4) + struct.pack(">I", value)
    if isinstance(value, int):
        return _head(5, 2) + struct.pack(">H", value)
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(_encoded, value))
    return _head(7, len(value)) + b"".join(_encoded(key) + _encoded(item) for key, item in value.items())


def _head(kind: int, size: int) -> bytes:
    return bytes([(kind << 5) | size]) if size < 29 else bytes([(kind << 5) | 29, size - 29])
