# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and what that caller may ask: decided by the uid the kernel vouches for, never by the message."""

from __future__ import annotations

import pwd
import socket
import struct
from dataclasses import dataclass

from stockade import protocol

READS = frozenset({"status", "bans", "why", "history", "whitelist"})
FOLLOWS = frozenset({"status", "changes"})
SERVICE_CHANGES = frozenset({"ban", "unban"})
ALARMS = frozenset({"alarm"})
ROOT_CHANGES = SERVICE_CHANGES | ALARMS | {"permanent_bans", "whitelist_set", "release", "resume"}


@dataclass(frozen=True)
class Caller:
    """One kind of caller: what it may ask, how its sources begin, and its shares.

    These are its longest line (bytes), the most rows in an answer, and the most bans and alarms it may ask for in a
    minute (None: any number).
    """

    name: str
    operations: frozenset[str]
    source_prefix: str
    max_line: int = protocol.MAX_LINE_SERVICE
    max_rows: int = 1000
    bans_per_minute: int | None = None
    alarms_per_minute: int | None = None

    @property
    def trusted(self) -> bool:
        """True for uid 0 alone: it may name any source, use `force`, and ban private networks."""
        return not self.source_prefix


ROOT = Caller("root", READS | FOLLOWS | ROOT_CHANGES, "", protocol.MAX_LINE_ROOT, 200_000)
# The watcher raises an alarm instead of banning from 200 new bans a minute on: ten times that is a watcher gone wrong.
# The exchange brings what other hosts banned: several of them under attack at once.
SERVICES = {
    "stockade-watcher": Caller(
        "watcher", READS | SERVICE_CHANGES | ALARMS, "watcher/", bans_per_minute=2000, alarms_per_minute=20
    ),
    "stockade-exchange": Caller("exchange", READS | FOLLOWS | SERVICE_CHANGES, "fleet", bans_per_minute=10_000),
    "stockade-notifier": Caller("notifier", FOLLOWS, "?"),
    "stockade-report": Caller("report", READS, "?", max_rows=10_000),
}
STRANGER = Caller("stranger", frozenset(), "?", max_rows=0)


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process at the other end (SO_PEERCRED)."""
    _pid, uid, _gid = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return int(uid)


def identify(uid: int) -> Caller:
    """The kind of caller that runs as `uid`."""
    if uid == 0:
        return ROOT
    try:
        return SERVICES.get(pwd.getpwuid(uid).pw_name, STRANGER)
    except KeyError:
        return STRANGER
