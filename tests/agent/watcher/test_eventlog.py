# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events database: what is kept and what never is, for how long, and that nothing of it stands in a ban's way."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stockade.watcher import eventlog
from stockade.watcher.eventlog import MAX_TEXT, MAX_WAITING, MAX_WAITING_TEXT, PRUNE, PRUNED, RETRY, STEPS, EventLog

NOON = 1_791_633_600
DAY = 86_400
SAID = "Failed password for root from 203.0.113.9 port 22 ssh2"


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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def add(log: EventLog, **fields: Any) -> None:
    event = {"at": NOON, "source": "auth", "rule": "logins", "address": "203.0.113.9", "kind": "failure"}
    log.add(**{**event, "user": "root", "text": SAID, **fields})


def rows(path: Path, columns: str = "at, input, rule, address, kind, user, text, count") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT {columns} FROM events ORDER BY id").fetchall()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# What is kept


def test_c9_b8_every_event_is_a_row_also_where_no_rule_saw_it(path: Path) -> None:
    log = EventLog(path, known_user=lambda name: name == "root")
    add(log)
    add(log, rule="", kind="other", user="", address="2001:db8::/64", count=5)
    add(log, at=NOON + 1, source="", rule="logins", kind="ban", user="", text="6 failed logins", own=True)
    log.flush()
    assert rows(path) == [
        (NOON, "auth", "logins", "203.0.113.9", "failure", "root", "", 1),
        (NOON, "auth", "", "2001:db8::/64", "other", "", "", 5),
        (NOON + 1, "", "logins", "203.0.113.9", "ban", "", "6 failed logins", 1),
    ]
    assert (log.problem, log.dropped) == ("", 0)


def test_b4_times_are_epoch_seconds(path: Path) -> None:
    log = EventLog(path)
    add(log, at=1_772_323_200)  # 2026-03-01T00:00:00Z
    log.flush()
    assert rows(path, "at, datetime(at, 'unixepoch')") == [(1_772_323_200, "2026-03-01 00:00:00")]


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
def test_c9_with_text_the_message_is_kept_as_it_was_logged(path: Path, text: str) -> None:
    log = EventLog(path, text=True)
    add(log, text=text)
    log.flush()
    assert rows(path, "text") == [(text,)]


def test_bh16_without_text_nothing_that_a_client_wrote_is_in_the_file(path: Path) -> None:
    log = EventLog(path, known_user=lambda name: name == "root")
    add(log, user="hunter2-my-password", text="Invalid user hunter2-my-password from 203.0.113.9")
    log.close()
    assert rows(path, "user, text") == [(None, "")]
    for file in path.parent.iterdir():
        assert b"hunter2" not in file.read_bytes()


def test_bh16_only_names_that_are_known_are_kept(path: Path) -> None:
    log = EventLog(path, known_user=lambda name: name in ("root", "oracle"))
    for user in ("root", "oracle", "Pa55word!", ""):
        add(log, user=user)
    log.flush()
    assert rows(path, "user") == [("root",), ("oracle",), (None,), ("",)]


def test_half_a_surrogate_pair_keeps_no_other_event_out(path: Path) -> None:
    """JSON can name one, and SQLite takes none."""
    log = EventLog(path, text=True, known_user=lambda _name: True)
    add(log, text="\ud800", user="\udfff")
    add(log, at=2**70, count=2**70)
    add(log, text="after")
    log.flush()
    assert rows(path, "text")[-1] == ("after",)
    assert (log.problem, log.dropped, len(rows(path))) == ("", 0, 3)


def test_what_sqlite_does_not_take_is_not_tried_for_ever(path: Path) -> None:
    log = EventLog(path)
    add(log, rule=object())
    log.flush()
    assert log.dropped == 1
    add(log)
    log.flush()
    assert (len(rows(path)), log.problem) == (1, "")


def test_a_message_without_end_is_cut(path: Path) -> None:
    log = EventLog(path, text=True)
    add(log, text="x" * (MAX_TEXT + 1))
    log.flush()
    assert rows(path, "length(text)") == [(MAX_TEXT,)]


# The file


def test_ch19_the_file_is_for_nobody_else_from_its_first_moment(path: Path) -> None:
    previous = os.umask(0)
    try:
        log = EventLog(path)
        log.flush()
        add(log)
        log.flush()
        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            "events.db": 0o600,
            "events.db-wal": 0o600,
            "events.db-shm": 0o600,
        }
    finally:
        os.umask(previous)


def test_ch19_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    path.touch()
    path.chmod(0o644)
    EventLog(path).flush()
    assert mode(path) == 0o600


def test_bh16_addresses_and_times_have_an_index(path: Path) -> None:
    EventLog(path).flush()
    with closing(sqlite3.connect(path)) as db:
        for query, index in (
            ("SELECT * FROM events WHERE address = 'x' ORDER BY at", "events_address"),
            ("SELECT * FROM events WHERE at > 5", "events_at"),
        ):
            assert index in str(db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
        assert db.execute("PRAGMA user_version").fetchone() == (max(STEPS),)


def test_c9_events_survive_a_restart(path: Path) -> None:
    for _start in range(2):
        log = EventLog(path)
        add(log)
        log.close()
    assert len(rows(path)) == 2
    assert not list(path.parent.glob("*.broken"))


def test_bh16_one_commit_for_everything_that_waits(path: Path) -> None:
    statements: list[str] = []
    log = EventLog(path)
    log.flush()
    assert log._db is not None
    log._db.set_trace_callback(statements.append)
    for _time in range(1000):
        add(log)
    log.flush()
    assert [text for text in statements if not text.startswith("INSERT")] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert len(rows(path)) == 1000


def test_1000_events_take_less_than_50_ms(path: Path) -> None:
    log = EventLog(path, text=True)
    log.flush()
    took = []
    for _time in range(5):
        for _time in range(1000):
            add(log)
        began = time.process_time()  # of this process: others run beside
        log.flush()
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def test_an_end_writes_everything_that_waits(path: Path) -> None:
    log = EventLog(path)
    for _time in range(MAX_WAITING):
        add(log)
    log.close()
    assert len(rows(path)) == MAX_WAITING


# Older, newer, broken


def test_b30_an_older_layout_grows_and_keeps_its_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(path)
    add(log)
    log.close()
    monkeypatch.setitem(eventlog.STEPS, 2, ("ALTER TABLE events ADD COLUMN port INTEGER",))
    log = EventLog(path)
    add(log)
    log.close()
    assert rows(path, "address, port") == [("203.0.113.9", None)] * 2
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EventLog(path).flush()
    steps = ("ALTER TABLE events ADD COLUMN port INTEGER", "CREATE TABLE events (twice TEXT)")
    monkeypatch.setitem(eventlog.STEPS, 2, steps)
    with pytest.raises(sqlite3.OperationalError):
        eventlog._connected(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "port" not in [row[1] for row in db.execute("PRAGMA table_info(events)")]


def test_a_newer_file_is_left_alone(path: Path) -> None:
    log = EventLog(path)
    add(log)
    log.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={max(STEPS) + 1}")
    before = path.read_bytes()
    log = EventLog(path)
    add(log)
    log.flush()
    log.prune(NOON + 100 * DAY)
    assert log.problem == f"cannot keep events in {path}: a newer agent wrote it"
    log.close()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["events.db"]


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
def test_bh10_a_broken_file_is_moved_aside_and_begun_anew(path: Path, harm: Callable[[Path], None]) -> None:
    harm(path)
    log = EventLog(path)
    add(log)
    for _second in range(2):
        log.flush()
    assert (log.problem, log.dropped, len(rows(path))) == ("", 0, 1)
    assert HARMS[harm] in (path.parent / "events.db.broken").read_bytes()
    assert mode(path) == 0o600


def test_bh10_a_file_that_breaks_while_in_use_is_moved_aside(path: Path) -> None:
    log = EventLog(path)
    for _time in range(3000):
        add(log, address="2001:db8:1:2::/64")
    log.close()
    log = EventLog(path)
    log.flush()
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    add(log)
    for _second in range(3):
        log.flush()
    assert log.problem == ""
    assert rows(path, "address") == [("203.0.113.9",)]
    assert (path.parent / "events.db.broken").exists()


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    path.symlink_to(tmp_path / "other")
    log = EventLog(path)
    add(log)
    log.flush()
    assert log.problem.startswith(f"cannot keep events in {path}: ")
    assert (tmp_path / "other").read_bytes() == b""


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


def test_bh10_on_a_full_disk_events_wait_and_are_counted_and_it_heals(path: Path, clock: Clock) -> None:
    log = EventLog(path, text=True)
    log.flush()
    full_disk(log)
    for _time in range(MAX_WAITING + 7):
        add(log, text="x" * 100)
    log.flush()
    assert log.problem == f"cannot keep events in {path}: database or disk is full"
    assert log.dropped == 7
    clock.now += RETRY / 2
    log.flush()  # not tried with every second
    assert rows(path) == []
    clock.now += RETRY
    log.close()  # the limit was the connection's own
    assert len(rows(path)) == MAX_WAITING
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


def test_somebody_who_holds_the_file_holds_nothing_up(path: Path, clock: Clock) -> None:
    log = EventLog(path)
    log.flush()
    add(log)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        log.flush()
        log.prune(NOON)
        assert time.perf_counter() - began < 1
        assert "locked" in log.problem
    clock.now += RETRY
    log.flush()
    assert (log.problem, len(rows(path))) == ("", 1)


def test_long_messages_that_wait_take_no_more_memory_than_they_may(path: Path) -> None:
    log = EventLog(path, text=True)
    fitting = MAX_WAITING_TEXT // MAX_TEXT
    for _time in range(fitting + 3):
        add(log, text="x" * MAX_TEXT)
    assert log.dropped == 3
    log.flush()
    add(log, text="x" * MAX_TEXT)
    log.close()
    assert (log.dropped, len(rows(path))) == (3, fitting + 1)


# Retention


def test_ch19_bh16_what_is_older_than_its_days_is_forgotten(path: Path, clock: Clock) -> None:
    log = EventLog(path, days=14)
    for age in (0, 14 * DAY, 14 * DAY + 1, 400 * DAY):
        add(log, at=NOON - age)
    log.flush()
    log.prune(NOON)
    assert rows(path, "at") == [(NOON,), (NOON - 14 * DAY,)]
    log.prune(NOON + 100 * DAY)
    assert len(rows(path)) == 2  # once an hour
    clock.now += PRUNE
    log.prune(NOON + 100 * DAY)
    assert rows(path) == []


def test_ch19_bh16_the_oldest_go_where_there_are_too_many(path: Path, clock: Clock) -> None:
    log = EventLog(path, max_rows=3)
    for age in (5, 1, 4, 2, 3):
        add(log, at=NOON - age)
    log.flush()
    log.prune(NOON)
    assert sorted(rows(path, "at")) == [(NOON - 3,), (NOON - 2,), (NOON - 1,)]


def test_much_is_forgotten_in_small_steps_and_its_space_given_back(path: Path, clock: Clock) -> None:
    log = EventLog(path, max_rows=100)
    for _time in range(2 * PRUNED + 1100):
        add(log, address="2001:db8:1:2::/64")
        if len(log._waiting) == 2000:
            log.flush()
    while log._waiting:
        log.flush()
    log.prune(NOON)
    assert len(rows(path)) == PRUNED + 1100
    log.prune(NOON)
    assert len(rows(path)) == 1100
    log.prune(NOON)
    assert len(rows(path)) == 100
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA freelist_count").fetchone()[0] < 10
    log.close()
    assert path.stat().st_size < 100_000


def test_old_events_are_forgotten_though_no_new_ones_come(path: Path) -> None:
    log = EventLog(path)
    add(log, at=NOON - 20 * DAY)
    log.close()
    log = EventLog(path)
    log.flush()
    log.prune(NOON)
    assert rows(path) == []


def test_bh10_forgetting_on_a_failing_disk_raises_nothing(path: Path) -> None:
    log = EventLog(path)
    add(log)
    log.flush()
    assert log._db is not None
    log._db.set_progress_handler(lambda: 1, 1)
    log.prune(NOON + 100 * DAY)
    assert "interrupted" in log.problem
