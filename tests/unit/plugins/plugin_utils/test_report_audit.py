# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit as a whole: hosts that did not answer, findings of ssh_info, when it fails, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from auditlab import NOW, RULE, RULES, found, healthy, judged, sshd, watcher

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_rules import AuditError
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_table import audit_lines
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit


@pytest.mark.parametrize(
    ("fail_on", "failed"), [("high", ["a"]), ("medium", ["a", "b"]), ("low", ["a", "b"]), ("none", [])]
)
def test_hosts_that_fail(fail_on: str, failed: list[str]) -> None:
    results = {"a": None, "b": healthy(watcher=watcher(state="degraded", problems=["late"])), "c": healthy()}
    result = audit(results, ssh=None, rules=RULES, fail_on=fail_on, now=NOW)
    assert (result["failed"], result["passed"]) == (failed, not failed)


def test_unknown_fail_on() -> None:
    with pytest.raises(AuditError, match="cannot fail on 'all'"):
        audit({}, ssh=None, rules=[], fail_on="all", now=NOW)


def test_host_that_was_not_audited_is_grave() -> None:
    lost = {"unreachable": True, "msg": "no route"}
    assert found(lost) == [("high", "audit.no-facts", "unreachable: no route")]
    assert found({"msg": "needs root: add -b (become)"}) == [
        ("high", "audit.no-facts", "failed: needs root: add -b (become)")
    ]


def deep() -> Any:
    nested: Any = []
    for _level in range(20_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"bans": "[{"}, "its facts cannot be read: bans is not a list"),
        ({"whitelist": "5"}, "its facts cannot be read: whitelist is not a list"),
        ({"jails": deep()}, "its facts are nested too deeply"),
    ],
)
def test_facts_that_cannot_be_read_are_grave(more: dict[str, Any], why: str) -> None:
    assert found(healthy(**more)) == [("high", "audit.no-facts", why)]


def test_findings_about_ssh_are_taken_over_the_gravest_first() -> None:
    low = {"id": "s.low", "severity": "low", "title": "t", "evidence": ["x", "y"], "reference": "CIS 5", "remedy": "r"}
    findings = [
        low,
        {"id": "s.odd", "severity": "dire", "title": "t"},
        "nonsense",
        {"id": "s.high", "severity": "high", "title": "t"},
        {"id": "audit.no-facts", "severity": "info", "title": "it says it was not asked"},
    ]
    (host,) = judged(healthy(), ssh=sshd(findings=findings))["hosts"]
    assert [(one["id"], one["severity"]) for one in host["findings"]] == [
        ("s.high", "high"),
        ("s.odd", "medium"),
        ("s.low", "low"),
        ("ssh", "info"),
    ]
    assert host["findings"][2]["evidence"] == "x; y"
    (host,) = judged(healthy(), ssh=sshd(findings=findings), skip=["s.high", "s.odd"])["hosts"]
    assert [one["id"] for one in host["findings"]] == ["s.low", "ssh"]


def test_rules_may_look_at_ssh_and_at_the_host() -> None:
    rule = {**RULE, "query": "ssh.findings[?cis == '5.1.19'] && host.groups"}
    findings = [{"id": "permitemptypasswords", "cis": "5.1.19", "severity": "high", "title": "t"}]
    answer = sshd(findings=findings)
    assert ("low", "x.y", "web") in found(healthy(), [rule], ssh=answer, hosts={"web1": {"group_names": ["web"]}})
    assert found(healthy(), [{**RULE, "query": "host.name"}]) == [("low", "x.y", "web1")]
    assert found(healthy(), [{**RULE, "query": "ssh == `null` && 'not asked'"}]) == [("low", "x.y", "not asked")]


def test_rules_see_bans_and_whitelist_as_lists() -> None:
    facts = healthy(bans='[{"network":"203.0.113.9","source":"x"},{"network":"2001:db8::1","source":"y"}]')
    assert found(facts, [{**RULE, "query": "bans[?source == 'y'].network"}]) == [("low", "x.y", "2001:db8::1")]
    assert found(facts, [{**RULE, "query": "whitelist[].list"}]) == [("low", "x.y", "site")]


def test_silence_about_ssh_is_grave_but_not_twice() -> None:
    answers = {"a": {"msg": "no sshd here"}}
    result = audit({"a": healthy(), "lost": None}, ssh=answers, rules=[], fail_on="high", now=NOW)
    assert [[one["id"] for one in host["findings"]] for host in result["hosts"]] == [
        ["audit.no-ssh"],
        ["audit.no-facts"],
    ]
    assert result["hosts"][0]["findings"][0]["evidence"] == "no sshd here"


def test_lines_can_be_read_and_hide_nothing() -> None:
    bad = {"id": "s", "severity": "high", "title": "bad", "evidence": "a\x1b[2J", "reference": "CIS 5", "remedy": "r"}
    old = {"id": "x.y", "severity": "low", "title": "old", "evidence": "it\x07was", "reference": "", "remedy": ""}
    waivers = [
        {"rule": "t", "hosts": "a", "reason": "until\u202ethe move", "expires": "2026-12-31"},
        {"rule": "t", "hosts": "b", "reason": "forgotten", "expires": "2026-01-31"},
    ]
    previous = judged(healthy(), [], now=NOW - 86400)
    previous["hosts"][0] = {"name": "b", "findings": [old], "waived": []}
    findings = [bad, {"id": "t", "severity": "low", "title": "lax"}]
    result = audit(
        {"a": healthy(), "b": healthy()},
        ssh={"a": sshd(findings=findings), "b": sshd()},
        rules=[],
        fail_on="high",
        now=NOW,
        waivers=waivers,
        previous=json.dumps(previous),
    )
    assert audit_lines(result) == [
        "a: 1 finding, 1 waived",
        "  HIGH    s  bad: a\\x1b[2J (new)",
        "          to do: r [CIS 5]",
        "  waived  t  lax (new)",
        "          until 2026-12-31: until\\u202ethe move",
        "b: no findings",
        "  gone    x.y  old: it\\x07was",
        "the audit itself: 1 finding",
        "  LOW     audit.waiver-expired  a waiver is over, what it accepted counts again: "
        "t on b: forgotten (until 2026-01-31)",
        "          to do: put right what it was about, or accept it anew",
        "since the audit of 2026-11-19T11:13:29Z: 2 new, 1 gone, 0 as before",
        "2 hosts audited: 1 high, 0 medium, 1 low, 0 info, 1 waived",
    ]
