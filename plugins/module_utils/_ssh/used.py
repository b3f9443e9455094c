# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the connected user logged in, as sshd itself wrote it into the log.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Callable, List, Tuple

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection

Run = Callable[[List[str]], Tuple[int, str, str]]

_LOGS = ("/var/log/auth.log", "/var/log/secure")
_TAIL = 4 << 20  # bytes of a log file that are read
_SECONDS = 10  # a journal of many GB takes longer; then the way counts as unknown
_ACCEPTED = re.compile(
    r"Accepted (?P<method>[a-z-]+)(?:/\S+)? for (?P<user>\S+) from (?P<address>\S+) port (?P<port>\d+) ssh2"
    r"(?:: \S+ (?P<fingerprint>SHA256:\S+))?"
)
# Whatever follows the name of the program may be a user name that an attacker typed.
_PREFIX = re.compile(r"(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\S+) \S+ sshd(?:-session)?\[\d+\]: $")


@dataclass(frozen=True)
class Used:
    """The way in that was used: publickey with its fingerprint, password, keyboard-interactive, ..."""

    method: str
    fingerprint: str = ""


def find_used(run: Run, connection: Connection, logs: tuple[str, ...] = _LOGS) -> Used | None:
    """The way this connection was logged in by; None where no log says so or another user is connected."""
    if not connection.address or not connection.port.isdigit():
        return None
    # Only root's own sshd: any user may write a line that says sshd.
    pattern = "^Accepted .* from {} port {} ".format(re.escape(connection.address), connection.port)
    argv = ["timeout", str(_SECONDS), "journalctl", "--quiet", "--no-pager", "--output=cat", "--reverse", "--lines=1"]
    argv += ["--grep=" + pattern, "_UID=0", "_COMM=sshd", "_COMM=sshd-session"]
    rc, out, _err = run(argv)
    if rc == 0 and out.strip():
        return parse_accepted(out.splitlines(), connection, prefixed=False)
    for path in logs:
        used = parse_accepted(_tail(path), connection, prefixed=True)
        if used is not None:
            return used
    return None


def parse_accepted(lines: list[str], connection: Connection, *, prefixed: bool) -> Used | None:
    """The newest line about this connection. ``prefixed`` is syslog's form, with time, host and program in front."""
    for line in reversed(lines):
        start = line.find("Accepted ")
        if start < 0 or (not _PREFIX.match(line[:start]) if prefixed else start > 0):
            continue
        found = _ACCEPTED.match(line[start:])
        if found and (found.group("address"), found.group("port")) == (connection.address, connection.port):
            if found.group("user") != connection.user:
                return None
            return Used(found.group("method"), found.group("fingerprint") or "")
    return None


def _tail(path: str) -> list[str]:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            return stream.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
