# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that come with the collection: each finds what it is for, and nothing on a host where all is well."""

from __future__ import annotations

from typing import Any

import pytest
from auditlab import NOW, RULES, found, healthy, service, sshd, warden, watcher

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import problems

UNITS = {
    name: service(name)
    for name in ("stockade-warden.service", "stockade-warden.socket", "stockade-watcher.service", "fail2ban.service")
}


def units(name: str, **more: Any) -> dict[str, Any]:
    return {"services": list({**UNITS, name: service(name, **more)}.values())}


def unwatched() -> dict[str, Any]:
    return {"jails": [], "watcher": watcher(rules=[])}


CASES: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        {"warden": warden(installed=False, available=False, reason="no warden here", status={})},
        [("high", "agent.absent", "no warden here")],
    ),
    (
        {"warden": warden(available=False, reason="it is silent", status={})},
        [("high", "agent.silent", "it is silent")],
    ),
    ({"warden": warden(status={"state": "released"})}, [("high", "agent.released", "the warden is released")]),
    (
        {"warden": warden(status={"state": "degraded", "problems": ["no nft", "the registry: full"]})},
        [("high", "agent.degraded", "no nft"), ("high", "agent.degraded", "the registry: full")],
    ),
    ({"warden": warden(status={"state": None})}, [("high", "agent.degraded", "no problem named")]),
    (
        {"warden": warden(status={"state": "enforcing", "warnings": ["the registry was rebuilt"]})},
        [("medium", "agent.warning", "the registry was rebuilt")],
    ),
    (
        units("stockade-warden.service", enabled="disabled"),
        [("high", "agent.not-enabled", "stockade-warden.service is disabled")],
    ),
    (
        units("stockade-warden.socket", active="inactive"),
        [("medium", "agent.no-socket", "stockade-warden.socket is inactive")],
    ),
    (
        units("stockade-watcher.service", active="inactive", enabled="disabled"),
        [("low", "watcher.absent", "stockade-watcher.service is inactive")],
    ),
    (
        units("stockade-watcher.service", active="activating"),
        [("high", "watcher.down", "stockade-watcher.service is activating")],
    ),
    (
        {"watcher": {"available": False, "reason": "not a JSON object", "status": {}}},
        [("medium", "watcher.silent", "not a JSON object")],
    ),
    (
        {"watcher": watcher(state="degraded", problems=["cannot write stockade.prom"])},
        [("medium", "watcher.degraded", "cannot write stockade.prom")],
    ),
    ({"watcher": watcher(late=3)}, [("low", "watcher.lost-verdicts", "")]),
    ({"watcher": watcher(dropped=3)}, [("low", "watcher.lost-verdicts", "")]),
    ({"watcher": watcher(events_dropped=1)}, [("low", "watcher.lost-events", "")]),
    (
        {"watcher": watcher(rules=[{"name": "decoys", "type": "probe", "observe": True}])},
        [("info", "watcher.observes", "decoys")],
    ),
    (
        units("stockade-exchange.service", active="failed", failed=True),
        [
            ("high", "exchange.down", "stockade-exchange.service is failed"),
            ("high", "service.failed", "stockade-exchange.service"),
        ],
    ),
    (
        units("stockade-notifier.service", active="activating"),
        [("medium", "notifier.down", "stockade-notifier.service is activating")],
    ),
    (
        units("stockade-report@security.service", enabled="static", active="failed", failed=True),
        [("medium", "report.failed", "stockade-report@security.service")],
    ),
    (
        units("stockade-report-traffic.timer", active="inactive"),
        [("medium", "report.timer", "stockade-report-traffic.timer")],
    ),
    (units("nftables.service", active="inactive"), [("medium", "service.stopped", "nftables.service")]),
    (units("ssh.service", active="inactive"), []),
    (
        units("stockade-watcher.service", drop_ins=["/etc/systemd/system/stockade-watcher.service.d/override.conf"]),
        [("low", "service.changed", "/etc/systemd/system/stockade-watcher.service.d/override.conf")],
    ),
    (units("fail2ban.service", drop_ins=["/etc/systemd/system/fail2ban.service.d/override.conf"]), []),
    (
        {"files": [{"path": "/etc/fail2ban/jail.local", "kind": "writable", "problem": "bob's"}]},
        [("high", "files.writable", "/etc/fail2ban/jail.local: bob's")],
    ),
    (
        {"files": [{"path": "/var/lib/stockade", "kind": "readable", "problem": "mode 0755"}]},
        [("high", "files.readable", "/var/lib/stockade: mode 0755")],
    ),
    (
        {"files": [{"path": path, "kind": "changed", "problem": "is not what was installed"} for path in ("/a", "/b")]},
        [("high", "files.changed", "/a"), ("high", "files.changed", "/b")],
    ),
    (
        units("fail2ban.service", enabled="disabled"),
        [("medium", "fail2ban.not-enabled", "fail2ban.service is disabled")],
    ),
    (
        {"jails": []},
        [("medium", "fail2ban.no-jails", "")],
    ),
    (
        {
            "fail2ban": {
                "available": True,
                "version": "1.1.0",
                "database": "/f2b",
                "database_problem": "it is malformed",
            }
        },
        [("high", "fail2ban.database", "/f2b: it is malformed")],
    ),
    (
        {"jails": [{"name": "sshd", "logpaths": [], "journalmatches": []}]},
        [("medium", "fail2ban.blind-jail", "sshd")],
    ),
    (
        {**unwatched(), "jails": [{"name": "nginx", "logpaths": ["/x"], "journalmatches": []}]},
        [("medium", "logins.unwatched", "no jail for sshd, and no rule of a watcher for logins")],
    ),
    (
        {"summary": {"bans": 60000, "by_source": {}, "complete": False}, "truncated": True},
        [("low", "bans.figures-incomplete", ""), ("info", "bans.truncated", "")],
    ),
]


@pytest.mark.parametrize(("more", "findings"), CASES)
def test_rule_of_the_collection(more: dict[str, Any], findings: list[tuple[str, str, str]]) -> None:
    assert found(healthy(**more), ssh=sshd()) == findings


def test_healthy_host_has_no_findings() -> None:
    options: dict[str, Any] = {"begun": NOW - 5, "hosts": {"web1": {"stockade_permanent_bans": []}}}
    assert found(healthy(), ssh=sshd(), **options) == []


def test_host_without_an_agent() -> None:
    """A host with nothing of ours has a line for each thing that is missing."""
    gone = {"available": False, "reason": "not there", "status": {}}
    facts = healthy(warden={"installed": False, **gone}, fail2ban=gone, watcher=gone, jails=[], services=[])
    assert [(severity, name) for severity, name, _evidence in found(facts, ssh=sshd())] == [
        ("high", "agent.absent"),
        ("medium", "logins.unwatched"),
        ("low", "fail2ban.absent"),
    ]


@pytest.mark.parametrize(
    ("unit", "reason", "names"),
    [
        ({"active": "failed", "failed": True}, "no socket", ["fail2ban.silent", "service.failed"]),
        ({"active": "active"}, "fail2ban is of no use here: database disk image is malformed", ["fail2ban.silent"]),
        ({"active": "inactive", "enabled": "disabled"}, "no socket", ["fail2ban.absent"]),
    ],
)
def test_fail2ban_whose_database_is_broken(unit: dict[str, Any], reason: str, names: list[str]) -> None:
    """It does not start, or answers with errors: grave, other than one that is switched off."""
    facts = healthy(fail2ban={"available": False, "reason": reason}, **units("fail2ban.service", **unit))
    findings = found(facts, ssh=sshd())
    assert [name for _severity, name, _evidence in findings] == names
    assert findings[0][2] == reason


@pytest.mark.parametrize(
    ("address", "evidence"),
    [
        ("203.0.113.4", ["203.0.113.4"]),
        ("2001:db8::5", ["2001:db8::5"]),
        ("198.51.100.9", []),
        ("127.0.0.1", []),
        ("fe80::1%eth0", []),
        ("", []),
    ],
)
def test_controller_is_to_be_on_the_whitelist(address: str, evidence: list[str]) -> None:
    findings = found(healthy(), ssh=sshd(connection={"user": "operator", "address": address}))
    assert findings == [("medium", "whitelist.no-controller", one) for one in evidence]


def test_declared_bans_are_to_be_in_force() -> None:
    variables = {"stockade_permanent_bans": ["203.0.113.9"], "stockade_bans_files": [{"name": "scanners"}]}
    facts = healthy(summary={"bans": 1, "by_source": {"list/site": 1}, "complete": True})
    findings = found(facts, ssh=sshd(), hosts={"web1": variables})
    assert findings == [("high", "bans.list-not-in-force", "site.scanners")]
    withdrawn = {**variables, "stockade_bans_state": "absent"}
    assert found(facts, ssh=sshd(), hosts={"web1": withdrawn}) == []


@pytest.mark.parametrize(
    ("collected_at", "evidence"),
    [(NOW + 61, ["it is ahead"]), (NOW - 91, ["it is behind"]), (NOW + 60, []), (NOW - 90, []), ("noon", [])],
)
def test_clock(collected_at: Any, evidence: list[str]) -> None:
    """The host was asked at some moment within the last 30 seconds."""
    findings = found(healthy(collected_at=collected_at), ssh=sshd(), begun=NOW - 30)
    assert findings == [("medium", "clock.skew", one) for one in evidence]


@pytest.mark.parametrize(
    ("more", "name"),
    [({"listener": "none", "offered": {}}, "ssh.no-listener"), ({"offered": {}}, "ssh.silent")],
)
def test_sshd_that_does_not_answer(more: dict[str, Any], name: str) -> None:
    assert [one[1] for one in found(healthy(), ssh=sshd(**more))] == [name]


def test_rules_are_well_made() -> None:
    assert problems(RULES, []) == []
    assert all(rule["remedy"] and not rule["title"].endswith(".") for rule in RULES)


def test_every_rule_is_seen_to_find_something() -> None:
    """Those above and here are all there are: a rule nobody tests would find nothing and nobody would know."""
    tested = {finding[1] for _more, findings in CASES for finding in findings}
    tested |= {"fail2ban.silent", "fail2ban.absent", "whitelist.no-controller", "bans.list-not-in-force", "clock.skew"}
    tested |= {"ssh.no-listener", "ssh.silent"}
    assert tested == {rule["id"] for rule in RULES}


def test_facts_of_a_wrong_shape_are_a_finding_and_no_crash() -> None:
    facts = healthy(services="none", jails={"a": 1}, warden=[], watcher=None, summary=7, fail2ban="x")
    assert all(name.startswith(("audit.", "logins.", "fail2ban.")) for _severity, name, _evidence in found(facts))
