# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report before this one tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils import _report_previous
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_json import report_text
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

NOW = 1_795_173_209
HOUR = 3600


def report(*bans: tuple[str, int], now: int, previous: Any = None) -> dict[str, Any]:
    """The report at that time of bans with the times they began at."""
    rows = [
        {"network": text, "source": "operator", "reason": "", "banned_at": at, "expires_at": None} for text, at in bans
    ]
    facts = {"schema": 1, "bans": json.dumps(rows), "warden": {"available": True, "status": {"state": "enforcing"}}}
    return merge({"web1": facts}, now=now, previous=previous)


def marks(found: dict[str, Any]) -> dict[str, tuple[Any, int]]:
    return {ban["network"]: (ban.get("new"), ban["times"]) for ban in found["bans"]}


@pytest.mark.parametrize("previous", [None, "", "  \n", {}])
def test_first_report_knows_nothing_new(previous: Any) -> None:
    found = report(("203.0.113.1", NOW), now=NOW, previous=previous)
    assert marks(found) == {"203.0.113.1": (None, 1)}
    assert (found["summary"]["since_last"], found["summary"]["repeated"], found["notes"]) == (None, 0, [])


@pytest.mark.parametrize("form", [dict, report_text])
def test_new_and_gone(form: Any) -> None:
    first = report(("203.0.113.1", NOW), ("203.0.113.2", NOW), now=NOW)
    second = report(("203.0.113.2", NOW), ("203.0.113.3", NOW + 5), now=NOW + HOUR, previous=form(first))
    assert marks(second) == {"203.0.113.2": (False, 1), "203.0.113.3": (True, 1)}
    assert second["summary"]["since_last"] == {"at": "2026-11-20T11:13:29Z", "new": 1, "gone": 1}
    assert second["past"] == {"203.0.113.1": {"times": 1, "seen": "2026-11-20T11:13:29Z"}}


def test_who_comes_back_is_counted_across_reports() -> None:
    first = report(("203.0.113.1", NOW), now=NOW)
    gone = report(now=NOW + HOUR, previous=first)
    later = report(now=NOW + 2 * HOUR, previous=gone)
    back = report(("203.0.113.1", NOW + 3 * HOUR), now=NOW + 3 * HOUR, previous=later)
    assert marks(back) == {"203.0.113.1": (True, 2)}
    assert back["summary"]["repeated"] == 1
    assert back["past"] == {}
    again = report(("203.0.113.1", NOW + 3 * HOUR), now=NOW + 4 * HOUR, previous=back)
    assert marks(again) == {"203.0.113.1": (False, 2)}


def test_banned_anew_between_two_reports() -> None:
    first = report(("203.0.113.1", NOW), now=NOW)
    assert marks(report(("203.0.113.1", NOW + 60), now=NOW + HOUR, previous=first)) == {"203.0.113.1": (False, 2)}


def test_ban_of_a_host_whose_clock_is_ahead_is_no_second_one() -> None:
    first = report(("203.0.113.1", NOW + 240), now=NOW)
    second = report(("203.0.113.1", NOW + 240), now=NOW + HOUR, previous=first)
    assert marks(second) == {"203.0.113.1": (False, 1)}
    assert marks(report(("203.0.113.1", NOW + 300), now=NOW + HOUR, previous=first)) == {"203.0.113.1": (False, 2)}


def test_ban_that_was_out_of_sight_is_no_second_one() -> None:
    """Its host was unreachable for one report."""
    first = report(("203.0.113.1", NOW), now=NOW)
    lost = merge({"web1": None}, now=NOW + HOUR, previous=first)
    assert lost["summary"]["since_last"] == {"at": "2026-11-20T11:13:29Z", "new": 0, "gone": 0}  # nobody knows
    assert merge({}, now=NOW + HOUR, previous=first)["summary"]["since_last"]["gone"] == 0  # as with --limit
    back = report(("203.0.113.1", NOW), now=NOW + 2 * HOUR, previous=lost)
    assert marks(back) == {"203.0.113.1": (True, 1)}


def test_past_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report_previous, "REMEMBERED", 2)
    first = report(*[(f"203.0.113.{number}", NOW) for number in range(1, 6)], now=NOW)
    second = report(now=NOW + HOUR, previous=first)
    assert list(second["past"]) == ["203.0.113.1", "203.0.113.2"]
    assert report(now=NOW + 89 * 86400, previous=second)["past"] == second["past"]
    assert report(now=NOW + 91 * 86400, previous=second)["past"] == {}


@pytest.mark.parametrize(
    ("previous", "note"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "another shape"),
        ('"text"', "another shape"),
        ("5", "another shape"),
        ({"bans": []}, "another shape"),
        ({"generated_at": "yesterday", "bans": []}, "another shape"),
        (["a"], "another shape"),
    ],
)
def test_previous_that_is_of_no_use_is_named(previous: Any, note: str) -> None:
    found = report(("203.0.113.1", NOW), now=NOW, previous=previous)
    assert [note in text for text in found["notes"]] == [True]
    assert found["summary"]["since_last"] is None


@pytest.mark.parametrize(
    "more",
    [
        {"bans": 5},
        {"bans": [None, {}, {"network": 5}, {"network": "203.0.113.1", "times": "many"}]},
        {"bans": [{"network": "203.0.113.1", "times": 10**30}]},
        {"bans": [{"network": "203.0.113.1", "times": True}]},
        {"bans": [{"network": "203.0.113.1", "hosts": [{}, None]}]},
        {"bans": [{"network": "203.0.113.1"}], "past": ["x"]},
        {"bans": [{"network": "203.0.113.1"}], "past": {"<script>": {"times": 1, "seen": "2026-11-20T11:13:29Z"}}},
        {"bans": [{"network": "203.0.113.1"}], "past": {"203.0.113.9": {"times": 1, "seen": "<b>"}}},
    ],
)
def test_rows_of_a_wrong_shape_in_the_previous_report(more: dict[str, Any]) -> None:
    previous = {"generated_at": "2026-11-20T10:00:00Z", **more}
    found = report(("203.0.113.1", NOW - 86400), now=NOW, previous=previous)
    assert found["bans"][0]["times"] == 1
    assert found["past"] == {}
    json.dumps(found)
