# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events database: how much is kept and for how long, and that nothing of it stands in a ban's way."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from eventloglab import DAY, NOON, add, rows

from stockade.watcher.eventlog import MAX_TEXT, MAX_WAITING, MAX_WAITING_TEXT, PRUNE, PRUNED, RETRY, EventLog


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(time, "monotonic", moved)
    return moved


# Too much


def full_disk(log: EventLog) -> Callable[[], None]:
    """Let the file grow no further; what is returned gives the space back."""
    assert log._db is not None
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count={pages}")

    def freed() -> None:
        if log._db is not None:
            log._db.execute("PRAGMA max_page_count=1073741823")

    return freed


def test_bh10_on_a_full_disk_events_wait_and_are_counted_and_it_heals(events_db: Path, clock: Clock) -> None:
    log = EventLog(events_db, text=True)
    log.flush()
    full_disk(log)
    for _time in range(MAX_WAITING + 7):
        add(log, text="x" * 100)
    log.flush()
    assert log.problem == f"cannot keep events in {events_db}: database or disk is full"
    assert log.dropped == 7
    clock.now += RETRY / 2
    log.flush()  # not tried with every second
    assert rows(events_db) == []
    clock.now += RETRY
    log.close()  # the limit was the connection's own
    assert len(rows(events_db)) == MAX_WAITING
    assert log.problem == ""


def test_bh10_a_directory_that_is_not_there_yet_is_no_end(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "later" / "events.db"
    log = EventLog(path)
    add(log)
    log.flush()
    assert log.problem == f"cannot keep events in {path}: No such file or directory"
    path.parent.mkdir()
    clock.now += RETRY
    log.flush()
    assert (log.problem, len(rows(path))) == ("", 1)


def test_somebody_who_holds_the_file_holds_nothing_up(events_db: Path, clock: Clock) -> None:
    log = EventLog(events_db)
    log.flush()
    add(log)
    with closing(sqlite3.connect(events_db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        log.flush()
        log.prune(NOON)
        assert time.perf_counter() - began < 4  # SQLite waits for five by itself
        assert "locked" in log.problem
    clock.now += RETRY
    log.flush()
    assert (log.problem, len(rows(events_db))) == ("", 1)


def test_long_messages_that_wait_take_no_more_memory_than_they_may(events_db: Path) -> None:
    log = EventLog(events_db, text=True)
    fitting = MAX_WAITING_TEXT // MAX_TEXT
    for _time in range(fitting + 3):
        add(log, text="x" * MAX_TEXT)
    assert log.dropped == 3
    log.flush()
    add(log, text="x" * MAX_TEXT)
    log.close()
    assert (log.dropped, len(rows(events_db))) == (3, fitting + 1)


# Retention


def test_ch19_bh16_what_is_older_than_its_days_is_forgotten(events_db: Path, clock: Clock) -> None:
    log = EventLog(events_db, days=14)
    for age in (0, 14 * DAY, 14 * DAY + 1, 400 * DAY):
        add(log, at=NOON - age)
    log.flush()
    log.prune(NOON)
    assert rows(events_db, "at") == [(NOON,), (NOON - 14 * DAY,)]
    log.prune(NOON + 100 * DAY)
    assert len(rows(events_db)) == 2  # once an hour
    clock.now += PRUNE
    log.prune(NOON + 100 * DAY)
    assert rows(events_db) == []


def test_ch19_bh16_the_oldest_go_where_there_are_too_many(events_db: Path, clock: Clock) -> None:
    log = EventLog(events_db, max_rows=3)
    for age in (5, 1, 4, 2, 3):
        add(log, at=NOON - age)
    log.flush()
    log.prune(NOON)
    assert sorted(rows(events_db, "at")) == [(NOON - 3,), (NOON - 2,), (NOON - 1,)]


def test_much_is_forgotten_in_small_steps_and_its_space_given_back(events_db: Path, clock: Clock) -> None:
    log = EventLog(events_db, max_rows=100)
    for _time in range(2 * PRUNED + 1100):
        add(log, address="2001:db8:1:2::/64")
        if len(log._waiting) == 2000:
            log.flush()
    while log._waiting:
        log.flush()
    log.prune(NOON)
    assert len(rows(events_db)) == PRUNED + 1100
    log.prune(NOON)
    assert len(rows(events_db)) == 1100
    log.prune(NOON)
    assert len(rows(events_db)) == 100
    with closing(sqlite3.connect(events_db)) as db:
        assert db.execute("PRAGMA freelist_count").fetchone()[0] < 10
    log.close()
    assert events_db.stat().st_size < 100_000


def test_old_events_are_forgotten_though_no_new_ones_come(events_db: Path) -> None:
    log = EventLog(events_db)
    add(log, at=NOON - 20 * DAY)
    log.close()
    log = EventLog(events_db)
    log.flush()
    log.prune(NOON)
    assert rows(events_db) == []


def test_bh10_forgetting_on_a_failing_disk_raises_nothing(events_db: Path) -> None:
    log = EventLog(events_db)
    add(log)
    log.flush()
    assert log._db is not None
    log._db.set_progress_handler(lambda: 1, 1)
    log.prune(NOON + 100 * DAY)
    assert "interrupted" in log.problem
