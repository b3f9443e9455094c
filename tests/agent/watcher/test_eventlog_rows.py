# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events database: what is kept and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from eventloglab import NOON, add, rows

from stockade.watcher.eventlog import MAX_TEXT, EventLog


def test_c9_b8_every_event_is_a_row_also_where_no_rule_saw_it(events_db: Path) -> None:
    log = EventLog(events_db, known_user=lambda name: name == "root")
    add(log)
    add(log, rule="", kind="other", user="", address="2001:db8::/64", count=5)
    add(log, at=NOON + 1, source="", rule="logins", kind="ban", user="", text="6 failed logins", own=True)
    log.flush()
    assert rows(events_db) == [
        (NOON, "auth", "logins", "203.0.113.9", "failure", "root", "", 1),
        (NOON, "auth", "", "2001:db8::/64", "other", "", "", 5),
        (NOON + 1, "", "logins", "203.0.113.9", "ban", "", "6 failed logins", 1),
    ]
    assert (log.problem, log.dropped) == ("", 0)


def test_b4_times_are_epoch_seconds(events_db: Path) -> None:
    log = EventLog(events_db)
    add(log, at=1_772_323_200)  # 2026-03-01T00:00:00Z
    log.flush()
    assert rows(events_db, "at, datetime(at, 'unixepoch')") == [(1_772_323_200, "2026-03-01 00:00:00")]


@pytest.mark.parametrize(
    "text",
    [
        """Failed password for 'O'"Brien' from 203.0.113.9""",
        "100% of %s and %%d",
        "\U0001f9f1 stockade \u202e reversed",
        "'; DROP TABLE events; --",
        "tab\tand\x00null\x1b[2J",
    ],
)
def test_c9_with_text_the_message_is_kept_as_it_was_logged(events_db: Path, text: str) -> None:
    log = EventLog(events_db, text=True)
    add(log, text=text)
    log.flush()
    assert rows(events_db, "text") == [(text,)]


def test_bh16_without_text_nothing_that_a_client_wrote_is_in_the_file(events_db: Path) -> None:
    log = EventLog(events_db, known_user=lambda name: name == "root")
    add(log, user="hunter2-my-password", text="Invalid user hunter2-my-password from 203.0.113.9")
    log.close()
    assert rows(events_db, "user, text") == [(None, "")]
    for file in events_db.parent.iterdir():
        assert b"hunter2" not in file.read_bytes()


def test_bh16_only_names_that_are_known_are_kept(events_db: Path) -> None:
    log = EventLog(events_db, known_user=lambda name: name in ("root", "oracle"))
    for user in ("root", "oracle", "Pa55word!", ""):
        add(log, user=user)
    log.flush()
    assert rows(events_db, "user") == [("root",), ("oracle",), (None,), ("",)]


def test_half_a_surrogate_pair_keeps_no_other_event_out(events_db: Path) -> None:
    """JSON can name one, and SQLite takes none."""
    log = EventLog(events_db, text=True, known_user=lambda _name: True)
    add(log, text="\ud800", user="\udfff")
    add(log, at=2**70, count=2**70)
    add(log, text="after")
    log.flush()
    assert rows(events_db, "text")[-1] == ("after",)
    assert (log.problem, log.dropped, len(rows(events_db))) == ("", 0, 3)


def test_what_sqlite_does_not_take_is_not_tried_for_ever(events_db: Path) -> None:
    log = EventLog(events_db)
    add(log, rule=object())
    log.flush()
    assert log.dropped == 1
    add(log)
    log.flush()
    assert (len(rows(events_db)), log.problem) == (1, "")


def test_a_message_without_end_is_cut(events_db: Path) -> None:
    log = EventLog(events_db, text=True)
    add(log, text="x" * (MAX_TEXT + 1))
    log.flush()
    assert rows(events_db, "length(text)") == [(MAX_TEXT,)]
