# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans over time and repeat offenders, from what the hosts remember."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

NOW = 1_795_173_209  # 2026-11-20 11:13:29 UTC
HOUR = NOW - NOW % 3600


def facts(history: Any, *bans: str) -> dict[str, Any]:
    rows = [
        {"id": "", "network": network, "source": "operator", "reason": "", "banned_at": HOUR, "expires_at": None}
        for network in bans
    ]
    return {"schema": 1, "bans": json.dumps(rows), "summary": {"bans": len(rows)}, "history": history}


def remembers(hours: Any, repeated: Any = ()) -> dict[str, Any]:
    return {"available": True, "by_hour": json.dumps(hours), "repeated": json.dumps(repeated)}


def began(report: dict[str, Any], key: str = "by_hour") -> dict[str, int]:
    return {slot: number for slot, number in report["summary"][key].items() if number}


def test_bans_that_ended_long_ago_are_in_the_chart() -> None:
    hours = {str(HOUR): 2, str(HOUR - 7200): 5, str(HOUR - 40 * 86400): 9}
    report = merge({"a": facts(remembers(hours)), "b": facts(remembers({str(HOUR): 1}))}, now=NOW)
    assert began(report) == {"2026-11-20T09:00:00Z": 5, "2026-11-20T11:00:00Z": 3}
    assert began(report, "by_day") == {"2026-11-20": 8}
    assert report["notes"] == []


def test_hosts_that_remember_nothing_are_counted_in_a_note() -> None:
    report = merge({"a": facts(remembers({})), "b": facts({"available": False}), "c": facts(None)}, now=NOW)
    assert report["notes"] == ["bans over time are without those of 2 of 3 hosts, which remember none"]


def test_without_any_memory_it_is_the_bans_that_hold() -> None:
    report = merge({"a": facts(None, "203.0.113.9")}, now=NOW)
    assert (began(report), report["notes"]) == ({"2026-11-20T11:00:00Z": 1}, [])


def test_who_came_back_to_one_host() -> None:
    again = [{"network": "203.0.113.9", "bans": 4}, {"network": "203.0.113.7", "bans": 2}]
    other = [{"network": "203.0.113.9", "bans": 3}]
    found = {"a": facts(remembers({}, again), "203.0.113.9", "203.0.113.8"), "b": facts(remembers({}, other))}
    report = merge(found, now=NOW)
    assert {ban["network"]: ban["times"] for ban in report["bans"]} == {"203.0.113.9": 4, "203.0.113.8": 1}
    assert report["summary"]["repeated"] == 1


@pytest.mark.parametrize(
    "history",
    [
        "text",
        ["available"],
        {"available": True},
        {"available": True, "by_hour": "no json", "repeated": "["},
        {"available": True, "by_hour": "[" * 100_000},
        remembers([1, 2]),
        remembers({"x": 1, "-5": 1, "1e3": 1, str(1 << 60): 1, "²": 1}),
        remembers({str(HOUR): "many", str(HOUR - 3600): -3, str(HOUR - 7200): None}),
        remembers({"1" * 5000: 1}),
        remembers({}, [1, {"network": 7}, {"network": "nonsense", "bans": 3}, {"bans": 3}]),
        remembers({str(HOUR): 10**400}, [{"network": "203.0.113.9", "bans": 10**400}]),
    ],
)
def test_nonsense_of_a_host_is_passed_over(history: Any) -> None:
    report = merge({"a": facts(history, "203.0.113.9")}, now=NOW)
    assert set(began(report)) <= {"2026-11-20T11:00:00Z"} and report["bans"][0]["times"] == 1
