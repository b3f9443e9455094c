# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: what they take out of the count, when they end, and what is told about them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from auditlab import NOW, RULE, healthy, service, sshd

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit, problems

WAIVER = {"rule": "x.y", "reason": "known", "expires": "2026-12-31"}


def waived(*waivers: dict[str, Any], groups: Any = (), fail_on: str = "low", **results: Any) -> dict[str, Any]:
    """The audit of web1 and db1, each with the finding x.y."""
    facts = healthy(services=[service("a")])
    return audit(
        {"web1": facts, "db1": facts, **results},
        ssh=None,
        rules=[RULE],
        fail_on=fail_on,
        now=NOW,
        hosts={"web1": {"group_names": list(groups)}},
        waivers=waivers,
    )


def names(result: dict[str, Any], kind: str) -> list[str]:
    return [host["name"] for host in result["hosts"] if host[kind]]


def fleet(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["severity"], one["id"], one["evidence"]) for one in result["fleet"]]


def test_waived_finding_is_listed_and_does_not_count() -> None:
    result = waived(WAIVER)
    assert names(result, "findings") == [] and names(result, "waived") == ["db1", "web1"]
    (one,) = result["hosts"][0]["waived"]
    assert (one["id"], one["evidence"], one["reason"], one["expires"]) == ("x.y", "a", "known", "2026-12-31")
    assert (result["passed"], result["waived"], sum(result["summary"].values())) == (True, 2, 0)
    assert fleet(result) == []


@pytest.mark.parametrize(
    ("hosts", "hit"),
    [
        ("all", ["db1", "web1"]),
        ("*", ["db1", "web1"]),
        ("web1", ["web1"]),
        ("web*", ["web1"]),
        ("?b1", ["db1"]),
        ("front", ["web1"]),
        ("fro*", ["web1"]),
        (["db1", "front"], ["db1", "web1"]),
        ("a*", []),
        ("WEB1", []),
        ("web", []),
        ([], []),  # as of a group without hosts
    ],
)
def test_waiver_names_hosts_and_groups(hosts: Any, hit: list[str]) -> None:
    result = waived({**WAIVER, "hosts": hosts}, groups=["front"])
    assert names(result, "waived") == hit
    assert result["passed"] is (len(hit) == 2)


def test_waiver_for_nobody_says_so() -> None:
    assert fleet(waived({**WAIVER, "hosts": []})) == [("info", "audit.waiver-unused", "x.y on no host: known")]


def test_waiver_is_for_its_rule_only() -> None:
    result = waived({**WAIVER, "rule": "x"})
    assert names(result, "findings") == ["db1", "web1"]
    assert fleet(result) == [("info", "audit.waiver-unused", "x on all: known")]


def test_waiver_that_is_over_counts_again_and_is_a_finding() -> None:
    result = waived({**WAIVER, "expires": "2026-11-19"}, fail_on="low")
    assert names(result, "findings") == ["db1", "web1"] and names(result, "waived") == []
    assert fleet(result) == [("low", "audit.waiver-expired", "x.y on all: known (until 2026-11-19)")]
    assert result["summary"]["low"] == 3


def test_audit_may_fail_for_its_waivers_alone() -> None:
    result = waived(WAIVER, {**WAIVER, "expires": "2026-11-19"}, fail_on="low")
    assert (result["failed"], result["passed"]) == ([], False)


@pytest.mark.parametrize(
    ("expires", "holds"),
    [
        ("2026-11-20", True),  # today is the last day
        ("2026-11-19", False),
        ("2026-11-20T11:13:29Z", False),
        ("2026-11-20T11:13:30Z", True),
        (datetime.date(2026, 11, 20), True),  # as YAML reads a bare date
        (datetime.date(2026, 11, 19), False),
        (datetime.datetime(2026, 11, 20, 11, 14, tzinfo=datetime.UTC), True),
    ],
)
def test_last_day_of_a_waiver(expires: Any, holds: bool) -> None:
    assert waived({**WAIVER, "expires": expires})["passed"] is holds


def test_waiver_of_a_host_that_was_not_reached_is_not_called_useless() -> None:
    waiver = {**WAIVER, "rule": "agent.absent", "hosts": "lost"}
    assert fleet(waived(waiver)) == [("info", "audit.waiver-unused", "agent.absent on lost: known")]
    assert fleet(waived(waiver, lost=None)) == []


@pytest.mark.parametrize("hosts", ["db2", "dbs"])
def test_waiver_of_a_host_that_was_not_asked_is_not_called_useless(hosts: str) -> None:
    """As with --limit: what is about it may fit in the next audit."""
    waiver = {**WAIVER, "hosts": hosts}
    variables: dict[str, Any] = {"web1": {}, "db2": {"group_names": ["dbs"]}}
    options: dict[str, Any] = {"ssh": None, "rules": [RULE], "fail_on": "none", "now": NOW, "waivers": [waiver]}
    facts = healthy(services=[service("a")])
    assert fleet(audit({"web1": facts}, hosts=variables, **options)) == []
    unused = [("info", "audit.waiver-unused", "x.y on %s: known" % hosts)]
    assert fleet(audit({"web1": facts}, hosts={"web1": {}}, **options)) == unused


def test_host_that_is_away_for_a_reason_can_be_waived() -> None:
    result = waived(WAIVER, {**WAIVER, "rule": "audit.no-facts", "hosts": "lost"}, lost=None)
    assert result["passed"] and names(result, "waived") == ["db1", "lost", "web1"]


def test_finding_of_ssh_info_can_be_waived() -> None:
    answers = {"web1": sshd(findings=[{"id": "no-banner", "severity": "high", "title": "t"}])}
    waiver = {**WAIVER, "rule": "no-banner"}
    result = audit({"web1": healthy()}, ssh=answers, rules=[], fail_on="high", now=NOW, waivers=[waiver])
    assert result["passed"] and names(result, "waived") == ["web1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reason": ""}, "waiver 1 (x.y): reason is missing"),
        ({"expires": None}, "waiver 1 (x.y): expires is missing"),
        ({"rule": None}, "waiver 1: rule is missing"),
        ({"host": "web1"}, "waiver 1 (x.y): unknown key host; a waiver has rule, hosts, reason, expires"),
        ({"hosts": 5}, "waiver 1 (x.y): hosts is neither a pattern nor a list of them"),
        ({"hosts": ""}, "waiver 1 (x.y): hosts is neither a pattern nor a list of them"),
        ({"hosts": None}, "waiver 1 (x.y): hosts is neither a pattern nor a list of them"),
        ({"hosts": ["web1", ""]}, "waiver 1 (x.y): hosts is neither a pattern nor a list of them"),
        ({"expires": "soon"}, "waiver 1 (x.y): expires 'soon' is not a day or a time in UTC"),
        ({"expires": "2027-02-30"}, "waiver 1 (x.y): expires '2027-02-30': there is no such day or time"),
        ({"expires": 5}, "waiver 1 (x.y): expires is no text"),
    ],
)
def test_wrong_waiver_is_named_with_the_reason(change: dict[str, Any], message: str) -> None:
    (problem,) = problems([], [{**WAIVER, **change}])
    assert problem.startswith(message)
