# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardened fleet under attack: the proof of a ban is a packet that does not arrive."""

from __future__ import annotations

from typing import Any

import pytest

WEB1, WEB2, GATE = "198.18.77.11", "198.18.77.12", "198.18.77.13"
ATTACKER, ATTACKER6 = "198.18.77.66", "2001:db8:77::66"
SERVERS = ("web1", "web2", "gate")


@pytest.fixture(autouse=True)
def nobody_is_banned_afterwards(operator: Any) -> Any:
    yield
    for name in SERVERS:
        operator.shell(name, "stockade", "unban", ATTACKER, ATTACKER6, "203.0.113.9")
        operator.shell(name, "fail2ban-client", "unban", ATTACKER)


def test_no_unit_failed(host: Any) -> None:
    assert host.run("systemctl --failed --no-legend").stdout == ""
    assert host.service("stockade-warden").is_running
    assert host.service("fail2ban").is_running


def test_e12_jails_run_where_their_programs_are(host: Any) -> None:
    """E12: nginx is here, apache and proftpd are not."""
    names = host.run("fail2ban-client status").stdout.partition("Jail list:")[2].replace(",", " ").split()
    assert names == ["nginx-botsearch", "nginx-http-auth", "nginx-limit-req", "recidive", "sshd"]


def test_code_and_configuration_belong_to_root(host: Any) -> None:
    """AH2: what runs with rights is not writable for anybody else."""
    found = host.run("find /usr/local/lib/stockade /etc/stockade ! -type l \\( ! -user root -o -perm /022 \\)")
    assert found.stdout == ""
    assert host.run("find /usr/local/lib/stockade -name '*.pyc'").stdout


def test_ah1_no_sudoers_are_written(host: Any) -> None:
    assert host.run("grep -rl stockade /etc/sudoers /etc/sudoers.d").stdout == ""


def test_the_registry_is_the_wardens_alone(host: Any) -> None:
    directory = host.file("/var/lib/stockade")
    assert (directory.user, directory.mode) == ("stockade-warden", 0o700)
    assert host.file("/var/lib/stockade/registry.db").mode == 0o600
    socket = host.file("/run/stockade/warden.sock")
    assert (socket.user, socket.group, socket.mode) == ("root", "stockade", 0o660)


def test_permanent_bans_are_in_the_kernel(host: Any) -> None:
    sets = host.run("nft list table inet stockade").stdout
    assert "@ban4_25 drop" in sets and "203.0.113.128" in sets
    assert "@ban6_48 drop" in sets and "2001:db8:bad::" in sets


def test_a_flood_is_stopped_and_a_visitor_is_not(operator: Any) -> None:
    assert operator.status_code("attacker", WEB1) == 200
    operator.shell("attacker", "ab", "-n", "400", "-c", "4", "-s", "1", f"http://{WEB1}/")
    assert operator.eventually(lambda: operator.status_code("attacker", WEB1) == 0)
    assert operator.status_code("visitor", WEB1) == 200
    ban = operator.ask("web1", "bans", "--why", ATTACKER)["bans"][0]
    assert ban["source"].startswith("watcher/")
    assert 590 <= ban["expires_at"] - ban["banned_at"] <= 600  # counted from the line, however late that was read


def test_guessed_passwords_are_stopped(operator: Any) -> None:
    assert operator.connects("attacker", GATE, 22)
    guess = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=2"
    script = "for n in 1 2 3 4 5 6 7 8; do sshpass -p guess %s admin$n@%s true & done; wait" % (guess, GATE)
    operator.shell("attacker", "bash", "-c", script)
    assert operator.eventually(lambda: not operator.connects("attacker", GATE, 22), seconds=30)
    assert operator.connects("visitor", GATE, 22)
    sources = [ban["source"] for ban in operator.ask("gate", "bans", "--why", ATTACKER)["bans"]]
    assert sources == ["fail2ban/sshd"]
    lifted = operator.adhoc("gate", "unban", {"address": ATTACKER})
    assert lifted["changed"] and lifted["fail2ban"] == [ATTACKER]  # A38
    assert operator.shell("gate", "fail2ban-client", "get", "sshd", "banned", ATTACKER).stdout.strip() == "0"
    assert operator.connects("attacker", GATE, 22)


@pytest.mark.parametrize(("address", "target"), [(ATTACKER, WEB2), (ATTACKER6, "2001:db8:77::12")])
def test_an_ad_hoc_ban_holds_until_it_is_lifted(operator: Any, address: str, target: str) -> None:
    assert operator.status_code("attacker", target) == 200
    first = operator.adhoc("web2", "ban", {"address": address, "duration": "1h", "reason": "by hand"})
    assert first["changed"] and first["results"][0]["state"] == "banned"
    assert operator.status_code("attacker", target) == 0
    assert operator.status_code("visitor", target) == 200
    assert not operator.adhoc("web2", "ban", {"address": address, "duration": "1h", "reason": "by hand"})["changed"]
    assert operator.adhoc("web2", "unban", {"address": address})["changed"]
    assert operator.status_code("attacker", target) == 200
    assert not operator.adhoc("web2", "unban", {"address": address})["changed"]


def test_a_banned_network_lets_its_whitelisted_part_through(operator: Any) -> None:
    result = operator.adhoc("web2", "ban", {"address": "198.18.77.64/26", "reason": "all of it"})
    assert result["results"][0]["holes"] == []
    assert operator.status_code("attacker", WEB2) == 0
    operator.shell("web2", "stockade", "whitelist", "add", ATTACKER, "--comment", "customer")
    assert operator.status_code("attacker", WEB2) == 200
    assert operator.status_code("visitor", WEB2) == 0
    operator.shell("web2", "stockade", "whitelist", "remove", ATTACKER)
    assert operator.status_code("attacker", WEB2) == 0
    operator.shell("web2", "stockade", "unban", "198.18.77.64/26")
    assert operator.status_code("visitor", WEB2) == 200


def test_a_flushed_ruleset_is_back(operator: Any) -> None:
    operator.shell("web2", "stockade", "ban", ATTACKER)
    operator.shell("web2", "nft", "flush", "ruleset")

    def listed() -> bool:
        return ATTACKER in operator.shell("web2", "nft", "list", "table", "inet", "stockade").stdout

    assert operator.eventually(listed, seconds=10)
    assert operator.status_code("attacker", WEB2) == 0


def test_a_restored_ruleset_does_not_bring_lifted_bans_back(operator: Any) -> None:
    operator.shell("web2", "stockade", "ban", ATTACKER)
    operator.shell("web2", "sh", "-c", "(echo flush ruleset; nft list ruleset) >/run/saved.nft")
    operator.shell("web2", "stockade", "unban", ATTACKER)
    operator.shell("web2", "nft", "-f", "/run/saved.nft")
    operator.shell("web2", "rm", "/run/saved.nft")
    assert operator.eventually(lambda: operator.status_code("attacker", WEB2) == 200, seconds=10)


def test_release_takes_everything_out_until_resume(operator: Any) -> None:
    operator.shell("web2", "stockade", "ban", ATTACKER)
    assert operator.shell("web2", "stockade", "release").returncode == 0
    assert operator.shell("web2", "nft", "list", "table", "inet", "stockade").returncode != 0
    assert operator.status_code("attacker", WEB2) == 200
    assert operator.shell("web2", "stockade", "status").returncode == 1
    assert operator.shell("web2", "stockade", "resume").returncode == 0
    assert operator.status_code("attacker", WEB2) == 0


def test_a_restart_of_fail2ban_is_no_gap(operator: Any) -> None:
    ban = {"address": ATTACKER, "reason": "by hand"}
    assert operator.adhoc("gate", "ban", ban)["changed"]
    operator.shell("gate", "systemctl", "restart", "fail2ban")
    assert not operator.connects("attacker", GATE, 22)


def test_a53_fail2ban_heals_itself(operator: Any) -> None:
    def pid() -> str:
        return str(operator.shell("gate", "systemctl", "show", "--value", "-p", "MainPID", "fail2ban").stdout.strip())

    before = pid()
    operator.shell("gate", "systemctl", "kill", "-s", "KILL", "fail2ban")
    assert operator.eventually(lambda: pid() not in ("0", before), seconds=30)


def test_passwords_are_no_longer_asked_for(operator: Any) -> None:
    """A43, AH29: the effective value, not the file."""
    for name in SERVERS:
        effective = operator.shell(name, "sshd", "-T").stdout.splitlines()
        assert "passwordauthentication no" in effective
        assert "kbdinteractiveauthentication no" in effective
