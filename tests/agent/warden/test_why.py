# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an address is refused or not: every row, list and rule that decides, what was before, how much was dropped."""

from __future__ import annotations

from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.addresses import Network
from stockade.protocol import ProtocolError
from stockade.warden.callers import SERVICES, STRANGER

WATCHER = SERVICES["stockade-watcher"]


def why(host: Host, address: str, **fields: Any) -> dict[str, Any]:
    return host.ask("why", address=address, **fields)


def test_dh17_a_ban_says_who_when_which_rule_until_when_and_how_much(host: Host) -> None:
    host.ban("203.0.113.9", caller=WATCHER, source="watcher/requests", reason="31 requests", duration="10m", id="r:1")
    host.firewall.dropped = 17
    assert why(host, "203.0.113.9") == {
        "network": "203.0.113.9",
        "verdict": "banned",
        "never": None,
        "whitelist": [],
        "bans": [
            {
                "id": "r:1",
                "network": "203.0.113.9",
                "source": "watcher/requests",
                "origin": "web1",
                "reason": "31 requests",
                "banned_at": NOW,
                "expires_at": NOW + 600,
                "packets": 17,
            }
        ],
        "history": [],
    }


def test_lists_and_networks_around_are_named_narrowest_first(host: Host) -> None:
    host.ask("permanent_bans", list="scanners", entries=[{"network": "203.0.113.0/24", "reason": "since March"}])
    host.ban("203.0.0.0/16", reason="whole provider")
    host.ban("203.0.113.9", duration="10m")
    host.ban("203.0.113.8", "198.51.100.99")
    found = [(row["network"], row["source"], row["reason"]) for row in why(host, "203.0.113.9")["bans"]]
    assert found == [
        ("203.0.113.9", "operator", ""),
        ("203.0.113.0/24", "list/scanners", "since March"),
        ("203.0.0.0/16", "operator", "whole provider"),
    ]
    assert [row["network"] for row in why(host, "203.0.113.128/25")["bans"]] == ["203.0.113.0/24", "203.0.0.0/16"]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:9::1", "::/0", "0.0.0.0/0", "2001:db8::/32"])
def test_nothing_known_of_an_address_is_an_answer(host: Host, address: str) -> None:
    host.ban("203.0.113.9", "2001:db8:8::/48")
    answer = why(host, address)
    assert (answer["verdict"], answer["never"], answer["bans"]) == ("free", None, [])


@pytest.mark.parametrize(
    ("address", "never"),
    [
        ("198.51.100.10", "it is an address of this host"),
        ("2001:db8::10", "it is an address of this host"),
        ("198.51.100.1", "it is a gateway or resolver of this host"),
        ("127.0.0.53", "127.0.0.0/8 is never banned"),
        ("fe80::1", "fe80::/10 is never banned"),
        ("::ffff:127.0.0.1", "127.0.0.0/8 is never banned"),
    ],
)
def test_what_the_host_needs_passes_though_a_network_around_it_is_banned(host: Host, address: str, never: str) -> None:
    host.ban("198.51.100.0/24", "2001:db8::/32")
    answer = why(host, address)
    assert answer["verdict"] == "passes"
    assert never in answer["never"]


def test_b31_every_whitelist_entry_around_is_named(host: Host) -> None:
    host.ban("203.0.113.0/24")
    host.ask("whitelist_set", list="office", entries=[{"network": "203.0.113.7", "comment": "door"}])
    host.ask("whitelist_set", list="site", entries=["203.0.113.0/28", "203.0.113.7", "192.0.2.0/24"])
    answer = why(host, "203.0.113.7")
    assert (answer["verdict"], len(answer["bans"])) == ("passes", 1)
    found = [(entry["network"], entry["list"], entry["comment"]) for entry in answer["whitelist"]]
    assert found == [("203.0.113.0/28", "site", ""), ("203.0.113.7", "office", "door"), ("203.0.113.7", "site", "")]
    assert why(host, "203.0.113.16")["verdict"] == "banned"
    host.ask("whitelist_set", list="site", remove=["203.0.113.0/28", "203.0.113.7"])
    assert why(host, "203.0.113.8")["verdict"] == "banned"
    assert why(host, "203.0.113.7")["verdict"] == "passes"


def test_an_entry_of_the_whitelist_that_ended_lets_nobody_through(host: Host) -> None:
    host.ban("203.0.113.0/24", duration="1d")
    host.ask("whitelist_set", entries=[{"network": "203.0.113.7", "duration": "1h"}])
    assert why(host, "203.0.113.7")["verdict"] == "passes"
    host.wait(3600)
    answer = why(host, "203.0.113.7")
    assert (answer["verdict"], answer["whitelist"]) == ("banned", [])


def test_bh15_the_history_is_of_the_address_and_of_what_contained_it_newest_end_first(host: Host) -> None:
    host.ban("203.0.113.9", duration="10m", reason="one")
    host.now += 700
    host.ban("203.0.113.0/24", "203.0.113.8", "2001:db8:1::9", duration="10m", reason="two")
    host.now += 60
    host.ask("unban", networks=["203.0.113.0/24", "203.0.113.8"])
    host.ban("203.0.113.9", reason="three")
    found = [(row["reason"], row["ended_at"], row["ended_by"]) for row in why(host, "203.0.113.9")["history"]]
    assert found == [("two", NOW + 760, "unban/root"), ("one", NOW + 600, "expired")]


def test_at_most_twenty_of_the_history_are_told(host: Host) -> None:
    for number in range(25):
        host.ban("203.0.113.9", reason=str(number))
        host.ask("unban", networks=["203.0.113.9"])
        host.now += 1
    assert [row["reason"] for row in why(host, "203.0.113.9")["history"]] == [str(n) for n in range(24, 4, -1)]


def test_packets_are_unknown_where_nobody_counts(host: Host) -> None:
    host.ban("203.0.113.9")
    host.firewall.bans = {}
    assert [row["packets"] for row in why(host, "203.0.113.9")["bans"]] == [None]


@pytest.mark.parametrize("address", [None, "", "web1", "203.0.113.9/24", "fe80::1%eth0", 7])
def test_what_is_no_address_has_no_answer(host: Host, address: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        why(host, address)
    assert caught.value.code == "invalid"


def test_a_service_may_ask_and_a_stranger_may_not(host: Host) -> None:
    host.ban("203.0.113.9")
    assert why(host, "203.0.113.9", caller=WATCHER)["verdict"] == "banned"
    with pytest.raises(ProtocolError):
        why(host, "203.0.113.9", caller=STRANGER)


def test_a_large_whitelist_costs_each_question_one_look_at_each_entry(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warden answers one caller at a time: a question must not keep a ban waiting."""
    host.ask("whitelist_set", entries=[f"203.0.{number // 256}.{number % 256}" for number in range(500)])
    counted = 0
    supernet = Network.supernet

    def counting(self: Network, prefixlen: int) -> Network:
        nonlocal counted
        counted += 1
        return supernet(self, prefixlen)

    monkeypatch.setattr(Network, "supernet", counting)
    why(host, "2001:db8:9::1")
    assert counted <= 1000
