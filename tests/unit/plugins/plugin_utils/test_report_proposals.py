# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permanent bans that are proposed, and those that never are."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_proposals import snippet

NOW = 1_795_173_209


def facts(*networks: str, until: int | None = NOW + 600, whitelist: Any = ()) -> dict[str, Any]:
    rows = [
        {"network": text, "source": "operator", "reason": "<b>", "banned_at": NOW, "expires_at": until}
        for text in networks
    ]
    return {"schema": 1, "bans": json.dumps(rows), "whitelist": json.dumps(list(whitelist))}


def proposed(hosts: dict[str, Any], **options: Any) -> list[str]:
    return [one["network"] for one in merge(hosts, now=NOW, **options)["proposals"]]


def test_address_that_several_hosts_have_banned() -> None:
    hosts = {
        "a": facts("203.0.113.1", "203.0.113.2"),
        "b": facts("203.0.113.1", "203.0.113.2"),
        "c": facts("203.0.113.1"),
    }
    report = merge(hosts, now=NOW)
    assert report["proposals"] == [
        {"network": "203.0.113.1", "addresses": 1, "hosts": 3, "reason": "banned on 3 hosts"}
    ]
    assert proposed(hosts, min_hosts=2) == ["203.0.113.1", "203.0.113.2"]
    assert proposed(hosts, min_hosts=0) == []


@pytest.mark.parametrize(
    ("pattern", "network"), [("203.0.113.%d", "203.0.113.0/24"), ("2001:db8:1:2::%d", "2001:db8:1:2::/64")]
)
def test_network_with_many_banned_addresses(pattern: str, network: str) -> None:
    seven, eight = ([pattern % number for number in range(1, last)] for last in (8, 9))
    assert proposed({"a": facts(*seven)}) == []
    report = merge({"a": facts(*eight[:5]), "b": facts(*eight[3:])}, now=NOW)
    assert report["proposals"] == [
        {"network": network, "addresses": 8, "hosts": 2, "reason": "8 addresses banned on 2 hosts"}
    ]
    assert proposed({"a": facts(*seven)}, min_addresses=7) == [network]
    assert proposed({"a": facts(*eight)}, min_addresses=0) == []


def test_addresses_of_a_proposed_network_are_not_proposed_as_well() -> None:
    texts = [f"203.0.113.{number}" for number in range(1, 10)] + ["198.51.100.1"]
    assert proposed({name: facts(*texts) for name in "abc"}) == ["203.0.113.0/24", "198.51.100.1"]


def test_network_that_hosts_have_banned_is_proposed_once() -> None:
    texts = [f"203.0.113.{number}" for number in range(1, 10)] + ["203.0.113.0/24"]
    assert proposed({name: facts(*texts) for name in "abc"}) == ["203.0.113.0/24"]


def test_wide_network_is_for_people_to_decide() -> None:
    assert proposed({name: facts("203.0.0.0/16") for name in "abc"}) == []


@pytest.mark.parametrize("entry", ["203.0.113.200", "203.0.113.0/24", "203.0.0.0/16", "203.0.113.192/26"])
def test_what_touches_a_whitelisted_network_is_never_proposed(entry: str) -> None:
    texts = [f"203.0.113.{number}" for number in range(1, 10)]
    white = [{"network": entry, "expires_at": None}]
    found = proposed({"a": facts(*texts), "b": facts(whitelist=white)})
    assert found == []
    assert proposed({"a": facts(*texts)}, spare=[entry, "web1.example.net", None]) == []
    over = [{"network": entry, "expires_at": NOW - 1}]
    assert proposed({"a": facts(*texts), "b": facts(whitelist=over)}) == ["203.0.113.0/24"]


def test_addresses_beside_a_whitelisted_one_are_proposed_singly() -> None:
    texts = [f"203.0.113.{number}" for number in range(1, 10)]
    white = [{"network": "203.0.113.9", "expires_at": None}]
    found = proposed({name: facts(*texts, whitelist=white) for name in "abc"})
    assert found == [f"203.0.113.{number}" for number in range(1, 9)]


@pytest.mark.parametrize(
    "pattern",
    ["10.0.0.%d", "172.31.9.%d", "192.168.1.%d", "100.64.0.%d", "127.0.0.%d", "169.254.1.%d", "224.0.0.%d", "0.0.0.%d",
     "fe80::%d", "fd00::%d", "ff02::%d"],
)  # fmt: skip
def test_private_and_reserved_networks_are_never_proposed(pattern: str) -> None:
    assert proposed({name: facts(*[pattern % number for number in range(1, 10)]) for name in "abc"}) == []


@pytest.mark.parametrize(
    ("pattern", "network"),
    [("64:ff9b::203.0.113.%d", "64:ff9b::/64"), ("64:ff9b:1:2::%d", "64:ff9b:1:2::/64"), ("2001::%d", "2001::/64")],
)
def test_network_that_many_parties_share_is_never_proposed(pattern: str, network: str) -> None:
    """A /64 of NAT64 is all of IPv4. An address in it is one party's, though."""
    texts = [pattern % number for number in range(1, 10)]
    assert proposed({"a": facts(*texts)}) == []
    assert len(proposed({name: facts(*texts, network) for name in "abc"})) == len(texts)


def test_what_is_permanent_already_is_not_proposed() -> None:
    texts = [f"203.0.113.{number}" for number in range(1, 10)]
    hosts = {name: facts(*texts) for name in "abc"}
    assert proposed({**hosts, "d": facts("203.0.113.0/24", until=None)}) == []
    assert proposed({name: facts("203.0.113.1", until=None) for name in "abc"}) == []


def test_snippet_is_what_the_role_takes() -> None:
    hosts = {name: facts("203.0.113.1", "2001:db8::1") for name in "abc"}
    assert yaml.safe_load(snippet(merge(hosts, now=NOW))) == {
        "stockade_permanent_bans": [
            {"network": "2001:db8::1", "reason": "banned on 3 hosts, 2026-11-20"},
            {"network": "203.0.113.1", "reason": "banned on 3 hosts, 2026-11-20"},
        ]
    }
    assert yaml.safe_load(snippet(merge({}, now=NOW))) == {"stockade_permanent_bans": []}


def test_there_are_no_more_than_people_read() -> None:
    texts = [f"198.51.{third}.{fourth}" for third in range(99) for fourth in (1, 2, 3)]
    assert len(proposed({name: facts(*texts) for name in "abc"})) == 200
