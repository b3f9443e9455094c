# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: rules as data, what they find, and when that is grave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import RuleError, audit, audit_lines

NOW = 1_795_173_209
ROLE = Path(__file__).resolve().parents[4] / "roles" / "report"
RULES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__stockade_report_rules"]
RULE = {"id": "x.y", "severity": "low", "title": "t", "look_at": "services", "evidence": "{name}"}


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "load": "loaded", "active": "active", "enabled": "enabled", "failed": False, **more}


def healthy(**more: Any) -> dict[str, Any]:
    facts = {
        "schema": 1,
        "warden": {
            "installed": True,
            "available": True,
            "reason": "",
            "status": {"state": "enforcing", "problems": []},
        },
        "fail2ban": {"available": True, "reason": ""},
        "services": [service("stockade-warden.service"), service("stockade-watcher.service"), service("ssh.service")],
        **more,
    }
    return {"ansible_facts": {"stockade": facts}}


def warden(**more: Any) -> dict[str, Any]:
    return {"installed": True, "available": True, "reason": "", "status": {"state": "enforcing"}, **more}


def found(facts: Any, rules: list[dict[str, Any]] | None = None) -> list[tuple[str, str, str]]:
    result = audit({"web1": facts}, ssh=None, rules=RULES if rules is None else rules, fail_on="high", now=NOW)
    return [(one["severity"], one["id"], one["evidence"]) for one in result["hosts"][0]["findings"]]


def test_healthy_host_has_no_findings() -> None:
    assert found(healthy()) == []


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        (
            {"warden": warden(installed=False, available=False, reason="no warden")},
            ("high", "agent.absent", "no warden"),
        ),
        ({"warden": warden(available=False, reason="it is silent")}, ("high", "agent.silent", "it is silent")),
        ({"warden": warden(status={"state": "released"})}, ("high", "agent.released", "the warden is released")),
        (
            {"warden": warden(status={"state": "degraded", "problems": ["no nft", "disk full"]})},
            ("high", "agent.degraded", "no nft; disk full"),
        ),
        (
            {"warden": warden(status={"state": "enforcing", "warnings": ["the registry was lost"]})},
            ("medium", "agent.warning", "the registry was lost"),
        ),
        (
            {
                "services": [
                    service("stockade-warden.service", enabled="disabled"),
                    service("stockade-watcher.service"),
                ]
            },
            ("high", "agent.not-enabled", "stockade-warden.service is disabled"),
        ),
        (
            {"services": [service("fail2ban.service", failed=True, active="failed")]},
            ("high", "service.failed", "fail2ban.service"),
        ),
        (
            {"services": [service("stockade-watcher.service", active="inactive", enabled="disabled")]},
            ("low", "watcher.absent", "stockade-watcher.service is inactive"),
        ),
        (
            {"services": [service("stockade-watcher.service", active="activating", sub="auto-restart", restarts=7)]},
            ("high", "watcher.down", "stockade-watcher.service is activating (auto-restart), 7 restarts"),
        ),
        (
            {
                "watcher": {
                    "available": True,
                    "reason": "",
                    "status": {"state": "degraded", "problems": ["lines do not parse"]},
                }
            },
            ("medium", "watcher.degraded", "lines do not parse"),
        ),
        ({"fail2ban": {"available": False, "reason": "no socket"}}, ("low", "fail2ban.absent", "no socket")),
    ],
)
def test_rule_of_the_collection(more: dict[str, Any], finding: tuple[str, str, str]) -> None:
    assert found(healthy(**more)) == [finding]


def test_every_rule_has_a_remedy_and_an_id_of_its_own() -> None:
    assert len({rule["id"] for rule in RULES}) == len(RULES)
    assert all(rule["remedy"] for rule in RULES)


def test_unless_needs_all_its_keys() -> None:
    rule = {**RULE, "unless": {"active": ["active"], "enabled": ["enabled"]}}
    services = [service("a"), service("b", enabled="disabled")]
    assert found(healthy(services=services), [rule]) == [("low", "x.y", "b")]


@pytest.mark.parametrize("services", [None, "x", [None, 5], {}])
def test_rule_about_what_is_not_there_finds_nothing(services: Any) -> None:
    assert found(healthy(services=services), [{**RULE, "match": {"name": ["a"]}}]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"severity": "grave"}, "rule x.y: severity grave is not one of high, medium, low, info"),
        ({"look_at": None}, "rule x.y: look_at is missing or no text"),
        ({"match": {"name": "a"}}, "rule x.y: match maps keys to lists of values"),
        ({"id": None}, "rule without an id: id is missing or no text"),
    ],
)
def test_wrong_rule_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RuleError) as caught:
        found(healthy(), [{**RULE, **change}])
    assert str(caught.value).replace("rule None", "rule without an id") == message


@pytest.mark.parametrize(
    ("fail_on", "failed"), [("high", ["a"]), ("medium", ["a", "b"]), ("low", ["a", "b"]), ("none", [])]
)
def test_hosts_that_fail(fail_on: str, failed: list[str]) -> None:
    degraded = {"available": True, "reason": "", "status": {"state": "degraded", "problems": ["late"]}}
    results = {"a": None, "b": healthy(watcher=degraded), "c": healthy()}
    assert audit(results, ssh=None, rules=RULES, fail_on=fail_on, now=NOW)["failed"] == failed


def test_unknown_fail_on() -> None:
    with pytest.raises(RuleError, match="cannot fail on 'all'"):
        audit({}, ssh=None, rules=[], fail_on="all", now=NOW)


def test_host_that_was_not_audited_is_grave() -> None:
    lost = {"unreachable": True, "msg": "no route"}
    assert found(lost) == [("high", "audit.no-facts", "unreachable: no route")]
    assert found({"msg": "needs root: add -b (become)"}) == [
        ("high", "audit.no-facts", "failed: needs root: add -b (become)")
    ]


def test_findings_about_ssh_are_taken_over_the_gravest_first() -> None:
    ssh = {
        "a": {
            "ssh": {
                "findings": [
                    {
                        "id": "s.low",
                        "severity": "low",
                        "title": "t",
                        "evidence": ["x", "y"],
                        "reference": "CIS 5",
                        "remedy": "r",
                    },
                    {"id": "s.odd", "severity": "dire", "title": "t"},
                    "nonsense",
                    {"id": "s.high", "severity": "high", "title": "t"},
                ]
            }
        }
    }
    (host,) = audit({"a": healthy()}, ssh=ssh, rules=RULES, fail_on="high", now=NOW)["hosts"]
    assert [(one["id"], one["severity"]) for one in host["findings"]] == [
        ("s.high", "high"),
        ("s.odd", "medium"),
        ("s.low", "low"),
    ]
    assert host["findings"][2]["evidence"] == "x; y"


def test_silence_about_ssh_is_grave_but_not_twice() -> None:
    result = audit(
        {"a": healthy(), "lost": None}, ssh={"a": {"msg": "no sshd here"}}, rules=RULES, fail_on="high", now=NOW
    )
    assert [[one["id"] for one in host["findings"]] for host in result["hosts"]] == [
        ["audit.no-ssh"],
        ["audit.no-facts"],
    ]
    assert result["hosts"][0]["findings"][0]["evidence"] == "no sshd here"


def test_lines_can_be_read_and_hide_nothing() -> None:
    finding = {
        "id": "s",
        "severity": "high",
        "title": "bad",
        "evidence": "a\x1b[2J",
        "reference": "CIS 5",
        "remedy": "r",
    }
    result = audit(
        {"a": healthy(), "b": healthy()},
        ssh={"a": {"ssh": {"findings": [finding]}}, "b": {"ssh": {}}},
        rules=[],
        fail_on="high",
        now=NOW,
    )
    assert audit_lines(result) == [
        "a: 1 finding",
        "  HIGH    s  bad: a\\x1b[2J",
        "          to do: r [CIS 5]",
        "b: no findings",
        "2 hosts audited: 1 high, 0 medium, 0 low, 0 info",
    ]
