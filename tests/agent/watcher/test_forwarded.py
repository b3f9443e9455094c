# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X-Forwarded-For: believed from trusted proxies only, and never at a proxy's expense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.clients import FORWARDED, SPARED, Clients
from stockade.watcher.formats.forwarded import Forwarded, without_port

TRUSTED = ("192.0.2.0/28", "2001:db8:aa::/48")
PROXY = b"192.0.2.1"


def make(trusted: tuple[str, ...] = TRUSTED, kinds: tuple[str, ...] = ("address",)) -> Forwarded:
    return Forwarded(Clients(own=[], kinds=kinds), trusted)


def behind(*keys: str) -> tuple[str, ...]:
    return tuple(key + FORWARDED for key in keys)


@pytest.mark.parametrize("header", [b"198.51.100.7", b"", b"-", b"192.0.2.1", b"unknown", b"a" * 9000])
def test_ah13_the_header_of_a_peer_that_is_not_listed_is_ignored(header: bytes) -> None:
    assert make().client(b"203.0.113.9", header) == ("203.0.113.9",)
    assert make().is_forwarded(b"203.0.113.9") is False


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (b"198.51.100.7,203.0.113.9 ,192.0.2.2,  192.0.2.3", "203.0.113.9"),
        (b"unknown, _hidden, 198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9:1234", "203.0.113.9"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"203.0.113.9, 192.0.2.2:80, [2001:db8:aa::5]:80", "203.0.113.9"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9, ::ffff:192.0.2.2", "203.0.113.9"),
    ],
)
def test_ah13_behind_a_trusted_proxy_the_first_other_hop_from_the_right_is_the_client(
    header: bytes, client: str
) -> None:
    assert make().client(PROXY, header) == behind(client)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"-",
        b" ",
        b",",
        b"192.0.2.2",
        b"192.0.2.2, 2001:db8:aa::1",
        b"203.0.113.9, unknown",
        b"203.0.113.9, _hidden, 192.0.2.2",
        b"203.0.113.9,",
        b"203.0.113.9, 192.0.2.2,, 192.0.2.3",
        b"203.0.113.9 198.51.100.7",
        b"203.0.113.9:x",
        b"203.0.113.9:123456",
        b"203.0.113.9:80:80",
        b"[203.0.113.9]:80",
        b"[2001:db8::1",
        b"[2001:db8::1]443",
        b"2001:db8::1%eth0",
        b"203.0.113.09",
        b"203.0.113.0/24",
        b"127.0.0.1",
        b"203.0.113.9, fe80::1",
        b"\xff\xfe",
        b"a," * 3000 + b"203.0.113.9",
    ],
)
def test_ah13_the_proxy_is_never_banned_for_a_header_that_does_not_say_who_it_was(header: bytes) -> None:
    assert make().client(PROXY, header) == SPARED


def test_ah13_peers_may_be_written_as_mapped_or_in_any_case() -> None:
    for peer in (b"::ffff:192.0.2.1", b"2001:DB8:AA:0::1"):
        assert make().is_forwarded(peer)
        assert make().client(peer, b"203.0.113.9") == behind("203.0.113.9")
        assert make().client(peer, b"") == SPARED
    assert Forwarded(Clients(own=[]), ["::ffff:192.0.2.0/124"]).is_forwarded(PROXY)


def test_ah13_a_key_never_holds_a_trusted_proxy() -> None:
    forwarded = make(("192.0.2.1", "2001:db8::1"), kinds=("ipv6/64", "ipv4/24"))
    assert forwarded.client(b"192.0.2.99", b"") == ("192.0.2.99", "192.0.2.99")
    assert forwarded.client(b"::ffff:192.0.2.99", b"") == ("192.0.2.99", "192.0.2.99")
    assert forwarded.client(b"2001:db8::0:99", b"") == ("2001:db8::99", "2001:db8::99")
    assert forwarded.client(b"192.0.2.1", b"2001:db8::99") == behind("2001:db8::99", "2001:db8::99")
    assert forwarded.client(b"2001:db8:0:1::99", b"") == ("2001:db8:0:1::/64", "2001:db8:0:1::/64")
    assert forwarded.client(b"203.0.113.9", b"") == ("203.0.113.9", "203.0.113.0/24")


@pytest.mark.parametrize("peer", [b"", b"-", b"client.example", b"unix:", b"192.0.2.1 ", b"192.0.2.300", b"\xff"])
def test_ah17_a_peer_that_is_no_address_is_nobody(peer: bytes) -> None:
    assert make().client(peer, b"203.0.113.9") is None
    assert not make().is_forwarded(peer)


def test_the_memory_is_bounded_and_can_be_dropped() -> None:
    clients = Clients(own=[])
    forwarded = Forwarded(clients, TRUSTED)
    for number in range(20_000):
        forwarded.client(PROXY, b"x%d, 203.0.113.9" % number)
    forwarded.client(PROXY, b"x" * 4000 + b", 203.0.113.9")
    assert len(forwarded._known) <= 8192
    assert max(len(header) for _peer, header in forwarded._known) <= 256
    assert forwarded.client(PROXY, b"2001:db8:1:2::9") == behind("2001:db8:1:2::/64")
    clients.refresh(own=["2001:db8:1:2::1"])
    forwarded.forget()
    assert forwarded.client(PROXY, b"2001:db8:1:2::9") == behind("2001:db8:1:2::9")


@given(st.binary(max_size=60), st.binary(max_size=200))
def test_no_bytes_raise(peer: bytes, header: bytes) -> None:
    forwarded = make()
    forwarded.client(peer, header)
    forwarded.client(PROXY, header)
    without_port(header)


@given(st.binary(max_size=100))
def test_ah13_what_stands_left_of_the_client_changes_nothing(left: bytes) -> None:
    assert make().client(PROXY, left + b", 203.0.113.9, 192.0.2.2") == behind("203.0.113.9")
