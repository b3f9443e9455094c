# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List files: what a line may be, and what is said of one that is none."""

from __future__ import annotations

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._until import parse_until
from ansible_collections.stockade.fleet.plugins.plugin_utils._list_file import parse

FEBRUARY = 1_801_440_000  # 2027-02-01T00:00:00Z


def entries(text: str | bytes) -> list[object]:
    return list(parse(text.encode() if isinstance(text, str) else text, "l.txt", "reason").entries)


def complaint(text: str | bytes) -> str:
    with pytest.raises(StockadeError) as caught:
        entries(text)
    return str(caught.value)


def test_a_permanent_entry_carries_its_reason_and_its_end() -> None:
    """AH28 DH17: a permanent list is explicit, with reason and end; DH8: the last line may end with the file."""
    assert entries("203.0.113.9 # flood\n198.51.100.0/24 until=2027-01-31 # seen in # the log\n2001:db8::1") == [
        {"network": "203.0.113.9", "reason": "flood"},
        {"network": "198.51.100.0/24", "expires_at": FEBRUARY, "reason": "seen in # the log"},
        "2001:db8::1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.9\n198.51.100.0/24\n",
        "\ufeff203.0.113.9\r\n198.51.100.0/24\r\n",
        "\ufeff# a list\r203.0.113.9\r198.51.100.0/24\r",
        "# a list\n\n  203.0.113.9\t\n   # nothing\n198.51.100.0/24",
        "203.0.113.9\n203.0.113.9\n198.51.100.0/24\n203.0.113.9 #\n",
    ],
    ids=[
        "plain",
        "byte order mark and carriage returns",
        "carriage returns alone",
        "comments and blanks",
        "repeated lines",
    ],
)
def test_the_same_networks_are_the_same_entries(text: str) -> None:
    """D15: the same ban twice is one."""
    assert entries(text) == ["203.0.113.9", "198.51.100.0/24"]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("203.0.113.9/32", "203.0.113.9"),
        ("0.0.0.0/0", "0.0.0.0/0"),  # well-formed; what may be banned is the warden's to say
    ],
)
def test_networks_are_canonical_and_know_their_line(text: str, network: str) -> None:
    """DH3 CH8: IPv6 has one form, so that no entry is there twice."""
    found = parse(b"# one\n" + text.encode(), "l.txt", "reason")
    assert found.entries == [network]
    assert found.lines == {network: 2}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("www.example.org", "host names are not allowed"),
        ("--help", "host names are not allowed"),
        ("$(touch x)", "not an address or network"),
        ("203.0.113.010", "without leading zeros"),
        ("203.0.113.256", "numbers are 0 to 255"),
        ("203.0.113.9/24", "did you mean 203.0.113.0/24?"),
        ("203.0.113.0/33", "prefix length is too long"),
        ("203.0.113.0/255.255.255.0", "must be a prefix length"),
        ("203.0.113.0/", "must be a prefix length"),
        ("203.0.113.0/٢٤", "must be a prefix length"),
        ("fe80::1%eth0", "zone ids are not allowed"),
        ("203.0.113.9,203.0.113.10", "not an address"),
        ("203.0.113.9 203.0.113.10", "behind the network only until="),
        ("203.0.113.9 until=2027-02-30", "no such day"),
        ("203.0.113.9 until=tomorrow", "is not a day or a time in UTC"),
        ("203.0.113.9 until=2027-01-31 until=2027-01-31", "behind the network only until="),
        ("203.0.113.9 # " + "x" * 201, "the comment has 201 characters (at most 200)"),
    ],
)
def test_a_line_that_is_no_entry_is_named_with_its_reason(line: str, reason: str) -> None:
    """BH9 CH8 DH7: nothing but addresses; text that a shell or another program would read is refused."""
    said = complaint("# fine\n203.0.113.1\n%s\n203.0.113.2\n" % line)
    assert said.startswith("l.txt, line 3: %s" % line[:70])
    assert reason in said


@pytest.mark.parametrize("char", ["\x1b", "\0", "\u202e", "\u2028", "\x0c"])
def test_what_cannot_be_seen_is_shown_as_an_escape(char: str) -> None:
    said = complaint("203.0.113.9%s[2Jx" % char)
    assert char not in said
    assert char.encode("unicode_escape").decode() in said


def test_a_long_line_is_shortened() -> None:
    assert len(complaint("x" * 10_000)) < 300


def test_one_network_wanted_in_two_ways_names_both_lines() -> None:
    for other in ("2001:DB8::1 # b", "2001:db8::1", "2001:db8:0::1 until=2027-01-31 # a"):
        said = complaint("203.0.113.9\n2001:db8::1 # a\n\n%s\n" % other)
        assert "lines 2 and 4 name 2001:db8::1" in said


def test_a_file_in_another_encoding_says_where() -> None:
    assert complaint("203.0.113.9\n203.0.113.10 # Büro\n".encode("latin-1")).startswith("l.txt, line 2: not UTF-8 text")
    assert "not UTF-8 text" in complaint("203.0.113.9\n".encode("utf-16"))


def test_an_empty_file_is_an_empty_list() -> None:
    assert entries("") == entries("\n# nothing yet\n") == []


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2027-01-31", FEBRUARY),
        ("2027-01-31T12:00:00Z", FEBRUARY - 43200),
        ("2027-01-31T12:00Z", FEBRUARY - 43200),
        ("2027-01-31 12:00:00+00:00", FEBRUARY - 43200),  # what YAML makes of a time that is not quoted
        ("2027-01-31T12:00:00", FEBRUARY - 43200),
    ],
)
def test_a_day_is_the_last_one_and_a_time_is_the_end(text: str, epoch: int) -> None:
    assert parse_until(text) == epoch


@pytest.mark.parametrize(
    "value", ["2027-01-31T12:00:00+02:00", "31.01.2027", "2027-1-31", "9999-12-31", "", 20270131, None]
)
def test_any_other_end_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse_until(value)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    """A comment ends with its line, whatever ends that: nothing behind it gets lost in it."""
    for end in ("\n", "\r\n", "\r"):
        assert complaint(f"203.0.113.9 # 1{end}203.0.113.10 # 2{end}nonsense{end}").startswith("l.txt, line 3: ")
        for mark in ("", "\ufeff"):
            assert "line 3: not UTF-8" in complaint(f"{mark}203.0.113.9{end}# é{end}".encode() + b"\xfc")
