# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban killed and restarted, the warden stopped, slow and back: nobody gets through, and nobody waits."""

from __future__ import annotations

import json
import time

import pytest
from jailhosts import Target, both

# Connects all the time, and says how often, and how often it got an answer.
PROBE = """
import json, select, socket, sys, time
own, its, stop = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
answered = sent = 0
while time.monotonic() < stop:
    sock = socket.socket()
    sock.bind((own, 0))
    sock.setblocking(False)
    sock.connect_ex((its, 80))
    sent += 1
    if select.select([], [sock], [], 0.05)[1] and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        answered += 1
    sock.close()
print(json.dumps([sent, answered]))
"""
DEADLINE = 2.0  # seconds that a jail may lose to a silent warden, by the action's promise


def answers(target: Target) -> bool:
    """Whether fail2ban's server answers."""
    try:
        return bool(target.socket(["ping"]) == ["pong"])
    except OSError:
        return False


@both
@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a53_the_server_is_killed_and_back_and_nobody_gets_through(target: Target, signal: str) -> None:
    """A53: by any signal. The ban is the warden's, so it holds while nobody detects, and afterwards."""
    before = target.jails()
    target.socket(["set", "shop", "banip", target.client.ipv4])
    target.shell("systemctl", "kill", "-s", signal, "fail2ban")
    assert not target.client.reaches(target)
    assert target.eventually(lambda: answers(target)) and target.eventually(lambda: target.jails() == before)
    assert not target.client.reaches(target)
    assert target.shell("systemctl", "is-active", "fail2ban").strip() == "active"


@both
def test_a_restart_is_no_gap(target: Target) -> None:
    """A35, A36: probed all the time, from before the restart until all jails are back."""
    client, before = target.client, target.jails()
    target.socket(["set", "shop", "banip", client.ipv4])
    assert not client.reaches(target)
    pid = target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban")
    target.shell("systemd-run", "--quiet", "--collect", "--on-active=1", "systemctl", "restart", "fail2ban")
    sent, answered = json.loads(client.run("python3", "-c", PROBE, client.ipv4, target.ipv4, "8").stdout)
    assert target.eventually(lambda: answers(target)) and target.eventually(lambda: target.jails() == before)
    assert target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban") != pid, "it was restarted"
    assert sent > 50 and answered == 0


@both
def test_no_ban_is_lost_while_the_warden_is_down(target: Target) -> None:
    """B33: fail2ban goes on, and the ban is in force as soon as the warden is back, without another one."""
    client = target.client
    target.shell("systemctl", "stop", "stockade-warden.socket", "stockade-warden.service")
    try:
        target.log("/var/log/shop/login.log", *[f'shop: login of "bob" failed, from {client.ipv4}'] * 3)
        assert target.eventually(lambda: target.banned("shop"))
        began = time.monotonic()
        assert answers(target) and time.monotonic() - began < DEADLINE
    finally:
        target.shell("systemctl", "start", "stockade-warden.socket", "stockade-warden.service")
    assert target.eventually(lambda: not client.reaches(target))
    [row] = [row for row in target.operator.ask(target.name, "bans")["bans"] if row["network"] == client.ipv4]
    assert row["source"] == "fail2ban/shop"


@both
def test_a_warden_that_hangs_costs_one_deadline(target: Target) -> None:
    """B33: it takes the connection and never answers; a jail with ten bans waits once, not ten times."""
    client = target.client
    others = [f"203.0.113.{number}" for number in range(1, 10)]
    pid = target.shell("systemctl", "show", "--value", "-p", "MainPID", "stockade-warden").strip()
    target.shell("kill", "-STOP", pid)
    try:
        began = time.monotonic()
        target.socket(["set", "shop", "banip", *others, client.ipv4])
        assert time.monotonic() - began < 3 * DEADLINE
    finally:
        target.shell("kill", "-CONT", pid)
    assert target.eventually(lambda: not client.reaches(target))
    assert target.eventually(lambda: {*others, client.ipv4} <= target.held())
    target.lift(*others)


@both
def test_an_unban_meanwhile_is_not_lost_either(target: Target) -> None:
    """A37: banned, the warden stops, unbanned, the warden is back: who was let go gets in."""
    client = target.client
    target.socket(["set", "shop", "banip", client.ipv4])
    assert not client.reaches(target)
    target.shell("systemctl", "stop", "stockade-warden.socket", "stockade-warden.service")
    try:
        target.socket(["set", "shop", "unbanip", client.ipv4])
        assert not client.reaches(target), "the kernel goes on"
    finally:
        target.shell("systemctl", "start", "stockade-warden.socket", "stockade-warden.service")
    assert target.eventually(lambda: client.reaches(target))
