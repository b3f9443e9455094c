# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running daemon offers to a client that knocks: its banner and its algorithms (RFC 4253, 4.2 and 7.1).

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Callable

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

# No name that sshd's table of broken clients knows, so that it offers what is configured.
_BANNER = b"SSH-2.0-stockade\r\n"
_KEXINIT = 20
_LONGEST = 64 * 1024
# Markers, not algorithms; and those of GSSAPI have a keyword of their own.
_MARKERS = ("ext-info-s", "kex-strict-s-v00@openssh.com")


@dataclass(frozen=True)
class Offer:
    """The daemon's banner and the algorithms it offers, in its order, under the names of ``sshd -T``."""

    banner: str
    algorithms: dict[str, list[str]]


def probe(address: str, port: int, *, timeout: float = 5.0) -> Offer:
    """Knock at an address and read banner and KEXINIT; ``timeout`` in seconds for every step.

    Each call is a connection without a login to sshd: one second of PerSourcePenalties on the address that asks.
    Raises StockadeError when nobody or something else answers.
    """
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.sendall(_BANNER)
            stream = connection.makefile("rb")
            banner = _read_banner(stream.readline)
            head = _exactly(stream.read, 5)
            length, padding = struct.unpack(">IB", head)
            if not 0 < length <= _LONGEST:
                raise StockadeError("the answer is no SSH packet")
            payload = _exactly(stream.read, length - 1)[: length - 1 - padding]
    except (OSError, StockadeError) as error:
        raise StockadeError("no SSH answer on {} port {}: {}".format(address, port, error)) from error
    return Offer(banner, parse_kexinit(payload))


def parse_kexinit(payload: bytes) -> dict[str, list[str]]:
    """The name lists that matter of a KEXINIT payload. Raises StockadeError if it is none."""
    if not payload or payload[0] != _KEXINIT:
        raise StockadeError("the answer is no KEXINIT")
    lists = []
    rest = payload[17:]
    for _index in range(6):
        if len(rest) < 4:
            raise StockadeError("the KEXINIT is cut short")
        (length,) = struct.unpack(">I", rest[:4])
        lists.append([name for name in rest[4 : 4 + length].decode("ascii", "replace").split(",") if name])
        rest = rest[4 + length :]
    kex = [name for name in lists[0] if name not in _MARKERS and not name.startswith("gss-")]
    return {"kexalgorithms": kex, "hostkeyalgorithms": lists[1], "ciphers": lists[3], "macs": lists[5]}


def differences(offer: Offer, effective: dict[str, list[str]]) -> list[str]:
    """Where the running daemon and the files disagree; host keys are left out, they depend on the keys present."""
    found = []
    for keyword in ("kexalgorithms", "ciphers", "macs"):
        configured = effective.get(keyword, [""])[0].split(",")
        if offer.algorithms[keyword] != configured:
            found.append(
                "the running daemon offers {} {}, configured are {}".format(
                    keyword, ",".join(offer.algorithms[keyword]), ",".join(configured)
                )
            )
    return found


def _read_banner(readline: Callable[[int], bytes]) -> str:
    # A server may say other lines first (RFC 4253, 4.2).
    for _attempt in range(20):
        line = readline(1024)
        if not line:
            raise StockadeError("the connection was closed without a banner")
        if line.startswith(b"SSH-"):
            return "".join(c if c.isprintable() else "?" for c in line.strip().decode("utf-8", "replace"))
    raise StockadeError("no SSH banner")


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise StockadeError("the connection was closed early")
    return data
