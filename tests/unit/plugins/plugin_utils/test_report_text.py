# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text on its way to a terminal or a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import (
    bounded,
    clean,
    csv_cell,
    csv_text,
    iso,
    table,
    visible,
    width,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("a\tb\x1b[31m\x07", "a\\tb\\x1b[31m\\x07"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028break", "line\\u2028break"),
        ("no\xa0break", "no break"),
        ("Zürich 日本", "Zürich 日本"),
    ],
)
def test_invisible_characters_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_clean_bounds_and_can_be_encoded() -> None:
    assert clean("x" * 500, limit=10) == "x" * 9 + "…"
    assert clean("x" * 10, limit=10) == "x" * 10
    assert clean("\ud800") == "?"
    assert [clean(value) for value in (None, True, [], {}, 5)] == ["", "", "", "", "5"]


def test_width_counts_columns() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert bounded("日本語", 5) == "日本…"
    assert bounded("abc", 3) == "abc"


def test_table_aligns_and_ends_without_blanks() -> None:
    lines = table(("address", "why"), [("192.0.2.1", ""), ("日", "x" * 50)], (20, 10))
    assert lines == ["ADDRESS    WHY", "---------  ----------", "192.0.2.1", "日         xxxxxxxxx…"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        "a;=1+1",
        "a,@x",
        '"=1',
        "\uff1dcmd",
        "=cmd|' /C calc'!A0",
    ],
)
def test_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["203.0.113.9", "2001:db8::1", "::1", "2026-11-20T11:13:29Z", "fail2ban/sshd", ""])
def test_what_is_no_formula_stays(text: str) -> None:
    assert csv_cell(text) == text


def test_separators_that_cannot_be_seen_are_gone_before_a_formula() -> None:
    assert csv_cell("\t=1") == "\\t=1"


def test_csv_can_be_read_back() -> None:
    text = csv_text(("a", "b"), [('say "hi", you', "two\nlines")])
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ['say "hi", you', "two\\nlines"]]


def test_iso_is_utc_and_never_raises() -> None:
    assert iso(1_795_173_209) == "2026-11-20T11:13:29Z"
    assert [iso(value) for value in (None, True, "5", 1e30, float("nan"))] == [""] * 5
