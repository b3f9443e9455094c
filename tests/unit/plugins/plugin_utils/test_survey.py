# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of a form: what they may say, and what is said of those that say something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils import _survey

GROUPS = {"all": ["web1", "web2", "2001:db8::7"], "web": ["web1", "web2"], "ungrouped": ["2001:db8::7"], "db": []}


def networks(text: Any) -> list[str]:
    return _survey.networks(text, "field", widest_ipv4=24, widest_ipv6=48, most=1000)


def complaint(text: Any) -> str:
    with pytest.raises(StockadeError) as caught:
        networks(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.9,198.51.100.0/24,2001:db8::1",
        "203.0.113.9 198.51.100.0/24\t2001:db8::1",
        "203.0.113.9\n198.51.100.0/24\n2001:db8::1\n",
        "203.0.113.9\r\n198.51.100.0/24\r\n2001:db8::1\r\n",
        "  203.0.113.9,, 198.51.100.0/24 # office, 192.0.2.1\n# 192.0.2.2\n\n2001:DB8:0::1",
        "203.0.113.9 203.0.113.9/32 ::ffff:203.0.113.9\n198.51.100.0/24,2001:db8::1",
        ["203.0.113.9", "198.51.100.0/24 # office", "2001:db8::1"],
    ],
)
def test_a_text_is_a_list(text: Any) -> None:
    """Lines as browsers and files send them, commas, blanks, comments; each network once, in its canonical form."""
    assert networks(text) == ["203.0.113.9", "198.51.100.0/24", "2001:db8::1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.1\n198.51.100.0/23", "field, line 2: 198.51.100.0/23: wider than /24,"),
        ("2001:db8::/47", "field, line 1: 2001:db8::/47: wider than /48,"),
        ("0.0.0.0/0", "field, line 1: 0.0.0.0/0: wider than /24,"),
        ("::/0", "field, line 1: ::/0: wider than /48,"),
        ("::ffff:198.51.0.0/112", "field, line 1: ::ffff:198.51.0.0/112: wider than /24,"),
        ("192.0.2.1\n\nweb1", "field, line 3: web1: not an address or network"),
        ("198.51.100.7/24", "field, line 1: 198.51.100.7/24: host bits set (did you mean 198.51.100.0/24?)"),
        ("192.0.2.01", "field, line 1: 192.0.2.01: not an address"),
        ("fe80::1%eth0", "field, line 1: fe80::1%eth0: zone ids"),
        ("192.0.2.1;192.0.2.2", "field, line 1: 192.0.2.1;192.0.2.2: not an address"),
        ("192.0.2.\u0661", "field, line 1: 192.0.2.\u0661: not an address"),
        ("{{ lookup('pipe', 'touch x') }}", "field, line 1: {{ lookup('pipe', 'touch x') }}: templates are not"),
        ("192.0.2.1\n{% set a = 1 %}", "field, line 2: {% set a = 1 %}: templates are not"),
        ("", "field: names no address"),
        (" \n# nothing\n,", "field: names no address"),
        ([], "field: names no address"),
        ({"a": 1}, "field: a text is needed, not dict"),
        (["192.0.2.1", 5], "field: a text is needed, not list"),
        (True, "field: a text is needed, not bool"),
        (7, "field, line 1: 7: not an address"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: Any, said: str) -> None:
    """AH19: addresses are parsed, never matched; the error names the variable, the line, the entry and the reason."""
    assert complaint(text).startswith(said)


def test_at_most_a_thousand_networks_and_a_bounded_text() -> None:
    thousand = [f"198.18.{number // 250}.{number % 250}" for number in range(1000)]
    assert networks(",".join(thousand)) == thousand
    assert networks("\n".join(thousand * 3)) == thousand
    assert complaint("\n".join([*thousand, "192.0.2.1"])).startswith("field: 1001 networks, at most 1000")
    assert complaint("#" * 100_001).startswith("field: 100001 characters, at most 100000")


def test_without_limits_only_a_network_is_needed() -> None:
    """What was banned with other limits must be possible to lift."""
    assert _survey.networks("198.18.0.0/15 2001:db8::/32", "field") == ["198.18.0.0/15", "2001:db8::/32"]


@given(st.text(alphabet=st.sampled_from("0123456789abcdef.:/,\n\r #{}%'\x00\u202e\x85\u2028")))
def test_any_text_is_networks_within_the_limits_or_one_visible_line_of_complaint(text: str) -> None:
    try:
        found = networks(text)
    except StockadeError as error:
        assert str(error).isprintable()
    else:
        assert found
        assert all(int(net.rpartition("/")[2]) >= (48 if ":" in net else 24) for net in found if "/" in net)


@pytest.mark.parametrize(
    "pattern",
    [
        "all",
        "web",
        "web1,web2",
        "web,!web2",
        "web,&all",
        "web*",
        "w?b1",
        "web[0]",
        "web[0:1]",
        "web[-1]",
        "db",
        "2001:db8::7",
        "nothing-like*",
        "web[12]",
    ],
)
def test_host_patterns_of_the_inventory_are_taken(pattern: str) -> None:
    assert _survey.hosts(pattern, "field", GROUPS) == pattern


@pytest.mark.parametrize("pattern", [" web1 , !web2 ", "web1:!web2", "web1 !web2", "web1\n!web2\n", ["web1", "!web2"]])
def test_parts_of_a_pattern_stand_apart_as_people_write_them(pattern: Any) -> None:
    assert _survey.hosts(pattern, "field", GROUPS) == "web1,!web2"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("localhost", "field: localhost: no group and no host of the inventory"),
        ("web,127.0.0.1", "field: 127.0.0.1: no group and no host"),
        ("::1", "field: ::1: no group and no host"),
        ("!localhost", "field: localhost: no group and no host"),
        ("web9", "field: web9: no group and no host"),
        ("web[0],web9[0]", "field: web9[0]: no group and no host"),
        ("~web.*", "field: ~web.*: not a host pattern"),
        ("@/etc/passwd", "field: @/etc/passwd: not a host pattern"),
        ("web;id", "field: web;id: not a host pattern"),
        ("web -e x=1", "field: -e: no group and no host"),
        ("web x=1", "field: x=1: not a host pattern"),
        ("{{ lookup('pipe', 'touch x') }}", "field: {{ lookup('pipe', 'touch x') }}: templates are not"),
        ("web\x00", "field: web\\x00: not a host pattern"),
        (",", "field: ,: not a host pattern"),
        ("w" * 2001, "field: 2001 characters, at most 2000"),
        ({}, "field: a text is needed, not dict"),
    ],
)
def test_nothing_but_the_inventory_is_reached(pattern: Any, said: str) -> None:
    """A name that is not there is an error, and the machine that Ansible runs on is in no inventory."""
    with pytest.raises(StockadeError) as caught:
        _survey.hosts(pattern, "field", GROUPS)
    assert str(caught.value).startswith(said)


def test_an_inventory_without_hosts_has_no_names() -> None:
    """Where only the syntax is checked; this machine is out of reach there, too."""
    assert _survey.hosts("web,!db", "field", {"all": [], "ungrouped": []}) == "web,!db"
    for pattern in ("localhost", "web,127.0.0.1", "::1", "localhost[0]", "web,!127.0.0.1[0:0]"):
        with pytest.raises(StockadeError, match="no group and no host"):
            _survey.hosts(pattern, "field", {"all": [], "ungrouped": []})


def test_localhost_is_a_host_where_the_inventory_has_it() -> None:
    assert _survey.hosts("localhost", "field", {"all": ["localhost"]}) == "localhost"


@pytest.mark.parametrize("text", ["10m", "1d12h", "3600", "permanent", 3600])
def test_durations(text: Any) -> None:
    assert _survey.duration(text, "field") == str(text)


@pytest.mark.parametrize("text", ["soon", "1 d", "-1d", "1d;", "1y", "\u0661d", "{{ 1 }}", "1d\n2d", "9" * 41, 1.5])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(StockadeError, match="^field: "):
        _survey.duration(text, "field")


@pytest.mark.parametrize("text", ["flood", "seen at 03:00, {{ really }}", "ü" * 200])
def test_a_line_is_taken_as_it_is(text: str) -> None:
    assert _survey.line(f"  {text} ", "field") == text


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2Jb", "a\u202eb", "a\x00", "a\u2028b", "x" * 201])
def test_a_line_is_one_line_of_visible_text(text: str) -> None:
    """AH23: nothing in a reason can forge a row or drive a terminal."""
    with pytest.raises(StockadeError, match="^field: ") as caught:
        _survey.line(text, "field")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["operator", "site.offices", "A-1_b"])
def test_names(text: str) -> None:
    assert _survey.list_name(text, "field") == text


@pytest.mark.parametrize("text", [".hidden", "a b", "a/b", "a" * 65, "{{ x }}"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(StockadeError, match="^field: "):
        _survey.list_name(text, "field")
