# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jails run after the role, and what they are made of, asked of the running server."""

from __future__ import annotations

import re

import pytest
from jailhosts import ADDRESSES, Target, both

CONTROLLER = ("198.18.77.1", "2001:db8:77::1")
LOGS = {
    "nginx-http-auth": {"/var/log/nginx/error.log"},
    "nginx-limit-req": {"/var/log/nginx/error.log"},
    "apache-auth": {"/var/log/apache2/error.log"},
    "apache-badbots": {"/var/log/apache2/access.log"},
    "apache-noscript": {"/var/log/apache2/error.log"},
    "proftpd": {"/var/log/proftpd/proftpd.log"},
    "recidive": {"/var/log/fail2ban.log"},
    "shop": {"/var/log/shop/login.log"},
    "access-rate": {"/var/log/nginx/access.log", "/var/log/apache2/access.log"},
}
HOUR, DAY, WEEK = 3600, 86400, 604800


@both
def test_a34_e12_ready_jails_run_where_their_programs_are(target: Target) -> None:
    """A34, E1, E12, AH26: all of these programs are here, and nothing runs that nobody asked for."""
    assert target.jails() == {*LOGS, "sshd", "nginx-botsearch"}
    assert target.script("systemctl is-enabled fail2ban; systemctl is-active fail2ban").split() == ["enabled", "active"]


@both
@pytest.mark.parametrize("jail", LOGS)
def test_a34_each_reads_the_log_of_its_program(target: Target, jail: str) -> None:
    """A34, B33, AH26: a jail that looks active and sees nothing is the worst one."""
    assert LOGS[jail] <= set(target.get(jail, "logpath"))


@both
def test_a34_each_has_its_own_times(target: Target) -> None:
    """A34, AH25: stock says 48h for apache-badbots; what the operator says holds in each jail."""
    for jail in sorted(target.jails()):
        numbers = target.socket(*(["get", jail, what] for what in ("maxretry", "findtime", "bantime")))
        expected = {
            "recidive": [5, DAY, WEEK],
            "access-rate": [30, 60, HOUR],
            "shop": [3, 600, HOUR],
            "apache-badbots": [1, 600, HOUR],
        }.get(jail, [5, 600, HOUR])
        assert numbers == expected, jail


@both
def test_eh10_sshd_is_read_from_the_journal(target: Target) -> None:
    """EH10, BH2: no auth.log anywhere; the lines come from sshd here and from sshd-session there."""
    assert target.shell("ls", "/var/log/auth.log", check=False) == ""
    status = dict(target.socket(["status", "sshd"])[0])
    [matches] = [value for key, value in status["Filter"] if key == "Journal matches"]
    assert "_COMM=sshd" in str(matches) and "_COMM=sshd-session" in str(matches)


@both
def test_the_role_states_its_banaction_where_the_agent_is(target: Target) -> None:
    """AH24: the warden refuses every port, so a client of a web jail is not left at SSH."""
    for jail in sorted(target.jails()):
        assert target.get(jail, "actions") == ["stockade"], jail


@both
def test_e2_no_file_of_the_package_was_touched(target: Target) -> None:
    """E2: fail2ban.conf, jail.conf, filters and actions are the package's to the byte."""
    said = target.shell("dpkg", "-V", "fail2ban", check=False).splitlines()
    # The images of the test hosts have no documentation.
    assert [line for line in said if not re.match(r"missing +/usr/share/(doc|man)/", line)] == []
    ours = target.script("cd /etc/fail2ban; grep -lr 'stockade' . | sort").split()
    assert ours and all(name.endswith((".local", ".py")) or "__pycache__" in name for name in ours), ours


@both
def test_eh14_one_server_and_it_is_systemds(target: Target) -> None:
    """E6, EH14: nobody started a second one beside the unit."""
    main = target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban").strip()
    assert target.shell("pgrep", "-f", "bin/fail2ban-server").split() == [main]
    assert target.shell("ps", "-o", "ppid=", "-p", main).strip() == "1"


@both
def test_a53_the_service_heals_itself(target: Target) -> None:
    """A53: as systemd has it in effect."""
    shown = target.shell("systemctl", "show", "-p", "Restart,RestartUSec", "fail2ban").split()
    assert set(shown) == {"Restart=always", "RestartUSec=5s"}


@both
def test_eh11_nobody_locks_out_the_operator(target: Target) -> None:
    """E3, EH11: loopback of both families, the whitelist, the controller, the other hosts: no failure of theirs counts.

    Somebody else's do, written last, so the others' have been read by then.
    """
    spared = ["127.0.0.1", "127.9.9.9", "::1", "198.51.100.7", *CONTROLLER, target.ipv4, target.ipv6]
    spared += [address for address, _ipv6 in ADDRESSES.values()]  # of the other host what the inventory names
    said = [f'shop: login of "bob" failed, from {address}' for address in [*spared, target.client.ipv4]]
    target.log("/var/log/shop/login.log", *[line for line in said for _time in range(4)])
    assert target.eventually(lambda: target.banned("shop"))
    # the last one is the warden's: what came before has been told by then
    assert target.eventually(lambda: target.client.ipv4 in target.held())
    assert target.held().isdisjoint(spared), "what the warden does not hold is not refused"
    for_good = ["127.0.0.1", "127.9.9.9", "::1", "198.51.100.7"]
    assert [address for address in for_good if target.banned("shop", address)] == [], "and is no failure at all"


@both
def test_a36_facts_are_numbers_and_lists(target: Target) -> None:
    """A36, E7, AH22: no text of fail2ban's to be cut up by somebody."""
    target.socket(["set", "shop", "banip", target.client.ipv4])
    facts = target.module("ban_facts")["ansible_facts"]["stockade"]
    jails = {jail["name"]: jail for jail in facts["jails"]}
    assert set(jails) == target.jails()
    shop = jails["shop"]
    assert target.client.ipv4 in shop["banned"]
    assert all(isinstance(number, int) for key, number in shop.items() if key.startswith(("currently_", "total_")))
    assert shop["currently_banned"] >= 1 and shop["total_banned"] >= 1
    assert shop["logpaths"] == ["/var/log/shop/login.log"] and jails["sshd"]["logpaths"] == []
    assert "_COMM=sshd-session" in str(jails["sshd"]["journalmatches"])
