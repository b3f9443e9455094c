# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as fail2ban writes them, compared by what they are."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._networks import Covering, keyed, parse, plain


@pytest.mark.parametrize("text", ["host.example.com", "--help", "$(touch x)", "", "203.0.113.9 203.0.113.10"])
def test_ah17_what_is_no_address_is_none(text: str) -> None:
    assert parse(text) is None


def test_one_network_in_two_spellings() -> None:
    assert keyed(["127.0.0.1/8", "2001:DB8::0"]).keys() == keyed(["127.0.0.0/8", "2001:db8::"]).keys()
    assert keyed(["host.example.com"]) == {"host.example.com": "host.example.com"}
    assert [plain(ipaddress.ip_network(text)) for text in ("203.0.113.9/32", "203.0.113.0/24", "2001:db8::1")] == [
        "203.0.113.9",
        "203.0.113.0/24",
        "2001:db8::1",
    ]


def test_covering_looks_at_bits_not_at_text() -> None:
    spared = Covering(ipaddress.ip_network(text) for text in ("203.0.113.5", "198.51.100.0/24", "2001:db8:7::/64"))
    inside = ("203.0.113.5", "198.51.100.51", "198.51.100.128/25", "2001:db8:7::9")
    outside = ("203.0.113.51", "198.51.0.0/16", "2001:db8:7:1::9", "0.0.0.0/0", "::/0")
    assert all(ipaddress.ip_network(text) in spared for text in inside)
    assert not any(ipaddress.ip_network(text) in spared for text in outside)
