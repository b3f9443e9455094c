# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade bans --why`: sentences that name who, when, why, until when, what covers it, and what to type next."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clilab import Console
from wardenlab import NOW

ROW = {
    "id": "1",
    "network": "203.0.113.9",
    "source": "watcher/logins",
    "origin": "web1",
    "reason": "ten bad passwords",
    "banned_at": NOW - 600,
    "expires_at": NOW + 3000,
    "packets": 1204,
}
LISTED = ROW | {"network": "203.0.113.0/24", "source": "list/site", "expires_at": None, "reason": "", "packets": None}
ENTRY = {"network": "203.0.113.0/28", "list": "operator", "comment": "customer", "expires_at": NOW + 86400}


def answer(verdict: str, **fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"never": None, "whitelist": [], "bans": [], "history": []}
    return {"network": "203.0.113.9", "verdict": verdict, **empty, **fields}


def test_ah28_a_ban_is_explained(console: Console) -> None:
    console.canned["why"] = answer("banned", bans=[ROW])
    done = console.run("bans", "--why", "203.0.113.9")
    assert done.code == 0
    assert done.lines == [
        "203.0.113.9 is banned: one ban covers it.",
        "",
        "203.0.113.9 is banned until 2027-01-15 08:50:00 (50m left).",
        "  decided by  the watcher's rule logins on web1, source watcher/logins",
        "  when        2027-01-15 07:50:00 (10m ago), for 1h",
        "  reason      ten bad passwords",
        "  dropped     1204 packets since the ban was last set",
        "",
        "To let it in:",
        "  stockade unban 203.0.113.9",
        "  stockade whitelist add 203.0.113.9",
    ]
    assert console.asked[-2]["op"] == "why" and console.asked[-2]["address"] == "203.0.113.9"


def test_ah28_a_list_is_named_and_not_unbanned(console: Console) -> None:
    console.canned["why"] = answer("banned", bans=[LISTED])
    done = console.run("bans", "--why", "203.0.113.9")
    assert "203.0.113.0/24 (256 addresses) is banned permanently." in done.lines
    assert "  decided by  list `site` of permanent bans on web1, source list/site" in done.lines
    assert "  reason      none given" in done.lines
    assert "  dropped     not counted here" in done.lines
    assert done.lines[-3:] == [
        "To let it in:",
        "  list `site` declares 203.0.113.0/24: take it out there, or whitelist 203.0.113.9",
        "  stockade whitelist add 203.0.113.9",
    ]


def test_a_network_that_covers_it_is_lifted_as_a_whole(console: Console) -> None:
    network = ROW | {"network": "203.0.113.0/24", "source": "operator", "packets": 1}
    console.canned["why"] = answer("banned", bans=[network, LISTED])
    done = console.run("bans", "--why", "203.0.113.9")
    assert done.lines[0] == "203.0.113.9 is banned: 2 bans cover it."
    assert "  dropped     1 packet since the ban was last set" in done.lines
    assert "  stockade unban 203.0.113.0/24    (for all 256 addresses of it)" in done.lines


def test_what_lets_it_through_is_named(console: Console) -> None:
    site = ENTRY | {"list": "site", "comment": "", "expires_at": None}
    console.canned["why"] = answer("passes", whitelist=[ENTRY, site], bans=[LISTED])
    lines = console.run("bans", "--why", "203.0.113.9").lines
    assert lines[0] == "203.0.113.9 gets through, although one ban covers it."
    assert lines[2:5] == [
        "What lets it through:",
        "  203.0.113.0/28 is whitelisted by list `operator` (customer), until 2027-01-16 08:00:00 (1d left).",
        "  203.0.113.0/28 is whitelisted by list `site`, permanently.",
    ]
    assert lines[-3:] == [
        "To have it banned again:",
        "  stockade whitelist remove 203.0.113.0/28",
        "  list `site` declares 203.0.113.0/28: take it out there",
    ]


def test_earlier_bans_are_listed(console: Console) -> None:
    ended = ROW | {"banned_at": NOW - 86400, "ended_at": NOW - 82800, "ended_by": "expired"}
    console.canned["why"] = answer("free", history=[ended])
    lines = console.run("bans", "--why", "203.0.113.9").lines
    assert lines[0] == "203.0.113.9 is not banned."
    assert lines[2] == "Earlier bans, newest first:"
    assert lines[4] == "203.0.113.9  watcher/logins  2027-01-14 08:00  2027-01-14 09:00  expired   ten bad passwords"
    assert "To ban it: stockade ban 203.0.113.9" in lines


def test_a_host_that_refuses_nothing_says_so_first(console: Console) -> None:
    console.canned["why"] = answer("banned", bans=[ROW])
    console.run("release")
    assert "released until `stockade resume`" in console.run("bans", "--why", "203.0.113.9").lines[1]
    console.canned["status"] = console.ask("status") | {"state": "degraded", "problems": ["nft: no"]}
    assert "(degraded): nft: no" in console.run("bans", "--why", "203.0.113.9").lines[1]


def test_json_is_the_wardens_answer(console: Console) -> None:
    console.canned["why"] = answer("banned", bans=[ROW])
    assert json.loads(console.run("bans", "--why", "203.0.113.9", "--json").out) == console.canned["why"]


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9", "203.0.113.0/28"])
def test_a_real_ban_is_explained(console: Console, address: str) -> None:
    """By the warden itself: the decision, its end, the list around it, and what was before."""
    console.run("ban", address, "--duration", "1h", "--reason", "first")
    console.run("unban", address)
    assert f"{address} is not banned." in console.run("bans", "--why", address).lines
    console.run("ban", address, "--duration", "2h", "--reason", "second")
    wide = "2001:db8::/64" if ":" in address else "203.0.113.0/24"
    console.ask("permanent_bans", list="site", entries=[{"network": wide}])
    done = console.run("bans", "--why", address)
    assert done.lines[0] == f"{address} is banned: 2 bans cover it."
    assert any(line.startswith(f"{wide} ({'2^64' if ':' in wide else '256'} addresses) is") for line in done.lines)
    assert "  reason      second" in done.lines
    assert any(line.endswith("  first") and "unban/root" in line for line in done.lines)
    assert f"  list `site` declares {wide}: take it out there, or whitelist {address}" in done.lines
    console.run("whitelist", "add", wide, "--list", "operator")
    assert console.run("bans", "--why", address).lines[0].startswith(f"{address} gets through")


def test_the_hosts_own_address_is_never_banned(console: Console) -> None:
    done = console.run("bans", "--why", "198.51.100.10")
    assert done.lines[0] == "198.51.100.10 gets through, and is never banned."
    assert "of this host" in done.lines[3]
