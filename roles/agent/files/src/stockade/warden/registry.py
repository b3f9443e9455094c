# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: live bans, their history and the whitelist, in one SQLite file with one opener.

Every public method that writes is one transaction, durable when it returns (WAL, `synchronous=FULL`).
Times are epoch seconds. A ban is live while `expires_at` lies ahead of the clock; nothing is stored when it passes,
so a clock that goes back and forth loses and revives nothing. Rows long past are moved to the history by `tidy`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from stockade.warden import schema
from stockade.warden.reader import COLUMNS, Reader
from stockade.warden.rows import ALARM, NO_NETWORK, Ban, Change, key_of

HISTORY_SECONDS = 90 * 86400
HISTORY_ROWS = 1_000_000
CHANGES_SECONDS = 14 * 86400
GRACE_SECONDS = 86400  # how long an expired row stays where a clock that went back still finds it
_TIDY_ROWS = 10_000  # at once: a caller waits no longer than that takes
_WAL_BYTES = 4 * 1024 * 1024  # what the write-ahead log is cut down to after a bulk

# What is enforced, column by column: one wrong bit makes a number text or bytes, or a key that `rows.key_of` never
# makes; the check of the file's structure sees neither.
_ENFORCED = {
    "bans": {"blob": "key", "text": "source origin id reason", "integer": "banned_at expires_at"},
    "whitelist": {"blob": "key", "text": "list comment", "integer": "added_at expires_at"},
}
_STRANGE = " UNION ALL ".join(
    f"SELECT 1 FROM {table} WHERE length(key) <> 17 OR substr(key, 17) > x'80' OR "
    + " OR ".join(
        f"typeof({column}) NOT IN ('{kind}', 'null')" for kind, names in columns.items() for column in names.split()
    )
    for table, columns in _ENFORCED.items()
)

_ROW = "key = ? AND source = ? AND origin = ?"
# three times now, what ended it unless its time had run out, then the row
_AS_HISTORY = (
    f"INSERT INTO history ({COLUMNS}, ended_at, ended_by) SELECT {COLUMNS},"
    " CASE WHEN expires_at <= ? THEN expires_at ELSE ? END, CASE WHEN expires_at <= ? THEN 'expired' ELSE ? END"
    f" FROM bans WHERE {_ROW}"
)
_AS_CHANGE = (
    "INSERT INTO changes (key, source, origin, at, kind, id, reason, expires_at) VALUES (:key, :source, :origin, :now,"
    " CASE WHEN :kind = 'banned' AND EXISTS (SELECT 1 FROM bans WHERE key = :key AND source = :source"
    " AND origin = :origin AND (expires_at IS NULL OR expires_at > :now)) THEN 'renewed' ELSE :kind END,"
    " :id, :reason, :expires_at)"
)


class Registry(Reader):
    """The one opener of the file at `path` (`:memory:` for tests).

    Raises sqlite3.OperationalError if it cannot be opened or written, another sqlite3.DatabaseError if it is broken.
    """

    def __init__(self, path: Path | str) -> None:
        db = sqlite3.connect(path, isolation_level=None)
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a wrong bit in a reason stops nothing
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
            db.execute("PRAGMA trusted_schema=OFF")
            if schema.version(db) <= schema.VERSION:
                schema.upgrade(db)
            self.version = schema.version(db)
            if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(said))
            if self.version == schema.VERSION and not schema.whole(db):
                raise sqlite3.DatabaseError("its schema is not the agent's")
            if self.version >= schema.OLDEST and db.execute(_STRANGE).fetchone():
                raise sqlite3.DatabaseError("a row is no ban and no whitelist entry")
        except UnicodeDecodeError as error:  # in what SQLite says about a broken schema
            db.close()
            raise sqlite3.DatabaseError(f"its schema is broken ({error.reason})") from None
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # of a table or column, not of the disk
                raise sqlite3.DatabaseError(f"its schema is broken ({error})") from None
            raise
        except BaseException:
            db.close()
            raise
        super().__init__(db)
        self.changed = False  # since the last copy
        self.copied_at: int | None = None  # epoch seconds
        self.refusal = ""  # why nothing is written, where nothing can be

    @property
    def writable(self) -> bool:
        """False if a newer agent wrote this file: this one then enforces and refuses writes."""
        return self.version <= schema.VERSION

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are one commit, or none of them happened."""
        if self.refusal:
            raise sqlite3.OperationalError(self.refusal)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.changed = True

    def copy_to(self, path: Path) -> None:
        """A whole copy of the file at `path`, which is replaced. Raises sqlite3.Error or OSError."""
        path.unlink(missing_ok=True)
        target = sqlite3.connect(path)
        try:
            self._db.backup(target)
        finally:
            target.close()

    def go_on_in(self, fresh: Registry) -> None:
        """Take over the file of another one, which is not used any more."""
        self._db.close()
        self._db, self.refusal, self._whitelist = fresh._db, "", None

    def close(self) -> None:
        """Close the file; a clean close leaves no WAL behind."""
        self._db.close()

    # what one request changes

    def change(self, now: int, change: Change) -> None:
        """Take `change` in one commit. What it ends or replaces moves to the history."""
        # sorted, a bulk fills and empties the tree from one side: a third of the time
        put = sorted(((*_row(ban), ban) for ban in change.put), key=itemgetter(0))
        end = sorted(map(_row, change.end))
        with self.transaction():
            self._change_whitelist(change)
            self._db.executemany(_AS_HISTORY, ((now, now, now, change.ended_by, *row) for row in end))
            self._db.executemany(f"DELETE FROM bans WHERE {_ROW}", end)
            self._db.executemany(_AS_HISTORY, ((now, now, now, "renewed", *item[:3]) for item in put))
            self._db.executemany(
                f"INSERT INTO history ({COLUMNS}, ended_at, ended_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'renewed')",
                ((*_row(ban), *ban[3:], now) for ban in change.replaced),
            )
            self._db.executemany(_AS_CHANGE, _told(change.end if change.told else [], now, "lifted"))
            self._db.executemany(_AS_CHANGE, _told(change.put if change.told else [], now, "banned"))
            self._db.executemany(
                f"INSERT OR REPLACE INTO bans ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((*item[:3], *item[3][3:]) for item in put),
            )
            self._remember_list(change)
        self._dynamic_at_most += len(put)

    def _change_whitelist(self, change: Change) -> None:
        if change.passing:
            self._whitelist = None
        self._db.executemany(
            "DELETE FROM whitelist WHERE key = ? AND list = ?",
            ((key_of(entry.network), entry.list_name) for entry in change.end_whitelist),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO whitelist (key, list, comment, added_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            ((key_of(entry.network), *entry[1:]) for entry in change.put_whitelist),
        )

    def _remember_list(self, change: Change) -> None:
        """Forget the digest of every list that this change touches, and keep the one it was declared by."""
        touched = {f"bans/{ban.source[5:]}" for ban in (*change.put, *change.end) if ban.source.startswith("list/")}
        touched |= {f"whitelist/{entry.list_name}" for entry in (*change.put_whitelist, *change.end_whitelist)}
        if change.passing:  # what a list was refused may be allowed now
            touched |= {name for (name,) in self._db.execute("SELECT name FROM lists WHERE name LIKE 'bans/%'")}
        self._db.executemany("DELETE FROM lists WHERE name = ?", ((name,) for name in touched | {change.list_name}))
        if (declared := change.declaration) is not None:
            self._db.execute(
                "INSERT INTO lists (name, digest, counts, valid_until) VALUES (?, ?, ?, ?)",
                (change.list_name, declared.digest, json.dumps(declared.counts), declared.valid_until),
            )

    def record_alarm(self, now: int, *, source: str, origin: str, about: str, text: str) -> None:
        """Tell followers of an alarm. What it is about stands in the place of the id."""
        row = (now, ALARM, NO_NETWORK, source, origin, about, text)
        with self.transaction():
            self._db.execute(
                "INSERT INTO changes (at, kind, key, source, origin, id, reason) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )

    def tidy(self, now: int) -> bool:
        """Move rows that expired long ago to the history, and forget old and surplus history and changes.

        True if there were more of them than are moved at once.
        """
        query = f"SELECT {COLUMNS} FROM bans WHERE expires_at <= ? LIMIT {_TIDY_ROWS}"
        over = [row[:3] for row in self._db.execute(query, (now - GRACE_SECONDS,))]
        with self.transaction():
            self._db.executemany(_AS_HISTORY, ((now, now, now, "", *row) for row in over))
            self._db.executemany(f"DELETE FROM bans WHERE {_ROW}", over)
            self._db.execute("DELETE FROM history WHERE ended_at < ?", (now - HISTORY_SECONDS,))
            surplus = max(self.past_total() - HISTORY_ROWS, 0)
            self._db.execute(
                "DELETE FROM history WHERE rowid IN (SELECT rowid FROM history ORDER BY ended_at LIMIT ?)", (surplus,)
            )
            self._db.execute("DELETE FROM changes WHERE at < ?", (now - CHANGES_SECONDS,))
            self._db.execute("DELETE FROM whitelist WHERE expires_at < ?", (now - GRACE_SECONDS,))
        self._whitelist = None
        return len(over) == _TIDY_ROWS

    def skip_changes(self, now: int) -> None:
        """Number changes from `now` on: those of a lost file that followers have seen are not given out again."""
        last = max(self.last_change(), now)
        with self.transaction():
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'changes'")
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', ?)", (last,))

    def remember_released(self, value: bool) -> None:
        """Keep across restarts whether the warden is released."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO settings (key, value) VALUES ('released', ?)", ("yes" if value else "no",)
            )


def _row(ban: Ban) -> tuple[bytes, str, str]:
    return key_of(ban.network), ban.source, ban.origin


def _told(bans: list[Ban], now: int, kind: str) -> Iterator[dict[str, object]]:
    """What followers hear of: everything but lists, which reach every host by themselves."""
    for ban in bans:
        if not ban.source.startswith("list/"):
            key, source, origin = _row(ban)
            row = {"key": key, "source": source, "origin": origin, "id": ban.id}
            yield {**row, "now": now, "kind": kind, "reason": ban.reason, "expires_at": ban.expires_at}
