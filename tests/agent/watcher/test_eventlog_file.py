# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of the events database: whose it is, how it is written, what becomes of an older, newer or broken one."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from eventloglab import DAY, NOON, add, rows

from stockade.watcher import eventlog
from stockade.watcher.eventlog import MAX_WAITING, STEPS, EventLog


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The file


def test_ch19_the_file_is_for_nobody_else_from_its_first_moment(events_db: Path) -> None:
    previous = os.umask(0)
    try:
        log = EventLog(events_db)
        log.flush()
        add(log)
        log.flush()
        assert {file.name: mode(file) for file in events_db.parent.iterdir()} == {
            "events.db": 0o600,
            "events.db-wal": 0o600,
            "events.db-shm": 0o600,
        }
    finally:
        os.umask(previous)


def test_ch19_a_file_that_others_may_read_is_closed_to_them(events_db: Path) -> None:
    events_db.touch()
    events_db.chmod(0o644)
    EventLog(events_db).flush()
    assert mode(events_db) == 0o600


def test_bh16_addresses_and_times_have_an_index(events_db: Path) -> None:
    EventLog(events_db).flush()
    with closing(sqlite3.connect(events_db)) as db:
        for query, index in (
            ("SELECT * FROM events WHERE address = 'x' ORDER BY at", "events_address"),
            ("SELECT * FROM events WHERE at > 5", "events_at"),
        ):
            assert index in str(db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
        assert db.execute("PRAGMA user_version").fetchone() == (max(STEPS),)


def test_c9_events_survive_a_restart(events_db: Path) -> None:
    for _start in range(2):
        log = EventLog(events_db)
        add(log)
        log.close()
    assert len(rows(events_db)) == 2
    assert not list(events_db.parent.glob("*.broken"))


def test_bh16_one_commit_for_everything_that_waits(events_db: Path) -> None:
    statements: list[str] = []
    log = EventLog(events_db)
    log.flush()
    assert log._db is not None
    log._db.set_trace_callback(statements.append)
    for _time in range(1000):
        add(log)
    log.flush()
    assert [text for text in statements if not text.startswith("INSERT")] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert len(rows(events_db)) == 1000


def test_1000_events_take_less_than_50_ms(events_db: Path) -> None:
    log = EventLog(events_db, text=True)
    log.flush()
    took = []
    for _time in range(5):
        for _time in range(1000):
            add(log)
        began = time.process_time()  # of this process: others run beside
        log.flush()
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def test_an_end_writes_everything_that_waits(events_db: Path) -> None:
    log = EventLog(events_db)
    for _time in range(MAX_WAITING):
        add(log)
    log.close()
    assert len(rows(events_db)) == MAX_WAITING


# Older, newer, broken


def test_b30_an_older_layout_grows_and_keeps_its_rows(events_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(events_db)
    add(log)
    log.close()
    monkeypatch.setitem(eventlog.STEPS, 2, ("ALTER TABLE events ADD COLUMN port INTEGER",))
    log = EventLog(events_db)
    add(log)
    log.close()
    assert rows(events_db, "address, port") == [("203.0.113.9", None)] * 2
    with closing(sqlite3.connect(events_db)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_step_that_fails_leaves_the_file_as_it_was(events_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EventLog(events_db).flush()
    steps = ("ALTER TABLE events ADD COLUMN port INTEGER", "CREATE TABLE events (twice TEXT)")
    monkeypatch.setitem(eventlog.STEPS, 2, steps)
    with pytest.raises(sqlite3.OperationalError):
        eventlog._connected(events_db)
    with closing(sqlite3.connect(events_db)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "port" not in [row[1] for row in db.execute("PRAGMA table_info(events)")]


def test_a_newer_file_is_left_alone(events_db: Path) -> None:
    log = EventLog(events_db)
    add(log)
    log.close()
    with closing(sqlite3.connect(events_db)) as db:
        db.execute(f"PRAGMA user_version={max(STEPS) + 1}")
    before = events_db.read_bytes()
    log = EventLog(events_db)
    add(log)
    log.flush()
    log.prune(NOON + 100 * DAY)
    assert log.problem == f"cannot keep events in {events_db}: a newer agent wrote it"
    log.close()
    assert events_db.read_bytes() == before
    assert [file.name for file in events_db.parent.iterdir()] == ["events.db"]


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)


def no_database(path: Path) -> None:
    path.write_text("address;time\n203.0.113.9;now\n")


def other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE events (password TEXT)")
        db.execute("PRAGMA user_version=1")
        db.commit()


def no_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=1")
        db.commit()


def table_without_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE events (at TEXT)")
        db.commit()


HARMS: dict[Callable[[Path], None], bytes] = {  # and what is still to be found afterwards
    damage: b"\xff" * 8192,
    no_database: b"203.0.113.9;now",
    other_tables: b"password",
    no_tables: b"SQLite format 3",
    table_without_version: b"events (at TEXT)",
}


@pytest.mark.parametrize("harm", HARMS)
def test_bh10_a_broken_file_is_moved_aside_and_begun_anew(events_db: Path, harm: Callable[[Path], None]) -> None:
    harm(events_db)
    log = EventLog(events_db)
    add(log)
    for _second in range(2):
        log.flush()
    assert (log.problem, log.dropped, len(rows(events_db))) == ("", 0, 1)
    assert HARMS[harm] in (events_db.parent / "events.db.broken").read_bytes()
    assert mode(events_db) == 0o600


def test_bh10_a_file_that_breaks_while_in_use_is_moved_aside(events_db: Path) -> None:
    log = EventLog(events_db)
    for _time in range(3000):
        add(log, address="2001:db8:1:2::/64")
    log.close()
    log = EventLog(events_db)
    log.flush()
    size = events_db.stat().st_size
    with open(events_db, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    add(log)
    for _second in range(3):
        log.flush()
    assert log.problem == ""
    assert rows(events_db, "address") == [("203.0.113.9",)]
    assert (events_db.parent / "events.db.broken").exists()


def test_a_link_in_the_place_of_the_file_is_not_followed(events_db: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    events_db.symlink_to(tmp_path / "other")
    log = EventLog(events_db)
    add(log)
    log.flush()
    assert log.problem.startswith(f"cannot keep events in {events_db}: ")
    assert (tmp_path / "other").read_bytes() == b""
