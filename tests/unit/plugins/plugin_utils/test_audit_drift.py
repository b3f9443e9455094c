# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since the last audit, also about hosts that were not reached in between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from auditlab import NOW, RULE, healthy, service

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit

DAY = 86400


def has(*units: str) -> dict[str, Any]:
    return healthy(services=[service(name) for name in units])


def run(previous: Any = None, day: int = 0, waivers: Any = (), **results: Any) -> dict[str, Any]:
    """One audit on that day; the previous one went through its file."""
    text = json.dumps(previous) if isinstance(previous, dict) else previous
    options: dict[str, Any] = {"rules": [RULE], "fail_on": "none", "now": NOW + day * DAY, "waivers": waivers}
    result = audit(results, ssh=None, previous=text, **options)
    assert audit(results, ssh=None, previous=previous, **options) == result  # as older ansible-core has it
    return result


def changes(result: dict[str, Any], name: str = "a") -> dict[str, str]:
    (host,) = [host for host in result["hosts"] if host["name"] == name]
    return {one["evidence"]: one["change"] for one in host["findings"] + host["waived"] + host["gone"]}


def sums(result: dict[str, Any]) -> tuple[int, int, int]:
    drift = result["drift"]
    return drift["new"], drift["gone"], drift["unchanged"]


def test_without_history_there_is_no_drift() -> None:
    result = run(a=has("x"))
    assert result["drift"] is None and changes(result) == {"x": ""} and result["fleet"] == []


def test_new_gone_unchanged() -> None:
    result = run(run(a=has("x", "y"), b=has("z")), day=1, a=has("y", "w"), b=has("z"))
    assert changes(result) == {"y": "unchanged", "w": "new", "x": "gone"}
    assert sums(result) == (1, 1, 2)
    assert result["drift"]["since"] == "2026-11-20T11:13:29Z"


def test_only_the_last_audit_counts() -> None:
    result = run(run(run(a=has("x")), day=1, a=has("y")), day=2, a=has("y"))
    assert changes(result) == {"y": "unchanged"} and sums(result) == (0, 0, 1)


def test_waiver_makes_nothing_new_or_gone() -> None:
    waiver = {"rule": "x.y", "reason": "known", "expires": "2027-01-01"}
    result = run(run(a=has("x")), day=1, waivers=[waiver], a=has("x"))
    assert changes(result) == {"x": "unchanged"} and sums(result) == (0, 0, 1)
    assert sums(run(result, day=2, a=has("x"))) == (0, 0, 1)


def test_host_that_was_away_is_compared_with_what_was_known_of_it() -> None:
    away = run(run(a=has("x", "y")), day=1, a=None)
    assert changes(away) == {"unreachable: no answer": "new"} and sums(away) == (1, 0, 0)
    still = run(away, day=2, a=None)
    assert changes(still) == {"unreachable: no answer": "unchanged"}
    back = run(still, day=3, a=has("y", "z"))
    assert changes(back) == {"y": "unchanged", "z": "new", "x": "gone", "unreachable: no answer": "gone"}
    assert back["carried"] == []


def test_host_that_was_left_out_is_neither_gone_nor_new() -> None:
    some = run(run(a=has("x"), b=has("z")), day=1, a=has("x"))
    assert sums(some) == (0, 0, 1)
    assert [(one["name"], one["audited_at"]) for one in some["carried"]] == [("b", "2026-11-20T11:13:29Z")]
    again = run(some, day=2, a=has("x"))
    assert changes(run(again, day=3, a=has("x"), b=has("z")), "b") == {"z": "unchanged"}


def test_host_that_never_comes_back_is_forgotten() -> None:
    some = run(run(a=has("x"), b=has("z")), day=1, a=has("x"))
    assert run(some, day=91, a=has("x"))["carried"] == []


def test_host_that_was_never_seen_before_has_new_findings() -> None:
    assert changes(run(run(a=has("x")), day=1, a=has("x"), b=has("z")), "b") == {"z": "new"}


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"schema": 1}', '{"schema": 99, "generated_at": "2026-01-01T00:00:00Z"}', "[" * 100_000]
)
def test_history_that_cannot_be_read_is_told_and_no_end(text: str) -> None:
    result = run(text, a=has("x"))
    assert result["drift"] is None and changes(result) == {"x": ""}
    assert [(one["severity"], one["id"]) for one in result["fleet"]] == [("info", "audit.no-history")]


def test_history_of_odd_shape_is_read_as_far_as_it_goes() -> None:
    hosts = [5, {"name": "a", "findings": [7, {"id": "x.y", "evidence": "x"}, {"id": None}], "waived": "none"}]
    odd = {"schema": 1, "generated_at": "2026-11-19T00:00:00Z", "hosts": hosts, "carried": [{"name": ["b"]}, None]}
    assert changes(run(odd, a=has("x", "y"))) == {"x": "unchanged", "y": "new", "": "gone"}


def test_what_is_known_of_a_host_does_not_grow_with_each_audit() -> None:
    """A host whose sshd is never audited: every audit finds the same, and knows it from the one before."""
    result: Any = None
    for day in range(4):
        options: dict[str, Any] = {"rules": [RULE], "fail_on": "none", "now": NOW + day * DAY}
        result = audit({"a": has("x")}, ssh={"a": {"msg": "no sshd"}}, previous=result, **options)
    (carried,) = result["carried"]
    assert [one["evidence"] for one in carried["findings"]] == ["x"]
    assert sums(result) == (0, 0, 2)
