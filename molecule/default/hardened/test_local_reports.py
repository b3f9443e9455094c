# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's reports of itself, by systemd's own timers and under its own sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

ATTACKER = "203.0.113.99"
KINDS = ("traffic", "security")
LOGS = "/var/log/stockade-report"


def unit(kind: str) -> str:
    return f"stockade-report@{kind}.service"


@pytest.mark.parametrize(
    ("kind", "calendar"), [("traffic", "OnCalendar=*-*-* *:00:00"), ("security", "OnCalendar=*-*-* 23:59:00")]
)
def test_a24_a25_the_timers_run_and_make_up_for_a_sleep(host: Any, kind: str, calendar: str) -> None:
    timer = f"stockade-report-{kind}.timer"
    shown = host.run(f"systemctl show -p ActiveState,UnitFileState,Persistent,TimersCalendar,Unit {timer}").stdout
    for expected in ("ActiveState=active", "UnitFileState=enabled", "Persistent=yes", calendar, f"Unit={unit(kind)}"):
        assert expected in shown
    assert host.run(f"systemd-analyze verify /etc/systemd/system/{timer}").rc == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a33_ah4_each_runs_by_hand_from_anywhere_with_nothing(host: Any, kind: str) -> None:
    assert host.run(f"cd / && env -i /usr/bin/systemctl start {unit(kind)}").rc == 0
    assert host.run(f"tail -n 1 {LOGS}/{kind}.log").stdout.endswith(": Script finished.\n")


def test_a30_a31_the_reports_are_for_those_who_read_logs(host: Any) -> None:
    assert host.run(f"systemctl start {unit('security')}").rc == 0
    log, directory = host.file(f"{LOGS}/security.log"), host.file(LOGS)
    assert (log.user, log.group, log.mode) == ("stockade-report", "adm", 0o640)
    assert (directory.user, directory.mode) == ("stockade-report", 0o750)
    assert host.user("stockade-report").groups == ["stockade-report"]
    assert host.user("stockade-report").shell.endswith("nologin")


def test_a32_the_report_has_no_rights(host: Any) -> None:
    shown = host.run(f"systemctl show -p CapabilityBoundingSet,NoNewPrivileges,User,Group {unit('security')}").stdout
    for expected in ("CapabilityBoundingSet=\n", "NoNewPrivileges=yes", "User=stockade-report", "Group=adm"):
        assert expected in shown


def test_a28_ah5_a_log_that_cannot_be_written_fails_and_is_written_nowhere_else(host: Any) -> None:
    """Somebody put a link in its place."""
    log = f"{LOGS}/security.log"
    host.run(f"mv {log} {log}.aside; ln -s /etc/motd.victim {log}")
    try:
        assert host.run(f"systemctl start {unit('security')}").rc == 1
        said = host.run(f"journalctl -u {unit('security')} -n 5 -o cat --no-pager").stdout
        assert f"cannot write {log}: Too many levels of symbolic links" in said
        assert host.run("ls /tmp/*.log /var/tmp/*.log /etc/motd.victim").stdout == ""
    finally:
        host.run(f"rm -f {log}; mv {log}.aside {log}; systemctl reset-failed {unit('security')}")


def test_ah11_a_ban_needs_no_report_and_the_report_has_it(operator: Any) -> None:
    operator.shell("web2", "stockade", "ban", ATTACKER, "--duration", "1h", "--reason", "by hand")
    try:
        assert operator.ask("web2", "bans", "--why", ATTACKER)["verdict"] == "banned"
        answer = operator.shell("web2", "unshare", "-n", "stockade", "report", "security", "--json")  # A20: no network
        rows = [row for row in json.loads(answer.stdout)["rows"] if row["address"] == ATTACKER]
        assert [(row["jail"], row["country"], row["state"]) for row in rows] == [("operator", "??", "banned")]
        assert operator.shell("web2", "systemctl", "start", unit("security")).returncode == 0
        kept = operator.shell("web2", "cat", f"{LOGS}/security.log").stdout
        assert f"{ATTACKER} (??) [operator] host=web2" in kept and "Security incidents logged." in kept
    finally:
        operator.shell("web2", "stockade", "unban", ATTACKER)


def test_a22_bans_that_fail2ban_restores_are_no_new_ones(operator: Any) -> None:
    """A jail whose action is not ours would be in the log alone; what its restart says there is nothing new."""
    operator.shell("web2", "fail2ban-client", "set", "sshd", "banip", ATTACKER)
    try:
        assert operator.eventually(lambda: bool(incidents(operator)))
        before = incidents(operator)
        operator.shell("web2", "systemctl", "restart", "fail2ban")
        assert operator.eventually(
            lambda: "Restore Ban" in operator.shell("web2", "cat", "/var/log/fail2ban.log").stdout
        )
        assert incidents(operator) == before == [("sshd", ATTACKER, 1)]
    finally:
        operator.shell("web2", "fail2ban-client", "unban", ATTACKER)


def incidents(operator: Any) -> list[tuple[str, str, int]]:
    rows = json.loads(operator.shell("web2", "stockade", "report", "security", "--json").stdout)["rows"]
    return [(row["jail"], row["address"], row["times"]) for row in rows if row["jail"] == "sshd"]
