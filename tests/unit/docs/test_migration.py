# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipelines of the guide about migration, typed as they stand there, over files as those programs write them."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from pathlib import Path

import pytest
from documented import GUIDES, commands

HOSTS_DENY = """\
# /etc/hosts.deny: list of hosts that are _not_ allowed to access the system.
#ALL: 192.0.2.250
ALL: 203.0.113.7
sshd: 203.0.113.8
# DenyHosts: Fri Jan 22 21:14:12 2026 | sshd: 203.0.113.8
sshd : 203.0.113.10 : deny
ALL: [2001:db8::7]
ALL: [2001:db8:9::]/48
sshd: 203.0.113.64/26
ALL:203.0.113.7

ALL: 203.0.113.
ALL: .example.org
ALL: ALL EXCEPT 192.0.2.1
ALL: 203.0.113.0/255.255.255.192
sshd: 203.0.113.20, 203.0.113.21
ALL: 203.0.113.ALL: 203.0.113.6
ALL: face
ALL: 203.0.113.30 : spawn touch /tmp/x
"""
ADDRESSES = [
    "2001:db8:9::/48",
    "2001:db8::7",
    "203.0.113.10",
    "203.0.113.64/26",
    "203.0.113.7",
    "203.0.113.8",
]
LEFT_OVER = 8


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """What the guide's first commands fetch from two hosts."""
    for directory in ("files", "old/web1/etc", "old/web2/etc", "old/web1/var/lib/fail2ban"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "old/web1/etc/hosts.deny").write_text(HOSTS_DENY, encoding="utf-8")
    (tmp_path / "old/web2/etc/hosts.deny").write_text("ALL: 203.0.113.8\n", encoding="utf-8")
    database = sqlite3.connect(tmp_path / "old/web1/var/lib/fail2ban/fail2ban.sqlite3")
    with contextlib.closing(database), database:
        database.execute("CREATE TABLE bips(ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER)")
        rows = [("203.0.113.40", -1), ("203.0.113.40", -1), ("2001:db8::40", -1), ("203.0.113.41", 3600)]
        database.executemany("INSERT INTO bips VALUES (?, 'sshd', 1, ?)", rows)
    return tmp_path


def run(desk: Path, result: str) -> list[str]:
    """Type the guide's command that writes this file."""
    (command,) = [one for one in commands(GUIDES / "guide_migration.rst") if one.text.endswith(f"> {result}")]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.typed], cwd=desk, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return (desk / result).read_text(encoding="utf-8").splitlines()


def test_lines_of_hosts_deny_become_a_list_file(desk: Path) -> None:
    assert sorted(run(desk, "files/hosts-deny.txt")) == ADDRESSES
    left = (desk / "old" / "left-over.txt").read_text(encoding="utf-8").splitlines()
    assert len(left) == LEFT_OVER and all(line.startswith(("ALL: ", "sshd: ")) for line in left)


def test_permanent_bans_of_fail2ban_become_a_list_file(desk: Path) -> None:
    assert sorted(run(desk, "files/fail2ban.txt")) == ["2001:db8::40", "203.0.113.40"]
