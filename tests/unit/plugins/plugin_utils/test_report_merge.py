# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report out of the facts of many hosts, none of which is trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge

NOW = 1_795_173_209


def ban(
    network: str, *, at: int = NOW, until: int | None = None, source: str = "operator", **more: Any
) -> dict[str, Any]:
    return {"network": network, "source": source, "reason": "", "banned_at": at, "expires_at": until, **more}


def facts(*rows: Any, state: str = "enforcing", **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "bans": json.dumps(rows),
        "truncated": False,
        "summary": {"bans": len(rows), "by_source": {}},
        "warden": {"installed": True, "available": True, "reason": "", "status": {"state": state, "problems": []}},
        "fail2ban": {"available": False, "reason": "not running"},
        "jails": [],
        "services": [],
        "whitelist": "[]",
        **more,
    }


def test_one_network_on_many_hosts_is_one_row() -> None:
    report = merge(
        {
            "web2": facts(ban("203.0.113.9", at=NOW - 10, until=NOW + 5, source="operator", reason="older")),
            "web1": facts(ban("203.0.113.9", at=NOW - 5, until=NOW + 1, source="watcher/rate", reason="newer")),
        },
        now=NOW,
    )
    assert report["bans"] == [
        {
            "network": "203.0.113.9",
            "country": "??",
            "hosts": ["web1", "web2"],
            "sources": ["operator", "watcher/rate"],
            "reason": "newer",
            "since": "2026-11-20T11:13:19Z",
            "until": "2026-11-20T11:13:34Z",
            "times": 1,
        }
    ]
    assert report["summary"]["on_several_hosts"] == 1
    assert report["generated_at"] == "2026-11-20T11:13:29Z"


def test_a_ban_without_a_reason_hides_no_other_reason() -> None:
    """fail2ban keeps none, and bans what an operator banned with a reason just before."""
    rows = {
        "web1": facts(ban("203.0.113.9", at=NOW - 5, reason="seen everywhere")),
        "web2": facts(ban("203.0.113.9", at=NOW, source="fail2ban/sshd")),
    }
    assert merge(rows, now=NOW)["bans"][0]["reason"] == "seen everywhere"


def test_two_rows_of_one_host_are_one_host() -> None:
    report = merge({"web1": facts(ban("203.0.113.9"), ban("203.0.113.9", source="list/x"))}, now=NOW)
    assert report["bans"][0]["hosts"] == ["web1"]
    assert report["summary"]["on_several_hosts"] == 0


@pytest.mark.parametrize("order", [(None, NOW + 9), (NOW + 9, None)])
def test_permanent_outlasts_every_date(order: tuple[int | None, int | None]) -> None:
    report = merge(
        {"a": facts(ban("203.0.113.9", until=order[0])), "b": facts(ban("203.0.113.9", until=order[1]))}, now=NOW
    )
    assert report["bans"][0]["until"] == "permanent"
    assert report["summary"]["permanent"] == 1


def test_newest_first() -> None:
    rows = [ban("203.0.113.1", at=5), ban("203.0.113.2", at=9), ban("203.0.113.3", at=7)]
    report = merge({"a": facts(*rows)}, now=NOW)
    assert [row["network"] for row in report["bans"]] == ["203.0.113.2", "203.0.113.3", "203.0.113.1"]


def test_networks_are_the_same_however_they_are_written() -> None:
    rows = [ban("2001:DB8:0::1"), ban("2001:db8::1/128"), ban("198.51.100.0/24"), ban("203.0.113.1/32")]
    report = merge({"a": facts(*rows)}, now=NOW)
    assert sorted(row["network"] for row in report["bans"]) == ["198.51.100.0/24", "2001:db8::1", "203.0.113.1"]


def test_packets_are_added_up() -> None:
    report = merge({"a": facts(ban("203.0.113.1", packets=3)), "b": facts(ban("203.0.113.1", packets=4))}, now=NOW)
    assert report["bans"][0]["packets"] == 7


@pytest.mark.parametrize(
    ("result", "state", "message"),
    [
        (None, "unreachable", "no answer"),
        (
            {"unreachable": True, "msg": "Task failed: Data could not\n be sent", "changed": False},
            "unreachable",
            "Data could not be sent",
        ),
        (
            {
                "unreachable": True,
                "msg": 'Task failed: Data could not be sent to remote host "192.0.2.9". Make sure this host can be'
                " reached over ssh: ssh: connect to host 192.0.2.9 port 22: Connection timed out",
            },
            "unreachable",
            "ssh: connect to host 192.0.2.9 port 22: Connection timed out",
        ),
        (
            {"unreachable": True, "msg": "Failed to connect to the host via ssh: no route"},
            "unreachable",
            "no route",
        ),
        ({"msg": "needs root: add -b (become)", "failed": False}, "failed", "needs root: add -b (become)"),
        ({}, "failed", "the facts were not gathered"),
        (facts(schema=2), "failed", "facts of schema 2, this collection reads 1"),
    ],
)
def test_host_without_facts_is_in_the_report(result: Any, state: str, message: str) -> None:
    report = merge({"lost": result, "web1": facts(ban("203.0.113.1"))}, now=NOW)
    assert (report["hosts"][0]["state"], report["hosts"][0]["message"]) == (state, message)
    assert report["summary"]["unreachable"] == (["lost"] if state == "unreachable" else [])
    # Nothing is known of its bans, which is not the same as none.
    assert report["summary"]["by_host"] == {"web1": 1}


def test_registered_result_is_as_good_as_facts() -> None:
    report = merge({"a": {"ansible_facts": {"stockade": facts(ban("203.0.113.1"))}, "changed": False}}, now=NOW)
    assert report["hosts"][0]["state"] == "enforcing"
    assert len(report["bans"]) == 1


@pytest.mark.parametrize(
    ("warden", "fail2ban", "state"),
    [
        ({"available": True, "status": {"state": "released"}}, {}, "released"),
        ({"available": True, "status": {"state": "unreachable"}}, {}, "degraded"),
        ({"available": True, "status": {"state": "fail2ban only"}}, {}, "degraded"),
        ({"available": True, "status": {"state": "degraded", "problems": ["no nft"]}}, {}, "degraded"),
        ({"available": True, "status": {}}, {}, "degraded"),
        ({"installed": True, "available": False, "reason": "silent"}, {"available": True}, "degraded"),
        ({"installed": False, "available": False}, {"available": True}, "fail2ban only"),
        ({"installed": False, "available": False}, {"available": False}, "unprotected"),
        ({}, {}, "unprotected"),
    ],
)
def test_state_of_a_host(warden: dict[str, Any], fail2ban: dict[str, Any], state: str) -> None:
    report = merge({"a": facts(warden=warden, fail2ban=fail2ban)}, now=NOW)
    assert report["hosts"][0]["state"] == state


def test_problems_and_failed_services_are_named() -> None:
    given = facts(services=[{"name": "fail2ban.service", "failed": True, "active": "failed"}])
    given["warden"]["status"]["problems"] = ["the copy is old"]
    report = merge({"a": given}, now=NOW)
    assert report["hosts"][0]["problems"] == ["the copy is old", "fail2ban.service has failed"]


@pytest.mark.parametrize(
    "row",
    [
        None,
        "203.0.113.1",
        [],
        {},
        {"network": "203.0.113.1"},
        {"network": "not an address", "banned_at": 1, "expires_at": None},
        {"network": "203.0.113.1/24", "banned_at": 1, "expires_at": None},
        {"network": "fe80::1%eth0", "banned_at": 1, "expires_at": None},
        {"network": ["203.0.113.1"], "banned_at": 1, "expires_at": None},
        {"network": "203.0.113.1", "banned_at": "soon", "expires_at": None},
        {"network": "203.0.113.1", "banned_at": 1, "expires_at": "never"},
    ],
)
def test_row_of_a_wrong_shape_is_counted_and_left_out(row: Any) -> None:
    report = merge({"a": facts(row, ban("203.0.113.7"))}, now=NOW)
    assert [one["network"] for one in report["bans"]] == ["203.0.113.7"]
    assert report["hosts"][0]["problems"] == ["1 unreadable rows were left out"]


@pytest.mark.parametrize("bans", ["{", "5", "[" * 100_000, None, 7, {"a": 1}])
def test_bans_that_are_no_list(bans: Any) -> None:
    report = merge({"a": facts(bans=bans), "b": facts(ban("203.0.113.7"))}, now=NOW)
    assert len(report["bans"]) == 1
    assert report["hosts"][0]["problems"] == ["1 unreadable rows were left out"]


@pytest.mark.parametrize(
    "more",
    [
        {"warden": []},
        {"warden": {"available": True, "status": {"problems": 5, "state": ["x"]}}},
        {"summary": {"bans": 10**400, "by_source": {"operator": -(10**400)}}},
        {"summary": {"bans": "many", "by_source": []}},
        {"summary": {"bans": float("inf")}, "bans_total": float("nan")},
        {"jails": {"a": 1}, "services": "none"},
        {"jails": [{"name": "a", "banned": 5, "x": float("nan")}], "services": [{"restarts": float("inf")}]},
        {"jails": [1, {"name": {"x": 1}}], "services": [None]},
        {"whitelist": 7, "truncated": "yes", "fail2ban": None},
    ],
)
def test_facts_of_a_wrong_shape_do_not_take_the_report_away(more: dict[str, Any]) -> None:
    report = merge({"a": facts(**more), "b": facts(ban("203.0.113.7"))}, now=NOW)
    assert len(report["bans"]) == 1
    json.dumps(report, allow_nan=False)


def test_text_of_hosts_is_bounded_and_can_be_encoded() -> None:
    report = merge({"a": facts(ban("203.0.113.7", reason="\ud800" + "x" * 10_000, source="y" * 10_000))}, now=NOW)
    json.dumps(report, ensure_ascii=False).encode()
    assert len(report["bans"][0]["reason"]) == 200
    assert len(report["bans"][0]["sources"][0]) == 120


def test_empty_fleet() -> None:
    report = merge({}, now=NOW)
    assert (report["bans"], report["hosts"], report["summary"]["networks"]) == ([], [], 0)


def test_networks_by_source() -> None:
    rows = [ban("203.0.113.1", source="b"), ban("203.0.113.2", source="b"), ban("203.0.113.2", source="a")]
    report = merge({"x": facts(*rows), "y": facts(*rows)}, now=NOW)
    assert list(report["summary"]["by_source"].items()) == [("b", 2), ("a", 1)]


def test_figures_by_jail() -> None:
    """A17, A19: one address of one jail is one, on however many hosts; the jail's name is whole."""
    rows = [
        ban("203.0.113.1", source="fail2ban/apache-auth"),
        ban("203.0.113.1", source="fail2ban/sshd"),
        ban("203.0.113.2", source="fail2ban/my.jail-2"),
        ban("203.0.113.2", source="fail2ban/apache-auth"),
        ban("203.0.113.3", source="operator"),
    ]
    summary = merge({"x": facts(*rows), "y": facts(*rows)}, now=NOW)["summary"]
    assert list(summary["by_jail"].items()) == [("apache-auth", 2), ("my.jail-2", 1), ("sshd", 1)]


def test_jails_name_the_addresses_they_hold() -> None:
    """A36: the addresses of each jail of each host, in the JSON."""
    jails = [
        {"name": "sshd", "currently_banned": 2, "banned": ["203.0.113.1", "2001:DB8::1", "face", None]},
        {"name": "apache-auth", "currently_banned": 0, "banned": []},
    ]
    report = merge({"web1": facts(jails=jails)}, now=NOW)
    assert [(jail["name"], jail["banned"]) for jail in report["hosts"][0]["jails"]] == [
        ("sshd", ["203.0.113.1", "2001:db8::1"]),
        ("apache-auth", []),
    ]


def test_both_families_and_networks_and_nothing_else() -> None:
    """A21, AH19: IPv4, IPv6 and networks are whole; a word that looks like a part of one is none."""
    rows = [ban("2001:db8::1"), ban("198.51.100.0/24"), ban("203.0.113.1"), ban("face"), ban("cafe:")]
    report = merge({"web1": facts(*rows)}, now=NOW)
    assert {row["network"] for row in report["bans"]} == {"2001:db8::1", "198.51.100.0/24", "203.0.113.1"}


def test_last_day() -> None:
    """A16: a ban of three hours ago is of the last day, one of 25 hours ago is not."""
    rows = [ban("203.0.113.1", at=NOW - 3 * 3600), ban("203.0.113.2", at=NOW - 25 * 3600), ban("203.0.113.3", at=9)]
    assert merge({"a": facts(*rows)}, now=NOW)["summary"]["last_24h"] == 1


def test_bans_over_time() -> None:
    rows = [
        ban("203.0.113.1", at=NOW),
        ban("203.0.113.2", at=NOW + 9 * 3600),  # that host's clock is ahead
        ban("203.0.113.3", at=NOW - 47 * 3600),
        ban("203.0.113.4", at=NOW - 49 * 3600),
        ban("203.0.113.5", at=NOW - 40 * 86400),
    ]
    summary = merge({"a": facts(*rows)}, now=NOW)["summary"]
    assert len(summary["by_hour"]) == 48 and len(summary["by_day"]) == 30
    assert list(summary["by_hour"])[-1] == "2026-11-20T11:00:00Z" and list(summary["by_day"])[-1] == "2026-11-20"
    assert {key: number for key, number in summary["by_hour"].items() if number} == {
        "2026-11-18T12:00:00Z": 1,
        "2026-11-20T11:00:00Z": 2,
    }
    assert {key: number for key, number in summary["by_day"].items() if number} == {"2026-11-18": 2, "2026-11-20": 2}


def test_network_that_covers_others_is_named() -> None:
    rows = [ban(text) for text in ("203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", "198.51.100.1", "2001:db8::1")]
    rows += [ban("2001:db8::/64")]
    report = merge({"a": facts(*rows)}, now=NOW)
    assert {row["network"]: row.get("covered_by") for row in report["bans"]} == {
        "203.0.113.7": "203.0.0.0/16",
        "203.0.113.0/24": "203.0.0.0/16",
        "203.0.0.0/16": None,
        "198.51.100.1": None,
        "2001:db8::1": "2001:db8::/64",
        "2001:db8::/64": None,
    }
    assert report["summary"]["covered"] == 3


def test_large_fleet_is_merged_in_one_pass() -> None:
    """Each network is read once, however many hosts have it."""
    rows = [ban(f"203.0.113.{number}") for number in range(200)]
    report = merge({f"web{number}": facts(*rows) for number in range(50)}, now=NOW)
    assert len(report["bans"]) == 200
    assert all(len(row["hosts"]) == 50 for row in report["bans"])


def test_a_broken_database_of_fail2ban_is_a_problem_of_its_host() -> None:
    fail2ban = {"available": True, "reason": "", "database_problem": "file is not a database"}
    host = merge({"a": facts(fail2ban=fail2ban)}, now=NOW)["hosts"][0]
    assert host["problems"] == ["fail2ban's database cannot be read: file is not a database"]


def test_packets_that_no_kernel_has_counted_are_none() -> None:
    """The sum of two numbers of 4,300 digits is one that Python does not write."""
    row = ban("203.0.113.9", packets=int("9" * 4300))
    report = merge({"web1": facts(row), "web2": facts(row), "web3": facts({**row, "packets": 7})}, now=NOW)
    assert report["bans"][0]["packets"] == 7
