# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something broke since the last audit: it is told, it is told as new, and as gone when it is repaired."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from reporthosts import PLACE, Run, play

DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"
PROGRAM = "/usr/local/lib/stockade/current/stockade/client.py"
DROP_INS = "/etc/systemd/system/stockade-watcher.service.d"
BREAK = {
    # Somebody who was in a hurry.
    "web1": f"chmod o+w /etc/fail2ban/jail.d; chmod 0755 /var/lib/stockade; echo '# by hand' >>{PROGRAM}; "
    f"mkdir {DROP_INS}; printf '[Service]\\nNoNewPrivileges=no\\n' >{DROP_INS}/override.conf; systemctl daemon-reload",
    # The watcher asks the warden now and then, by its socket, which would start it.
    "gate": "systemctl stop stockade-watcher.service; systemctl stop stockade-warden.service",
    # In the middle, as a disk does it; fail2ban does not start over it.
    "web2": f"systemctl stop fail2ban; cp -a {DATABASE} /root/kept.sqlite3; "
    f"dd if=/dev/urandom of={DATABASE} bs=4096 seek=2 count=12 conv=notrunc status=none; systemctl start fail2ban; "
    "for n in $(seq 100); do systemctl -q is-failed fail2ban && exit 0; sleep 0.1; done; exit 1",
}
REPAIR = {
    "web1": f"chmod o-w /etc/fail2ban/jail.d; chmod 0700 /var/lib/stockade; sed -i '/^# by hand$/d' {PROGRAM}; "
    f"rm -r {DROP_INS}; systemctl daemon-reload",
    "gate": "systemctl start stockade-warden.service stockade-watcher.service",
    "web2": f"systemctl stop fail2ban; cp -a /root/kept.sqlite3 {DATABASE}; rm /root/kept.sqlite3; "
    "systemctl reset-failed fail2ban; systemctl start fail2ban; "
    "for n in $(seq 100); do fail2ban-client ping >/dev/null && exit 0; sleep 0.1; done; exit 1",
}
# Findings that were not there before, and what they have to say.
NEW = {
    ("web1", "files.writable"): "/etc/fail2ban/jail.d: can be written by others than root (root:root, mode 0757)",
    ("web1", "files.readable"): "/var/lib/stockade: can be read by others (stockade-warden:stockade, mode 0755)",
    ("web1", "files.changed"): "/stockade/client.py",
    ("gate", "watcher.down"): "stockade-watcher.service is inactive",
    ("gate", "agent.silent"): "the warden does not run: stockade-warden.service is inactive",
    ("web2", "fail2ban.database"): f"{DATABASE}: ",
    ("web2", "fail2ban.silent"): "fail2ban is not running on this host",
    ("web2", "service.failed"): "fail2ban.service",
}


@dataclass
class Trouble:
    """What the runs printed while it was there, what systemd said of the stopped warden then, and the audit after."""

    report: Run
    hosts: dict[str, dict[str, Any]]
    page: str
    audit: Run
    found: dict[str, Any]
    warden: str
    repaired: Run


def shell(operator: Any, scripts: dict[str, str]) -> None:
    for name, script in scripts.items():
        done = operator.shell(name, "sh", "-uc", script)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def trouble(operator: Any) -> Iterator[Trouble]:
    if not (PLACE / "audit-history").exists():  # where this step runs alone
        play(operator, "audit.yml")
    try:
        shell(operator, BREAK)
        report = play(operator, "report.yml")
        hosts = {host["name"]: host for host in json.loads((PLACE / "bans.json").read_text())["hosts"]}
        page = (PLACE / "index.html").read_text(encoding="utf-8")
        audit = play(operator, "audit.yml")
        found = json.loads((PLACE / "audit.json").read_text())
        warden = operator.shell("gate", "systemctl", "is-active", "stockade-warden.service").stdout.strip()
    finally:
        shell(operator, REPAIR)
    repaired = play(operator, "audit.yml", stockade_audit_fail_on="none")
    yield Trouble(report, hosts, page, audit, found, warden, repaired)


def test_a_report_of_broken_hosts_is_a_report(trouble: Trouble) -> None:
    assert trouble.report.rc == 0, trouble.report.text
    assert "Traceback" not in trouble.report.text


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("web2", "unprotected", "fail2ban.service has failed; fail2ban's database cannot be read: "),
        ("gate", "degraded", "the warden does not run: stockade-warden.service is inactive"),
    ],
)
def test_a_broken_host_has_a_clear_line(trouble: Trouble, name: str, state: str, said: str) -> None:
    """A database that is damaged in its middle, and a warden that is away."""
    assert trouble.hosts[name]["state"] == state
    assert re.search(rf"^ {{8}}{name} +{state} .*{re.escape(said)}", trouble.report.text, re.MULTILINE)
    assert said.replace("'", "&#39;") in trouble.page
    remarks = [*trouble.hosts[name]["problems"], trouble.hosts[name]["message"]]
    assert all(text.isprintable() for text in remarks), "one line, whatever SQLite says"


def test_bans_of_other_hosts_are_there_as_before(trouble: Trouble) -> None:
    assert trouble.hosts["web1"]["state"] == "enforcing" and trouble.hosts["web1"]["bans"]
    assert " web1 " in trouble.report.line("203.0.113.9 ")


@pytest.mark.parametrize(("name", "rule"), list(NEW))
def test_what_broke_is_new(trouble: Trouble, name: str, rule: str) -> None:
    [host] = [host for host in trouble.found["hosts"] if host["name"] == name]
    [found] = [one for one in host["findings"] if one["id"] == rule]
    assert (found["severity"], found["change"]) == ("high", "new")
    assert NEW[name, rule] in found["evidence"]
    place = trouble.audit.text.index(f"        {name}: ")
    line = next(line for line in trouble.audit.text[place:].splitlines() if f"  {rule}  " in line)
    assert line.split()[0] == "HIGH" and line.endswith(" (new)")


def test_a_unit_that_somebody_changed_is_told_as_well(trouble: Trouble) -> None:
    [host] = [host for host in trouble.found["hosts"] if host["name"] == "web1"]
    assert ("low", f"{DROP_INS}/override.conf") in [(one["severity"], one["evidence"]) for one in host["findings"]]


def test_what_did_not_break_is_not_new(trouble: Trouble) -> None:
    new = {(host["name"], one["id"]) for host in trouble.found["hosts"] for one in host["findings"]
           if one["change"] == "new" and one["severity"] == "high"}  # fmt: skip
    assert new == set(NEW)
    assert trouble.audit.rc == 2
    assert f"{trouble.found['drift']['new']} new, {trouble.found['drift']['gone']} gone" in trouble.audit.line(
        "since the audit of "
    )


def test_whoever_looks_starts_nothing(trouble: Trouble) -> None:
    """A question on the warden's socket would wake it."""
    assert trouble.warden == "inactive"


def test_what_was_repaired_is_gone_and_nothing_fails_on_none(trouble: Trouble) -> None:
    assert trouble.repaired.rc == 0, trouble.repaired.text
    gone = {line.split()[1] for line in trouble.repaired.lines("  gone  ")}
    assert gone >= {rule for _name, rule in NEW}
    assert trouble.repaired.lines("HIGH", "agent.absent"), "it passes, and tells what it found"
