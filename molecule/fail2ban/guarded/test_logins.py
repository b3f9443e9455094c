# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong passwords over SSH and FTP, and a program of the operator's own."""

from __future__ import annotations

import pytest
from jailhosts import Target, both

SPEAK = """
import sys, syslog, time
program, line = sys.argv[1:]
open("/proc/self/comm", "w").write(program)
syslog.openlog(program, syslog.LOG_PID, syslog.LOG_AUTH)
for _time in range(5):
    syslog.syslog(line)
time.sleep(1)
"""


@both
def test_e5_five_wrong_passwords_ban(target: Target) -> None:
    """E5, EH10: four do not; the fifth does, on every port. From the journal, on both distributions."""
    client = target.client
    client.login(target, 4)
    assert client.reaches(target, 22) and not target.banned("sshd")
    client.login(target, 1, user="eve")
    assert target.eventually(lambda: target.banned("sshd"))
    assert target.eventually(lambda: not client.reaches(target, 22), 5)
    assert not client.reaches(target, 80)
    target.module("unban", address=client.ipv4)
    assert client.reaches(target, 22)


@both
@pytest.mark.parametrize("program", ["sshd", "sshd-session"])
def test_bh2_both_names_of_sshd_count(target: Target, program: str) -> None:
    """BH2: since OpenSSH 9.8 a login is sshd-session's; who upgrades sshd must not lose the jail.

    The journal takes the name from the kernel: a process of that name writes the lines, and lives until they are read.
    """
    line = f"Failed password for invalid user eve from {target.client.ipv4} port 4711 ssh2"
    target.shell("python3", "-c", SPEAK, program, line)
    assert target.eventually(lambda: target.banned("sshd"))
    assert not target.client.reaches(target)


@both
def test_bh2_nobody_but_sshd_speaks_for_sshd(target: Target) -> None:
    """BH2: a user of the host can write any line under any name into the journal, and gets nobody banned."""
    line = "Failed password for invalid user eve from 203.0.113.78 port 4711 ssh2"
    target.script(f"for _n in 1 2 3 4 5 6; do runuser -u bob -- logger -t sshd -p auth.info '{line}'; done")
    target.client.login(target, 1, user="eve")  # what comes later has been read, so has what came before
    before = f"journalctl -q -o cat -t sshd --grep '{line}' | wc -l"
    assert int(target.script(before)) >= 6
    assert not target.banned("sshd", "203.0.113.78")


@both
def test_d27_wrong_passwords_by_ftp_ban(target: Target) -> None:
    """D27: a real proftpd with Debian's configuration; at connect there is no answer afterwards."""
    client = target.client
    assert "< 230" in client.ftp(target, password="right"), "this login would work"
    client.ftp(target, user="eve", times=4)
    assert client.reaches(target, 21) and not target.banned("proftpd")
    client.ftp(target, user="eve", times=2)
    assert target.eventually(lambda: target.banned("proftpd"))
    assert target.eventually(lambda: not client.reaches(target, 21), 5)


@both
def test_e9_a_jail_of_the_operators_own(target: Target) -> None:
    """E9: its filter and samples came with the role's variables; three failures ban, a name in quotes is no address."""
    client, victim = target.client, "203.0.113.79"
    target.log("/var/log/shop/login.log", *[f'shop: login of "bob", from {victim}" failed, from {client.ipv4}'] * 3)
    target.log("/var/log/shop/login.log", *[f'shop: login of "{victim}" failed, from {client.ipv4}'] * 2)
    target.log("/var/log/shop/login.log", f'shop: login of "bob" from {client.ipv4}')
    assert not target.eventually(lambda: target.banned("shop"), 3), "only two of these are failures"
    target.log("/var/log/shop/login.log", f'shop: login of "{victim}" failed, from {client.ipv4}')
    assert target.eventually(lambda: target.banned("shop"))
    assert target.eventually(lambda: not client.reaches(target), 5)
    assert not target.banned("shop", victim)


@both
def test_a47_eh13_the_jail_follows_the_ssh_port(target: Target) -> None:
    """A47, EH13: the variable of the role ssh reaches the action, by fail2ban's own reading of its files."""
    dumped = target.shell("fail2ban-client", "-d").splitlines()
    [action] = [line for line in dumped if line.startswith("['set', 'sshd', 'addaction'")]
    assert '"port": "22,2222"' in action, action
