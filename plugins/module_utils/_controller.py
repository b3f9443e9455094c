# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session in which this run reaches the host, and the address it comes from.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import os
import typing as t


def controller_network(proc: str = "/proc", pid: int | None = None) -> str | None:
    """The peer of the SSH session this process belongs to: an IPv4 address or an IPv6 /64; None without a session."""
    return _network(inherited("SSH_CONNECTION", proc, pid).partition(" ")[0])


def inherited(variable: str, proc: str = "/proc", pid: int | None = None) -> str:
    """An environment variable of this process or its nearest ancestor that has it; empty if none has.

    sudo removes SSH_CONNECTION (sshd(8)) from its children, so the environment of every ancestor is read.
    """
    wanted = variable.encode() + b"="
    for environment in _ancestors(proc, os.getpid() if pid is None else pid):
        for item in environment.split(b"\0"):
            if item.startswith(wanted) and item != wanted:
                return item[len(wanted) :].decode("utf-8", "replace")
    return ""


def _network(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback or address.is_link_local:
        return None  # never banned anyway
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _ancestors(proc: str, pid: int) -> t.Iterator[bytes]:
    seen = set()
    while pid > 1 and pid not in seen:
        seen.add(pid)
        try:
            with open("%s/%d/environ" % (proc, pid), "rb") as file:
                yield file.read()
            with open("%s/%d/stat" % (proc, pid), "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])  # the name may hold blanks and brackets
        except (OSError, ValueError, IndexError):
            return
