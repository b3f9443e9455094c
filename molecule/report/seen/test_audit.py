# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of five hosts: what it finds, and when it passes."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from reporthosts import HARDENED, LOST, PLACE, play

FAR = (datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(days=30)).date().isoformat()


def read(place: Path = PLACE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "audit.json").read_text(encoding="utf-8"))
    return found


def findings(name: str) -> dict[str, dict[str, Any]]:
    """The findings of a host by their rule."""
    [host] = [host for host in read()["hosts"] if host["name"] == name]
    return {one["id"]: one for one in host["findings"]}


def test_grave_findings_end_the_run_with_2(seen: Any) -> None:
    assert seen.audit.rc == 2
    said = " ".join(seen.audit.text.split())
    assert "lost, plain, web2: findings of severity high or graver. Their remedies stand above" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "rule", "severity", "evidence"),
    [
        ("lost", "audit.no-facts", "high", f"unreachable: ssh: connect to host {LOST} port 22: "),
        ("plain", "agent.absent", "high", "no warden on this host"),
        ("plain", "logins.unwatched", "medium", "no jail for sshd"),
        ("plain", "fail2ban.absent", "low", "fail2ban is not running on this host"),
        ("plain", "permitrootlogin", "low", "PermitRootLogin without-password"),
        ("plain", "passwordauthentication", "high", "PasswordAuthentication yes"),
        ("web2", "agent.absent", "high", "no warden on this host"),
        ("web2", "permitrootlogin", "low", "PermitRootLogin without-password"),
        ("web2", "weak-mac", "medium", "hmac-sha1"),
    ],
)
def test_what_is_wrong_with_a_host_is_a_finding_with_a_remedy(
    seen: Any, name: str, rule: str, severity: str, evidence: str
) -> None:
    found = findings(name)[rule]
    assert found["severity"] == severity and evidence in found["evidence"] and found["remedy"]
    place = seen.audit.text.index(f"        {name}: ")
    told = re.search(rf"{severity.upper()} +{re.escape(rule)} .*\n +to do: .+", seen.audit.text[place:])
    assert told and evidence in told[0]
    page = (PLACE / "audit.html").read_text(encoding="utf-8")
    assert found["title"].replace("'", "&#39;") in page


def test_hardened_hosts_have_nothing_to_act_on(seen: Any) -> None:
    for name in HARDENED:
        assert {one["severity"] for one in findings(name).values()} <= {"info"}


def test_sums_are_those_of_the_findings(seen: Any) -> None:
    severities = [one["severity"] for host in read()["hosts"] for one in host["findings"]]
    sums = ", ".join(f"{severities.count(name)} {name}" for name in ("high", "medium", "low", "info"))
    assert seen.audit.line("5 hosts audited: ") == f"5 hosts audited: {sums}"


def test_hardened_hosts_alone_pass(operator: Any, tmp_path: Path) -> None:
    run = play(operator, "audit.yml", "-l", ",".join(HARDENED), stockade_report_dir=str(tmp_path))
    assert run.rc == 0, run.text
    assert read(tmp_path)["passed"]


def test_check_mode_of_the_audit_says_the_same_and_writes_nothing(operator: Any, tmp_path: Path) -> None:
    run = play(operator, "audit.yml", "--check", "-l", "plain", stockade_report_dir=str(tmp_path / "report"))
    assert run.rc == 2
    assert run.lines("HIGH", "agent.absent")
    assert list(tmp_path.iterdir()) == []


def test_waivers_let_it_pass_and_are_shown(operator: Any, seen: Any, tmp_path: Path) -> None:
    """Everything grave that was found, accepted for a month."""
    grave = {(one["id"], name) for name in ("lost", "plain", "web2") for one in findings(name).values()
             if one["severity"] == "high"}  # fmt: skip
    waivers = [{"rule": rule, "hosts": [name], "reason": "moves next month", "expires": FAR} for rule, name in grave]
    run = play(operator, "audit.yml", stockade_report_dir=str(tmp_path), stockade_audit_waivers=waivers)
    assert run.rc == 0, run.text
    assert len(run.lines("waived  ")) == len(grave)
    assert len(run.lines(f"until {FAR}: moves next month")) == len(grave)
    assert run.line("5 hosts audited: 0 high").endswith(f"{len(grave)} waived")


WRONG = [
    ({"id": "site.ok", "severity": "low", "title": "x", "query": "a[?"}, "rule site.ok: its query is not JMESPath: "),
    (
        {"id": "site.grave", "severity": "grave", "title": "x", "query": "a"},
        "rule site.grave: severity grave is not one of high, medium, low, info",
    ),
    (
        {"id": "site.call", "severity": "low", "title": "x", "query": "system('id')"},
        "rule site.call: its query calls system(), which JMESPath does not have",
    ),
]


def asked(operator: Any, name: str) -> int:
    """How often somebody has logged in to a host, or asked it for more rights."""
    lines = operator.shell(name, "journalctl", "-q", "-o", "cat", "--no-pager", "-t", "sshd", "-t", "sshd-session",
                           "-t", "sudo").stdout.splitlines()  # fmt: skip
    return len([line for line in lines if "Accepted publickey" in line or "COMMAND=" in line])


@pytest.mark.parametrize(("rule", "said"), WRONG, ids=[rule["id"] for rule, _said in WRONG])
def test_a_wrong_rule_is_one_line_and_asks_no_host(
    operator: Any, tmp_path: Path, rule: dict[str, str], said: str
) -> None:
    before = {name: asked(operator, name) for name in ("web1", "plain")}
    assert all(before.values()), "or this test proves nothing"
    place = tmp_path / "report"
    run = play(operator, "audit.yml", stockade_report_dir=str(place), stockade_audit_rules=[rule])
    assert run.rc == 2
    assert "cannot audit: " + said in run.line("[ERROR]: ")
    assert "Ask every host" not in run.text and "UNREACHABLE" not in run.text
    assert {name: asked(operator, name) for name in before} == before
    assert not place.exists()
