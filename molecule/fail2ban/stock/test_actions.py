# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own actions by name: a packet that does not arrive, or a login that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from jailhosts import Target, both

LOG = "/var/log/shop/login.log"
PROFTPD_LOG = "/var/log/proftpd/proftpd.log"


def jail(action: str, name: str, **options: Any) -> dict[str, Any]:
    return {
        "name": name, "enabled": True, "backend": "auto", "logpath": [LOG], "failregex": ["^never <ADDR>$"],
        "port": ["80", "22"], "bantime": "10m", "action": ["%(action_)s"], "banaction": action, **options,
    }  # fmt: skip


@both
@pytest.mark.parametrize("action", ["nftables", "ufw", "iptables-multiport", "iptables-ipset", "stockade"])
def test_a_packet_does_not_arrive(target: Target, action: str) -> None:
    """Each action by its name alone, with two ports, because some take only one by themselves; unban lets it in."""
    client, name = target.client, f"by-{action}"
    assert target.eventually(lambda: client.reaches(target) and client.reaches(target, 22))
    try:
        done = target.module("fail2ban_jails", **jail(action, name))
        assert done["changed"] and done["reloaded"] == [name], done
        assert not target.module("fail2ban_jails", **jail(action, name))["changed"]
        target.socket(["set", name, "banip", client.ipv4])
        assert not client.reaches(target) and not client.reaches(target, 22)
        target.socket(["set", name, "unbanip", client.ipv4])
        assert client.reaches(target) and client.reaches(target, 22)
    finally:
        gone = target.module("fail2ban_jails", name=name, state="absent")
    assert gone["stopped"] == [name], gone


@both
def test_d27_hostsdeny_refuses_a_login(target: Target) -> None:
    """D27: the programs refuse; sshd of Debian hangs up before its greeting, proftpd at the connection."""
    client = target.client
    assert client.greeting(target).startswith("SSH-")
    try:
        assert target.module("fail2ban_jails", **jail("hostsdeny", "by-file"))["changed"]
        target.socket(["set", "by-file", "banip", client.ipv4])
        assert f"ALL: {client.ipv4}" in target.shell("cat", "/etc/hosts.deny")
        assert client.greeting(target) == ""
        assert "< 230" not in client.ftp(target, password="right")
        target.socket(["set", "by-file", "unbanip", client.ipv4])
        # sshd of Debian 13 holds a refused client off for a while by itself
        assert target.eventually(lambda: client.greeting(target).startswith("SSH-"), 40)
        assert "< 230" in client.ftp(target, password="right")
    finally:
        target.module("fail2ban_jails", name="by-file", state="absent")


@both
def test_d27_six_wrong_passwords_by_ftp_are_an_entry(target: Target) -> None:
    """D27: the stock filter and the stock action, on a real proftpd's own log."""
    client = target.client
    declared = jail("hostsdeny", "ftp-file", failregex=None, filter="proftpd", logpath=[PROFTPD_LOG], maxretry=6)
    target.shell("fail2ban-client", "stop", "proftpd")  # the role's own jail would ban by ufw before the sixth
    try:
        assert target.module("fail2ban_jails", **declared)["changed"]
        client.ftp(target, user="eve", times=6)
        assert target.eventually(lambda: f"ALL: {client.ipv4}" in target.shell("cat", "/etc/hosts.deny"))
        assert "< 230" not in client.ftp(target, password="right")
    finally:
        target.module("fail2ban_jails", name="ftp-file", state="absent")
        target.shell("fail2ban-client", "reload", "--if-exists", "--restart", "proftpd")


@both
def test_e5_five_wrong_passwords_are_a_rule_of_ufw(target: Target) -> None:
    """E5: four are none; the rule names the jail, and unban takes it away."""
    client = target.client
    client.login(target, 4)
    assert client.reaches(target, 22)
    client.login(target, 1, user="eve")
    assert target.eventually(lambda: target.banned("sshd"))

    def rules() -> list[str]:
        return [line for line in target.shell("ufw", "status").splitlines() if client.ipv4 in line]

    assert target.eventually(lambda: bool(rules()))
    [rule] = rules()
    assert "REJECT" in rule and "by Fail2Ban after 5 attempts against sshd" in rule
    assert not client.reaches(target, 22)
    target.module("unban", address=client.ipv4, jail="sshd")
    assert rules() == [] and client.reaches(target, 22)


@both
def test_ah25_permanent_is_permanent_in_every_jail(target: Target) -> None:
    """A34, AH25: also for apache-badbots, for which fail2ban's own file says 48 hours."""
    times = {jail: target.get(jail, "bantime") for jail in sorted(target.jails())}
    assert "apache-badbots" in times and set(times.values()) == {-1}, times
    target.socket(["set", "apache-badbots", "banip", target.client.ipv4])
    [rows] = target.socket(["get", "apache-badbots", "banip", "--with-time"])
    assert any(target.client.ipv4 in row and "+ -1 =" in row for row in rows), rows


@both
def test_eh11_another_action_spares_whom_the_warden_spares(target: Target) -> None:
    """EH11: the controller, whose entry has an end, is in no ignoreip; ufw would lock the operator out."""
    victim = target.client.ipv4
    try:
        declared = jail("ufw", "spare", failregex=["^\\s*spare: failure of <ADDR>$"], maxretry=2)
        assert target.module("fail2ban_jails", **declared)["changed"]
        for address in ("198.18.77.1", victim):
            target.log(LOG, *[f"spare: failure of {address}"] * 3)
        assert target.eventually(lambda: target.banned("spare"))
        assert not target.banned("spare", "198.18.77.1")
    finally:
        target.module("fail2ban_jails", name="spare", state="absent")
