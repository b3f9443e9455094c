# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events database: what was seen and decided, for whoever looks into it afterwards.

SQLite in the watcher's state directory, for no one but the watcher and root. It is never in the way of a ban: whatever
is wrong with it is told and costs events, not verdicts. A user name that was tried may be a mistyped password, so names
that are no accounts are not kept, nor is what a program said unless the configuration asks for it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stockade.watcher.journal import ERROR, Beginning, log

MAX_WAITING = 10_000  # events
MAX_TEXT = 4096  # characters of one event
MAX_WAITING_TEXT = 4 * 2**20  # characters of all that wait
RETRY = 10.0  # seconds until a database that failed is opened again
PRUNE = 3600.0  # seconds between two looks for old events
PRUNED = 5000  # events that are forgotten at once: 30 milliseconds
_FLUSHED = 2000  # events of one transaction: ten milliseconds
_FREED = 1000  # pages given back to the disk at once
_WAL_BYTES = 4 * 2**20  # what the write-ahead log is cut down to
_LARGEST = 2**63 - 1
# Step by step, as in the warden's registry: a step that was released is never changed.
STEPS: dict[int, tuple[str, ...]] = {
    1: (
        # user: empty if no name was tried, NULL if one was that is not kept
        """CREATE TABLE events (
             id INTEGER PRIMARY KEY, at INTEGER NOT NULL, input TEXT NOT NULL, rule TEXT NOT NULL,
             address TEXT NOT NULL, kind TEXT NOT NULL, user TEXT, text TEXT NOT NULL, count INTEGER NOT NULL)""",
        "CREATE INDEX events_address ON events (address, at)",
        "CREATE INDEX events_at ON events (at)",
    ),
}
_INSERT = "INSERT INTO events (at, input, rule, address, kind, user, text, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# What SQLite says of values that are none, in any version of Python.
_NOT_TAKEN = (
    TypeError,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
_Row = tuple[int, str, str, str, str, str | None, str, int]


class EventLog:
    """Events of `days` days and at most `max_rows`; with `text` also what programs said, as it was logged.

    `known_user` tells which names may be kept. `dropped` counts events that were lost; `problem` says what is wrong,
    else it is empty. Nothing here raises.
    """

    def __init__(
        self,
        path: Path,
        *,
        days: int = 14,
        max_rows: int = 1_000_000,
        text: bool = False,
        known_user: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        self.dropped = 0
        self.problem = ""
        self._path = path
        self._days = days
        self._max_rows = max_rows
        self._text = text
        self._known_user = known_user
        self._losing = Beginning(f"events are not kept in {path}: too many at once, or none can be written")
        self._waiting: list[_Row] = []
        self._waiting_text = 0
        self._db: sqlite3.Connection | None = None
        self._retry_at = 0.0  # monotonic
        self._prune_at = 0.0
        self._surplus: int | None = None  # rows too many, where a look for old events is not over yet

    def add(
        self,
        *,
        at: int,
        source: str,
        rule: str,
        address: str,
        kind: str,
        user: str = "",
        text: str = "",
        count: int = 1,
        own: bool = False,
    ) -> None:
        """Keep an event for the next `flush`. `own` says that the text is the watcher's own."""
        text = _storable(text[:MAX_TEXT]) if own or self._text else ""
        if len(self._waiting) >= MAX_WAITING or self._waiting_text + len(text) > MAX_WAITING_TEXT:
            self._lost(1)
            return
        name = None if user and not self._known_user(user) else _storable(user)
        at, count = (max(-_LARGEST, min(number, _LARGEST)) for number in (at, count))
        self._waiting.append((at, source, rule, address, kind, name, text, count))
        self._waiting_text += len(text)

    def flush(self) -> None:
        """Write a batch of what is waiting; what cannot be written waits. Makes the file if there is none."""
        if time.monotonic() < self._retry_at:
            return
        batch = self._waiting[:_FLUSHED]
        try:
            db = self._open()
            if batch:
                with _transaction(db):
                    db.executemany(_INSERT, batch)
        except _NOT_TAKEN:  # must not be tried for ever
            self._forget(len(batch))
            self._lost(len(batch))
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        else:
            self._forget(len(batch))
            self.problem = ""

    def prune(self, now: int) -> None:
        """Once an hour, forget events that are too old or too many, a part with each call; `now` in epoch seconds."""
        if self._db is None or time.monotonic() < self._prune_at:
            return
        try:
            db = self._db
            if self._surplus is None:
                self._surplus = max(0, db.execute("SELECT count(*) FROM events").fetchone()[0] - self._max_rows)
            with _transaction(db):
                old = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? ORDER BY at LIMIT ?)"
                gone = db.execute(old, (now - self._days * 86_400, PRUNED)).rowcount
                self._surplus = max(0, self._surplus - gone)
                many = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY at LIMIT ?)"
                more = db.execute(many, (min(self._surplus, PRUNED - gone),)).rowcount
                self._surplus -= more
            db.executescript(f"PRAGMA incremental_vacuum({_FREED})")  # `execute` would free a single page
        except sqlite3.Error as error:
            self._failed(error)
        else:
            if gone + more < PRUNED:
                self._prune_at, self._surplus = time.monotonic() + PRUNE, None

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        while self._waiting:
            before = len(self._waiting)
            self.flush()
            if len(self._waiting) == before:
                self._forget(before)
                self._lost(before)
        self._let_go()

    # inside

    def _lost(self, count: int) -> None:
        self.dropped += count
        self._losing.happened()

    def _forget(self, count: int) -> None:
        self._waiting_text -= sum(len(row[6]) for row in self._waiting[:count])
        del self._waiting[:count]

    def _let_go(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _failed(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else error
        self.problem = f"cannot keep events in {self._path}: {reason}"
        self._let_go()
        self._surplus = None
        if _broken(error) and self._set_aside():
            log(ERROR, f"{self._path} is broken ({error}): moved aside, events begin anew")
            return
        self._retry_at = time.monotonic() + RETRY

    def _set_aside(self) -> bool:
        try:
            os.replace(self._path, self._path.with_name(self._path.name + ".broken"))
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = _connected(self._path)
        return self._db


def _storable(text: str) -> str:
    """`text` without what is no Unicode text: JSON can name half of a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _broken(error: Exception) -> bool:
    """Whether the file itself is to blame, not the disk, a permission or another program."""
    # SQLITE_ERROR: it has not the tables or columns it should have
    return error.__class__ is sqlite3.DatabaseError or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _connected(path: Path) -> sqlite3.Connection:
    """The database, made or brought up to date.

    Raises OSError, sqlite3.OperationalError if it cannot be used now, another sqlite3.DatabaseError if it is broken.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    db = sqlite3.connect(path, timeout=0.05, isolation_level=None)
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        found, tables = int(db.execute("PRAGMA user_version").fetchone()[0]), _tables(db)
        if found > max(STEPS):
            raise sqlite3.OperationalError("a newer agent wrote it")
        if found < 0 or ("events" in tables) != (found > 0):
            raise sqlite3.DatabaseError("it is no events database")
        if not found:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL").fetchone()
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        if missing := [number for number in sorted(STEPS) if number > found]:
            with _transaction(db):
                for number in missing:
                    for statement in STEPS[number]:
                        db.execute(statement)
                db.execute(f"PRAGMA user_version={max(STEPS)}")
        db.execute("SELECT at, input, rule, address, kind, user, text, count FROM events LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
