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
from collections.abc import Callable
from pathlib import Path

VERSION = 1
MAX_WAITING = 10_000  # events
_FLUSHED = 2000  # events of one transaction: some ten milliseconds
_PRUNE = 3600.0  # seconds between two looks for old events
_PRUNED = 20_000  # events of one look, so that none takes long
_RETRY = 60.0  # seconds until a database that cannot be opened is opened again
_SCHEMA = (
    """CREATE TABLE events (
         id INTEGER PRIMARY KEY, at INTEGER NOT NULL, input TEXT NOT NULL, rule TEXT NOT NULL, address TEXT NOT NULL,
         kind TEXT NOT NULL, user TEXT, text TEXT NOT NULL, count INTEGER NOT NULL)""",
    "CREATE INDEX events_address ON events (address, at)",
    "CREATE INDEX events_at ON events (at)",
)
_INSERT = (
    "INSERT INTO events (at, input, rule, address, kind, user, text, count)"
    " VALUES (:at, :input, :rule, :address, :kind, :user, :text, :count)"
)


class EventLog:
    """Events of `days` days and at most `max_rows`; with `text` also what programs said, as it was logged.

    `known_user` tells which names may be kept. `dropped` counts events that found too many waiting; `problem` says what
    is wrong, else it is empty.
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
        self._waiting: list[dict[str, object]] = []
        self._db: sqlite3.Connection | None = None
        self._retry_at = 0.0  # monotonic
        self._prune_at = 0.0

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
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(
            {
                "at": at,
                "input": source,
                "rule": rule,
                "address": address,
                "kind": kind,
                "user": user if user and self._known_user(user) else None,
                "text": text if own or self._text else "",
                "count": count,
            }
        )

    def flush(self) -> None:
        """Write what is waiting. Never raises; what cannot be written waits, up to a limit."""
        if not self._waiting or time.monotonic() < self._retry_at:
            return
        batch = self._waiting[:_FLUSHED]
        try:
            db = self._open()
            with db:
                db.executemany(_INSERT, batch)
        except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
            self._failed(error)
            return
        del self._waiting[: len(batch)]
        self.problem = ""

    def prune(self, now: int) -> None:
        """Once an hour, forget events that are too old or too many; `now` in epoch seconds. Never raises."""
        if self._db is None or time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + _PRUNE
        try:
            with self._db as db:
                edge = now - self._days * 86_400
                found = db.execute("SELECT max(id) - ?, count(*) - ? FROM events", (self._max_rows, self._max_rows))
                surplus = max(0, found.fetchone()[1] or 0)
                old = "SELECT id FROM events WHERE at < ? LIMIT ?"
                gone = db.execute(f"DELETE FROM events WHERE id IN ({old})", (edge, _PRUNED)).rowcount
                many = "SELECT id FROM events ORDER BY id LIMIT ?"
                gone += db.execute(f"DELETE FROM events WHERE id IN ({many})", (min(surplus, _PRUNED),)).rowcount
            if gone >= _PRUNED:
                self._prune_at = time.monotonic() + 1  # there may be more
            self._db.execute("PRAGMA incremental_vacuum(1000)").fetchall()
        except sqlite3.Error as error:
            self._failed(error)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _failed(self, error: Exception) -> None:
        self.problem = f"cannot keep events in {self._path}: {error}"
        self.close()
        self._retry_at = time.monotonic() + _RETRY

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = _connected(self._path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # a full disk, no permission: the file may be sound
                    raise
                os.replace(self._path, self._path.with_name(self._path.name + ".broken"))
                for ending in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                self._db = _connected(self._path)
        return self._db


def _connected(path: Path) -> sqlite3.Connection:
    """The database, made or brought up to date. Raises sqlite3.Error, OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    os.chmod(path, 0o600)
    db = sqlite3.connect(path, timeout=1.0)
    try:
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
        if found > VERSION:
            raise sqlite3.OperationalError("a newer agent wrote it")
        if not found:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL").fetchone()
        db.execute("PRAGMA synchronous=NORMAL")
        if not found:
            with db:
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        db.close()
        raise
    return db
