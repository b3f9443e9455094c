# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of this host with mode, owner, size, time of change and content, as one JSON object of {path: state}.

Runs on the host, as root. It goes beyond tests/fleet/probe.py: the databases too, and a file that was written again
with what it had. What is left out is what docs/audit.md names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import stat
from collections.abc import Iterator

ROOTS = ("/boot", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var")
LEFT_OUT = re.compile(
    r"/var/log/|/run/systemd/journal/"  # lines about logins, and about who asked sudo for what
    r"|/run/user/|/run/motd\.dynamic$|/run/systemd/(sessions|transient|units|users)/"  # a login, as long as it lasts
    r"|/home/[^/]+/\.ansible/tmp/"  # Ansible's own, without pipelining
    r"|/run/stockade-watcher/(status\.json|stockade\.prom)$"  # the watcher says how it is, asked or not
)
# Directories in which others come and go all the time: not the time of change.
PASSING = re.compile(r"/(run|tmp|var/tmp|var/log|var/lib/fail2ban)(/|$)")
# fail2ban notes how far it has read the journal, in which logins are; the rest of its database is looked at.
FAIL2BAN = "/var/lib/fail2ban/fail2ban.sqlite3"
POSITIONS = 'INSERT INTO "logs"'
HASHED = re.compile(r"/(etc|home|opt|root|run|srv|tmp|usr/local|var)/")


def describe(path: str) -> str:
    """Kind and mode, owner, time of change, and of files size and content."""
    info = os.lstat(path)
    what = [oct(info.st_mode), str(info.st_uid), str(info.st_gid)]
    if stat.S_ISLNK(info.st_mode):
        what.append(os.readlink(path))
    if stat.S_ISDIR(info.st_mode) and not PASSING.match(path):
        what.append(str(info.st_mtime_ns))  # also where a file came and went
    if path == FAIL2BAN:
        what.append(content_of_database(path))
    elif stat.S_ISREG(info.st_mode):
        what += [str(info.st_size), str(info.st_mtime_ns)]
        if HASHED.match(path):
            with open(path, "rb") as file:
                what.append(hashlib.file_digest(file, "sha256").hexdigest()[:16])
    return " ".join(what)


def content_of_database(path: str) -> str:
    """A digest of all that is in it but positions in logs."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        lines = [line for line in database.iterdump() if not line.startswith(POSITIONS)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def files() -> Iterator[tuple[str, str]]:
    """Every file and directory below the roots, other file systems than these left out."""
    for root in ROOTS:
        for directory, names, leaves in os.walk(root):
            for path in [directory, *(os.path.join(directory, leaf) for leaf in leaves)]:
                if not LEFT_OUT.match(path):
                    try:
                        yield path, describe(path)
                    except FileNotFoundError:
                        yield path, "came and went"
            names[:] = [name for name in names if not LEFT_OUT.match(os.path.join(directory, name))]


print(json.dumps(dict(files())))
