# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is an address and what is not, and arithmetic with networks, with `ipaddress` as the judge."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from stockade.addresses import (
    NEVER_BANNED,
    PRIVATE,
    Network,
    NetworkIndex,
    between,
    from_packed,
    merged,
    parse_network,
)

set_hypothesis_home_dir(Path(__file__).resolve().parents[2] / "build" / "hypothesis")
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
PROPERTY = settings(database=None, deadline=None, derandomize=True, max_examples=200)
BITS = {4: 32, 6: 128}


# Texts


def as_judged(text: str) -> IpNetwork | None:
    """What `ipaddress` makes of a text, where the house is not stricter; None if it is no network."""
    _address, slash, prefix = text.partition("/")
    if "%" in text or (slash and not re.fullmatch("0|[1-9][0-9]*", prefix, re.ASCII)):
        return None
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def complaint(text: object) -> str:
    with pytest.raises(ValueError) as caught:
        parse_network(text)
    return str(caught.value)


def check(text: str) -> None:
    """`parse_network` and the judge say the same of this text."""
    judged = as_judged(text)
    if judged is None:
        said = complaint(text)
        assert said.count(": ") >= 1
        assert said.isascii()
    else:
        assert str(parse_network(text)) == canonical(judged)


def canonical(network: IpNetwork) -> str:
    """The text the house shows: without a prefix where it is one address, IPv6 as libc writes it."""
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    address = socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


@st.composite
def ip_networks(draw: Any, version: int | None = None) -> IpNetwork:
    """Networks close to one another, or every test of `inside` and `around` would be of strangers."""
    version = version or draw(st.sampled_from((4, 6)))
    bits = BITS[version]
    base = int(ipaddress.ip_address("203.0.113.0" if version == 4 else "2001:db8::"))
    number = draw(st.one_of(st.integers(0, (1 << bits) - 1), st.integers(base, base + 255), st.just(0xFFFF << 32)))
    prefixlen = draw(st.one_of(st.integers(0, bits), st.integers(bits - 8, bits)))
    number &= (1 << bits) - 1
    packed = (number >> bits - prefixlen << bits - prefixlen).to_bytes(bits // 8, "big")
    return ipaddress.ip_network((packed, prefixlen))


@st.composite
def spellings(draw: Any) -> str:
    """A network in one of the ways it can be written."""
    network = draw(ip_networks())
    address = draw(
        st.sampled_from((str(network.network_address), network.network_address.exploded, canonical(network)))
    ).partition("/")[0]
    if network.version == 6 and draw(st.booleans()):
        high, low = network.network_address.exploded[:30], int(network.network_address) & 0xFFFFFFFF
        address = high + str(ipaddress.IPv4Address(low))
    bare = network.prefixlen == network.max_prefixlen and draw(st.booleans())
    text = address if bare else f"{address}/{network.prefixlen}"
    return str(draw(st.sampled_from((text, text.upper()))))


@st.composite
def misspellings(draw: Any) -> str:
    """A network's text with some characters put in, taken out or replaced."""
    text = draw(spellings())
    for _number in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        put_in = draw(st.sampled_from("0123456789abcdefgx:./%-+ _\t\n\0\u00b2\u0661\ud800"))
        text = text[:place] + draw(st.sampled_from(("", put_in))) + text[place + draw(st.integers(0, 1)) :]
    return str(text)


@PROPERTY
@given(spellings())
def test_every_spelling_of_a_network_is_that_network(text: str) -> None:
    assert as_judged(text) is not None
    check(text)


@PROPERTY
@given(st.one_of(misspellings(), st.text(max_size=30)))
@example("::ffff:0:0/96")
@example("::ffff:203.0.113.9/127")
@example("::/96")
@example("1:2:3:4::5:6:7:8")
@example("203.0.113.0/" + "9" * 5000)
@example("203.0.113.9/")
@example("/24")
@example("")
def test_ah17_what_the_judge_refuses_is_refused_with_a_reason(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("web1.example.com", "host names are not allowed"),
        ("203.0.113.9/24", "host bits set (did you mean 203.0.113.0/24?)"),
        ("2001:db8::9/64", "host bits set (did you mean 2001:db8::/64?)"),
        ("203.0.113.010", "without leading zeros"),
        ("203.0.113.256", "numbers are 0 to 255"),
        ("203.0.113", "not an address or network"),
        ("3405803785", "not an address or network"),
        ("0x7f.0.0.1", "not an address or network"),
        ("2001:db8::9%eth0", "zone ids are not allowed"),
        ("203.0.113.0/255.255.255.0", "must be a prefix length"),
        ("203.0.113.0/024", "must be a prefix length"),
        ("203.0.113.0/+24", "must be a prefix length"),
        ("203.0.113.0/", "must be a prefix length"),
        ("203.0.113.0/33", "prefix length is too long"),
        ("2001:db8::/129", "prefix length is too long"),
        ("203.0.113.0/24/24", "must be a prefix length"),
        (None, "'None' is not an address"),
        (3405803785, "is not an address"),
        (b"203.0.113.9", "is not an address"),
    ],
)
def test_dh17_each_mistake_has_its_own_reason(text: object, reason: str) -> None:
    assert reason in complaint(text)


@pytest.mark.parametrize("text", ["203.0.113.9\n", "\x1b]0;x\x07", "\u202e203.0.113.9", "a\r\nb", "x\x7f"])
def test_a_complaint_shows_what_cannot_be_seen(text: str) -> None:
    assert complaint(text).isprintable()


def test_a_complaint_is_short_however_long_the_text() -> None:
    assert len(complaint("9" * 100_000)) < 300


# Arithmetic


def house(network: IpNetwork) -> Network:
    return from_packed(network.network_address.packed, network.prefixlen)


def judge(network: Network) -> IpNetwork:
    return ipaddress.ip_network((network.packed, network.prefixlen))


@PROPERTY
@given(ip_networks(), st.data())
def test_a_network_is_what_the_judge_says(network: IpNetwork, data: Any) -> None:
    ours = house(network)
    assert (ours.last, ours.max_prefixlen) == (int(network.broadcast_address), network.max_prefixlen)
    assert ours.packed == network.network_address.packed
    assert ipaddress.ip_address(ours.netmask) == network.netmask
    assert str(ours) == canonical(network)
    if not (network.version == 6 and as_judged(str(network)) != network):
        assert parse_network(str(ours)) == ours
    prefixlen = data.draw(st.integers(0, network.prefixlen))
    assert judge(ours.supernet(prefixlen)) == network.supernet(new_prefix=prefixlen)
    around = [network.supernet(new_prefix=length) for length in range(network.prefixlen, -1, -1)]
    assert [judge(one) for one in ours.supernets()] == around


@PROPERTY
@given(st.lists(ip_networks(4), max_size=12), st.lists(ip_networks(6), max_size=12))
def test_merged_is_the_fewest_networks(four: list[IpNetwork], six: list[IpNetwork]) -> None:
    for networks in (four, six):
        collapsed = list(ipaddress.collapse_addresses(networks))  # type: ignore[type-var]
        assert [judge(one) for one in merged(map(house, networks))] == collapsed


@PROPERTY
@given(ip_networks(), st.data())
def test_between_is_every_address_from_the_first_to_the_one_before(network: IpNetwork, data: Any) -> None:
    low = int(network.network_address)
    size = network.max_prefixlen // 8
    behind = data.draw(st.one_of(st.none(), st.integers(low + 1, (1 << network.max_prefixlen)))) or 0
    behind %= 1 << network.max_prefixlen
    found = between(low.to_bytes(size, "big"), behind.to_bytes(size, "big") if behind else None)
    assert found[0].first == low
    assert found[-1].last == (behind or 1 << network.max_prefixlen) - 1
    for before, after in zip(found, found[1:], strict=False):
        assert after.first == before.last + 1


@PROPERTY
@given(st.lists(ip_networks(), max_size=25), ip_networks())
def test_b31_the_index_finds_what_a_walk_through_all_finds(networks: list[IpNetwork], asked: IpNetwork) -> None:
    index = NetworkIndex(map(house, networks))
    same = [one for one in networks if one.version == asked.version]
    around = sorted((one for one in same if asked.subnet_of(one)), key=lambda one: one.prefixlen)  # type: ignore[arg-type]
    inside = sorted({one for one in same if one.subnet_of(asked) and one != asked})  # type: ignore[arg-type,type-var]
    found = index.around(house(asked))
    assert (None if found is None else judge(found)) == (around[0] if around else None)
    assert [judge(one) for one in index.inside(house(asked))] == inside


@PROPERTY
@given(ip_networks())
def test_what_is_never_banned_and_what_is_private_is_so_for_the_judge(network: IpNetwork) -> None:
    address = network.network_address
    if NetworkIndex(NEVER_BANNED).around(from_packed(address.packed)):
        broadcast = str(address) == "255.255.255.255"
        assert (
            address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified or broadcast
        )
    if NetworkIndex(PRIVATE).around(from_packed(address.packed)):
        assert not address.is_global
