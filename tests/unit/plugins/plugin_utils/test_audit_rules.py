# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as data: what a wrong one is told, and what a query's result becomes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from auditlab import RULE, found, healthy, judged, service

from ansible_collections.stockade.fleet.plugins.plugin_utils import _audit_rules
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import plain
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_rules import MAX_FINDINGS, AuditError
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import problems

KEYS = "id, severity, title, query, reference, remedy"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"severity": "grave"}, "rule x.y: severity grave is not one of high, medium, low, info"),
        ({"query": None}, "rule x.y: query is missing"),
        ({"query": ""}, "rule x.y: query is missing"),
        ({"remedy": ["a"]}, "rule x.y: remedy is no text"),
        ({"title": 5}, "rule x.y: title is no text"),
        ({"look_at": "warden"}, "rule x.y: unknown key look_at; a rule has " + KEYS),
        ({"id": "a b"}, "rule a b: its id is not made of letters, digits, '.', '_' and '-', or begins with audit."),
        ({"id": "audit.x"}, "rule audit.x: its id is not made of letters, "),
        ({"query": "a["}, "rule x.y: its query is not JMESPath: Invalid jmespath expression: Incomplete expression"),
        ({"query": "a $ b"}, "rule x.y: its query is not JMESPath: Bad jmespath expression: Unknown token $"),
        ({"query": "a[?nonsense(b)]"}, "rule x.y: its query calls nonsense(), which JMESPath does not have"),
        ({"query": "a.join(b)"}, "rule x.y: its query gives join() 1 arguments, not 2"),
        ({"query": "length(a, b)"}, "rule x.y: its query gives length() 2 arguments, not 1"),
        ({"query": "!warden.installed"}, "rule x.y: its query has ! before a path, which negates the first word"),
        ({"query": "a[?!b.c]"}, "rule x.y: its query has ! before a path, which negates the first word"),
    ],
)  # fmt: skip
def test_wrong_rule_is_named_with_the_reason(change: dict[str, Any], message: str) -> None:
    (problem,) = problems([{**RULE, **change}], [])
    assert problem.startswith(message)
    with pytest.raises(AuditError) as caught:
        judged(healthy(), [{**RULE, **change}])
    assert str(caught.value) == problem


def test_rule_without_an_id_is_shown() -> None:
    assert problems([{"severity": "low", "title": "t", "query": "a"}], []) == [
        'rule without an id ({"severity": "low", "title": "t", "query": "a"}): id is missing'
    ]
    assert problems(["agent.absent"], []) == ['rule without an id ("agent.absent"): not a mapping with ' + KEYS]


def test_two_rules_with_one_id() -> None:
    assert problems([RULE, {**RULE, "title": "another"}], []) == ["rule x.y: two rules have this id"]


def test_every_fault_is_told_at_once() -> None:
    wrong = [{**RULE, "id": "a", "severity": "x"}, {**RULE, "id": "b", "query": "["}]
    assert [text.partition(":")[0] for text in problems(wrong, [{}])] == ["rule a", "rule b"] + ["waiver 1"] * 3


@pytest.mark.parametrize(
    "query", ["!(warden.installed)", "a[?!(b.c)]", "!a && b", "not_null(a, b, c)", "!contains(a, b)"]
)
def test_right_query_is_taken(query: str) -> None:
    assert problems([{**RULE, "query": query}], []) == []


def test_missing_library_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_rules, "jmespath", None)
    (problem,) = problems([RULE, {**RULE, "id": "other"}], [])
    assert "the Python library jmespath is missing on the controller: install it" in problem
    assert problem.endswith("-m pip install jmespath")


@pytest.mark.parametrize("query", ["nothing", "truncated", "`null`", "''", "`[]`", "`{}`", "[nothing, '', `false`]"])
def test_empty_result_is_no_finding(query: str) -> None:
    assert found(healthy(), [{**RULE, "query": query}]) == []


@pytest.mark.parametrize(
    ("query", "evidence"),
    [
        ("services[].name", ["a", "b"]),
        ("[services[0].name, services[0].name]", ["a"]),
        ("services[?name == 'b'].{unit: name, failed: failed, load: load}", ["unit: b, failed: no, load: loaded"]),
        ("services[0].{unit: name, both: [name, load]}", ["unit: a, both: a; loaded"]),
        ("`true`", [""]),
        ("`0`", ["0"]),
        ("length(services)", ["2"]),
    ],
)
def test_result_is_the_evidence(query: str, evidence: list[str]) -> None:
    facts = healthy(services=[service("a"), service("b")])
    assert found(facts, [{**RULE, "query": query}]) == [("low", "x.y", text) for text in evidence]


def test_finding_has_what_the_rule_says() -> None:
    rule = {**RULE, "reference": "CIS 4.1", "remedy": "do it"}
    (host,) = judged(healthy(services=[service("a")]), [rule])["hosts"]
    assert host["findings"] == [
        {
            "id": "x.y",
            "severity": "low",
            "title": "t",
            "evidence": "a",
            "reference": "CIS 4.1",
            "remedy": "do it",
            "change": "",
        }
    ]


def test_findings_of_one_rule_are_bounded() -> None:
    facts = healthy(services=[service("unit%03d" % number) for number in range(MAX_FINDINGS + 20)])
    findings = found(facts, [RULE])
    assert len(findings) == MAX_FINDINGS
    assert ("low", "x.y", "and 21 more") in findings


def test_query_that_fails_on_one_host_is_a_finding_there() -> None:
    rule = {**RULE, "severity": "medium", "query": "services[].join(' ', [name, sub])"}
    facts = healthy(services=[{"name": "a", "sub": 5}])
    ((severity, name, evidence),) = found(facts, [rule])
    assert (severity, name) == ("medium", "audit.rule-failed")
    assert evidence.startswith("rule x.y: In function join(), invalid type for value: 5")
    assert found(healthy(services=[{"name": "a", "sub": "dead"}]), [rule]) == [("medium", "x.y", "a dead")]


class Text(str):
    """A text as ansible-core hands it over, which is not quite a str."""


def test_values_of_ansible_become_what_jmespath_knows() -> None:
    made = plain({Text("a"): [Text("b"), 1.5, True, None, (1,)], "day": datetime.date(2027, 1, 31)})
    assert made == {"a": ["b", 1.5, True, None, [1]], "day": "2027-01-31"}
    assert [value.__class__ for value in (*made, made["a"][0])] == [str, str, str]
    facts = healthy(services=[{"name": Text("a"), "sub": Text("b")}])
    assert found(facts, [{**RULE, "query": Text("services[].join(' ', [name, sub])")}]) == [("low", "x.y", "a b")]
