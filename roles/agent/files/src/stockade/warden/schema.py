# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's tables and how they grow: steps that only add, so that an older agent can still read a newer file."""

from __future__ import annotations

import sqlite3
from contextlib import closing

# Step by step; the number of a file (`user_version`) says which step it has reached. A step that was released is
# never changed: what is missing is added by the next one. Number 1 was a layout from before the first release.
STEPS: dict[int, tuple[str, ...]] = {
    2: (
        """CREATE TABLE bans (
             key BLOB NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL, id TEXT NOT NULL, reason TEXT NOT NULL,
             banned_at INTEGER NOT NULL, expires_at INTEGER, PRIMARY KEY (key, source, origin)) WITHOUT ROWID""",
        "CREATE INDEX bans_id ON bans (id)",
        "CREATE INDEX bans_newest ON bans (banned_at)",
        "CREATE INDEX bans_ends ON bans (expires_at) WHERE expires_at IS NOT NULL",
        """CREATE TABLE history (
             key BLOB NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL, id TEXT NOT NULL, reason TEXT NOT NULL,
             banned_at INTEGER NOT NULL, expires_at INTEGER, ended_at INTEGER NOT NULL, ended_by TEXT NOT NULL)""",
        "CREATE INDEX history_id ON history (id)",
        "CREATE INDEX history_ended ON history (ended_at)",
        """CREATE TABLE whitelist (
             key BLOB NOT NULL, list TEXT NOT NULL, comment TEXT NOT NULL, added_at INTEGER NOT NULL,
             expires_at INTEGER, PRIMARY KEY (key, list)) WITHOUT ROWID""",
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
    3: (
        "CREATE INDEX history_key ON history (key, ended_at)",
        # what the exchange and the notifier follow; seq is never used twice
        """CREATE TABLE changes (
             seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, key BLOB NOT NULL,
             source TEXT NOT NULL, origin TEXT NOT NULL, id TEXT NOT NULL, reason TEXT NOT NULL, expires_at INTEGER)""",
        "CREATE INDEX changes_at ON changes (at)",
        # the digest a list was declared by, for as long as nothing changed since and nothing of it ended
        """CREATE TABLE lists (
             name TEXT PRIMARY KEY, digest TEXT NOT NULL, counts TEXT NOT NULL, valid_until INTEGER) WITHOUT ROWID""",
    ),
}
VERSION = max(STEPS)
OLDEST = min(STEPS)


def version(db: sqlite3.Connection) -> int:
    """The step the file has reached; 0 for a new one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def whole(db: sqlite3.Connection) -> bool:
    """Whether a file that has reached the last step has every table and index of it, to the letter."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        upgrade(fresh)
        return _objects(fresh) <= _objects(db)


def _objects(db: sqlite3.Connection) -> set[str]:
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    return {sql for (sql,) in db.execute(query)}


def upgrade(db: sqlite3.Connection) -> None:
    """Take the missing steps, all in one commit. A file of a newer agent is left as it is."""
    missing = [number for number in sorted(STEPS) if number > version(db)]
    if not missing:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for number in missing:
            for statement in STEPS[number]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
