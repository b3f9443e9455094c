# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was banned in a span of time, from the warden or from fail2ban's database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _facts_history
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._facts_history import database, of_fail2ban, of_warden

HOUR = 1_795_010_400  # the start of one
# The columns that fail2ban 1.0 and 1.1 make.
COLUMNS = "jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER, bancount INTEGER, data JSON"


class Answers:
    """A server that says one thing, or that nobody is there."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def call(self, command: Any, **fields: Any) -> Any:
        if isinstance(self.said, StockadeError):
            raise self.said
        return self.said


def kept(path: Path, *rows: tuple[str, str, int]) -> str:
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE bans({COLUMNS})")
        db.executemany("INSERT INTO bans VALUES (?, ?, ?, 600, 1, '{}')", rows)
    return str(path)


@pytest.mark.parametrize(("span", "seconds"), [("90m", 5400), ("24h", 86400), ("7d", 604800), ("2w", 1209600)])
def test_spans(span: str, seconds: int) -> None:
    assert _facts_history.seconds_of(span) == seconds


@pytest.mark.parametrize("span", ["", "7", "0d", "-1d", "1y", "7d ", "1h30m", "99999d", "7d\n", "permanent"])
def test_what_is_no_span_is_named(span: str) -> None:
    with pytest.raises(StockadeError, match="not a span such as"):
        _facts_history.seconds_of(span)


def test_a22_of_fail2ban_rows_since_then_count_once_each(tmp_path: Path) -> None:
    """A17, A21, A22: fail2ban writes a row for a ban, and none for what it restores, lifts or finds banned already."""
    path = kept(
        tmp_path / "f2b.sqlite3",
        ("sshd", "203.0.113.1", HOUR + 5),
        ("sshd", "203.0.113.1", HOUR + 3700),
        ("my.jail-2", "203.0.113.1", HOUR + 10),
        ("sshd", "2001:db8::1", HOUR + 20),
        ("sshd", "203.0.113.200", HOUR - 10),
    )
    assert of_fail2ban(path, HOUR) == {
        "available": True,
        "reason": "",
        "by": "fail2ban",
        "since": HOUR,
        "bans": 4,
        "networks": 2,
        "by_hour": {str(HOUR): 3, str(HOUR + 3600): 1},
        "by_source": {"fail2ban/sshd": 3, "fail2ban/my.jail-2": 1},
        "repeaters": 1,
        "repeated": [{"network": "203.0.113.1", "bans": 3}],
        "complete": True,
    }


def test_too_many_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_facts_history, "MOST", 2)
    path = kept(tmp_path / "f2b.sqlite3", *(("sshd", f"203.0.113.{number}", HOUR + number) for number in range(3)))
    found = of_fail2ban(path, HOUR)
    assert (found["bans"], found["complete"]) == (2, False)


def test_reading_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = kept(tmp_path / "odd name?#.sqlite3", ("sshd", "203.0.113.1", HOUR))
    before = (tmp_path / "odd name?#.sqlite3").read_bytes()
    assert of_fail2ban(path, 0)["bans"] == 1
    assert database(Answers(path), running=True) == (path, "")  # type: ignore[arg-type]
    assert [entry.name for entry in tmp_path.iterdir()] == ["odd name?#.sqlite3"]
    assert (tmp_path / "odd name?#.sqlite3").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be taken for one" * 30, b"SQLite format 3\0" * 200]
)
def test_a_file_that_is_broken_is_named_with_the_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f2b.sqlite3"
    path.write_bytes(content)
    found = of_fail2ban(str(path), 0)
    assert not found["available"] and str(path) in found["reason"]
    assert database(Answers(str(path)), running=True)[1]  # type: ignore[arg-type]


def test_pages_that_are_broken_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f2b.sqlite3"
    kept(path, *(("sshd", f"203.0.113.{number % 250}", HOUR + number) for number in range(2000)))
    content = bytearray(path.read_bytes())
    content[8192:12288] = bytes(4096)
    path.write_bytes(bytes(content))
    _path, said = database(Answers(str(path)), running=True)  # type: ignore[arg-type]
    assert said and said.isprintable(), "on one line, whatever SQLite says"


@pytest.mark.parametrize("said", ["None", ":memory:", None])
def test_a_fail2ban_that_keeps_none(said: Any) -> None:
    assert database(Answers(said), running=True) == (None, "")  # type: ignore[arg-type]
    assert of_fail2ban(None, 0)["reason"] == "fail2ban keeps no database"


def test_a_fail2ban_that_does_not_run_has_the_default(tmp_path: Path) -> None:
    gone = str(tmp_path / "none")
    assert database(Answers(StockadeError("gone")), running=False, default=gone) == (gone, "")  # type: ignore[arg-type]
    assert of_fail2ban(gone, 0) == {"available": False, "reason": f"there is no {gone}", "by": ""}


def test_a_warden_that_does_not_know_the_question() -> None:
    answer = of_warden(Answers(StockadeError("unknown operation 'history'")), 0)  # type: ignore[arg-type]
    assert answer == {"available": False, "reason": "unknown operation 'history'", "by": ""}
