# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How answers look: hostile text is visible, columns stand in line, only a terminal gets cuts and colours."""

from __future__ import annotations

from typing import Any

import pytest
from clilab import Console

from stockade.cli.tables import cut, table, width

WIDE = "東京 サーバー ＡＢ cafe\u0301"
HOSTILE = "\x1b[2J\x07\r\n\u202eevil\u2066 \u200b\x9b"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("東京", 4), ("ＡＢ", 4), ("ｱ", 1), ("cafe\u0301", 4), ("é", 1), ("🦀", 2)]
)
def test_the_width_of_text_is_what_a_terminal_gives_it(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("東京東京", 7, "東京東…"), ("東京東京", 6, "東京…")],
)
def test_a_cut_never_takes_more_columns_than_there_are(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
    assert width(shown) <= columns


def test_columns_stand_in_line_behind_wide_characters() -> None:
    lines = table(("name", "note"), [(WIDE, "one"), ("plain", "two"), ("cafe\u0301", "three")])
    assert {width(line[: line.index(note)]) for line, note in zip(lines[1:], ("one", "two", "three"), strict=True)} == {
        width(WIDE) + 2
    }


@pytest.mark.parametrize("words", [["bans"], ["bans", "--why", "203.0.113.9"], ["whitelist"], ["status"]])
def test_hostile_text_is_visible_and_stays_on_its_line(console: Console, words: list[str]) -> None:
    row: dict[str, Any] = {
        "network": "203.0.113.9",
        "source": "watcher/x",
        "origin": HOSTILE,
        "reason": HOSTILE,
        "id": "1",
    }
    row |= {"banned_at": 1, "expires_at": None, "packets": None, "ended_at": 2, "ended_by": HOSTILE}
    entry = {"network": "203.0.113.9", "list": "site", "comment": HOSTILE, "expires_at": None}
    status = console.ask("status") | {"origin": HOSTILE, "problems": [HOSTILE], "warnings": [HOSTILE]}
    console.canned = {
        "bans": {"bans": [row], "total": 1, "truncated": False},
        "why": {
            "network": "203.0.113.9",
            "verdict": "passes",
            "never": HOSTILE,
            "whitelist": [entry],
            "bans": [row],
            "history": [row],
        },
        "whitelist": {"entries": [entry], "protected": []},
        "status": status | {"state": "degraded", "callers": {HOSTILE: 1}},
    }
    for done in (console.run(*words), console.terminal(*words, columns=200)):
        bare = done.out.replace("\x1b[31m", "").replace("\x1b[33m", "").replace("\x1b[0m", "")
        assert bare.replace("\n", "").isprintable()
        assert "\\x1b[2J\\x07\\r\\n\\u202eevil\\u2066 \\u200b\\x9b" in bare


def test_a_long_reason_is_cut_on_a_terminal_and_never_in_a_pipe(console: Console) -> None:
    console.ban("203.0.113.9", reason="東京" * 60, duration="1h")
    for columns in (80, 81, 120):
        line = console.terminal("bans", columns=columns).lines[1]
        assert line.endswith("…") and columns - 1 <= width(line) <= columns
    assert console.run("bans").lines[1].endswith("東京" * 60)
    assert console.terminal("bans", columns=400).lines[1].endswith("東京" * 60)


def test_a_narrow_terminal_keeps_addresses_whole(console: Console) -> None:
    console.ban("2001:db8:1234:5678:9abc:def0:1234:5678", reason="much too long for that")
    line = console.terminal("bans", columns=40).lines[1]
    assert line.startswith("2001:db8:1234:5678:9abc:def0:1234:5678 ") and line.endswith("much too …")


def test_colours_are_for_terminals_that_want_them(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.terminal("status").lines[0] == "state      \x1b[32menforcing\x1b[0m (recorded)"
    assert "\x1b" not in console.run("status").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in console.terminal("status").out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in console.terminal("status").out
