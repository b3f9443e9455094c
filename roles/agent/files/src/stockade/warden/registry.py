# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: live bans, their history and the whitelist, in one SQLite file with one opener.

Every public method that writes is one transaction, durable when it returns (WAL, `synchronous=FULL`).
Times are epoch seconds. A ban is live while `expires_at` lies ahead of the clock; nothing is stored when it passes,
so a clock that goes back and forth loses and revives nothing. Rows long past are moved to the history by `tidy`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockade.addresses import Network, format_network, parse_network

SCHEMA_VERSION = 1
HISTORY_SECONDS = 90 * 86400
GRACE_SECONDS = 86400  # how long an expired row stays where a clock that went back still finds it

_SCHEMA = """
CREATE TABLE bans (
  id TEXT PRIMARY KEY, network TEXT NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
  source TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, banned_at INTEGER NOT NULL, expires_at INTEGER,
  UNIQUE (network, source, origin)
) WITHOUT ROWID;
CREATE INDEX bans_range ON bans (first, last);
CREATE INDEX bans_source ON bans (source);
CREATE TABLE history (
  id TEXT NOT NULL, network TEXT NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,
  banned_at INTEGER NOT NULL, expires_at INTEGER, ended_at INTEGER NOT NULL, ended_by TEXT NOT NULL
);
CREATE INDEX history_id ON history (id);
CREATE INDEX history_ended ON history (ended_at);
CREATE TABLE whitelist (
  network TEXT NOT NULL, list TEXT NOT NULL, comment TEXT NOT NULL, added_at INTEGER NOT NULL, expires_at INTEGER,
  PRIMARY KEY (network, list)
) WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_BAN = "id, network, source, origin, reason, banned_at, expires_at"
_LIVE = "(expires_at IS NULL OR expires_at > :now)"


@dataclass(frozen=True, slots=True)
class Ban:
    """One reason why a network is refused; `expires_at` None means permanent."""

    id: str
    network: Network
    source: str
    origin: str
    reason: str
    banned_at: int
    expires_at: int | None

    def wire(self) -> dict[str, Any]:
        """The row as the protocol shows it."""
        return {
            "id": self.id,
            "network": format_network(self.network),
            "source": self.source,
            "origin": self.origin,
            "reason": self.reason,
            "banned_at": self.banned_at,
            "expires_at": self.expires_at,
        }


@dataclass(frozen=True, slots=True)
class WhitelistEntry:
    """A network that is never banned; `list_name` names who keeps the entry, `expires_at` None means unlimited."""

    network: Network
    list_name: str
    comment: str
    added_at: int
    expires_at: int | None

    def wire(self) -> dict[str, Any]:
        """The entry as the protocol shows it."""
        return {
            "network": format_network(self.network),
            "list": self.list_name,
            "comment": self.comment,
            "expires_at": self.expires_at,
        }


def _key(network: Network) -> tuple[bytes, bytes]:
    """First and last address of the network as 16 bytes; IPv4 sorts inside ::ffff:0:0/96."""
    lead = b"\0" * 10 + b"\xff\xff" if network.version == 4 else b""
    return lead + network.network_address.packed, lead + network.broadcast_address.packed


def _ban(row: tuple[Any, ...]) -> Ban:
    return Ban(row[0], parse_network(row[1]), *row[2:])


class Registry:
    """The one opener of the file at `path` (`:memory:` for tests)."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA trusted_schema=OFF")
        self.version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if self.version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self.version = SCHEMA_VERSION

    @property
    def writable(self) -> bool:
        """False if a newer agent wrote this file: this one then enforces and refuses writes."""
        return self.version <= SCHEMA_VERSION

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are one commit, or none of them happened."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; a clean close leaves no WAL behind."""
        self._db.close()

    # bans

    def change(
        self,
        *,
        now: int,
        put: Iterable[Ban] = (),
        end: Iterable[Ban] = (),
        ended_by: str = "",
        put_whitelist: Iterable[WhitelistEntry] = (),
        end_whitelist: Iterable[WhitelistEntry] = (),
    ) -> None:
        """Everything one request changes, in one commit.

        The rows of `end` move to the history, and so does a row that one of `put` replaces (same network, source and
        origin). A whitelist entry of the same network and list is replaced.
        """
        with self.transaction():
            for entry in end_whitelist:
                key = (format_network(entry.network), entry.list_name)
                self._db.execute("DELETE FROM whitelist WHERE network = ? AND list = ?", key)
            for entry in put_whitelist:
                self._db.execute(
                    "INSERT OR REPLACE INTO whitelist (network, list, comment, added_at, expires_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (format_network(entry.network), entry.list_name, entry.comment, entry.added_at, entry.expires_at),
                )
            for ban in end:
                self._end(ban, now, ended_by)
            for ban in put:
                self._put(ban, now)

    def _end(self, ban: Ban, ended_at: int, ended_by: str) -> None:
        self._db.execute(
            f"INSERT INTO history ({_BAN}, ended_at, ended_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*ban.wire().values(), ended_at, ended_by),
        )
        self._db.execute("DELETE FROM bans WHERE id = ?", (ban.id,))

    def _put(self, ban: Ban, now: int) -> None:
        network = format_network(ban.network)
        key = (network, ban.source, ban.origin)
        row = self._db.execute(
            f"SELECT {_BAN} FROM bans WHERE network = ? AND source = ? AND origin = ?", key
        ).fetchone()
        if row is not None:
            old = _ban(row)
            expired = old.expires_at is not None and old.expires_at <= now
            self._end(old, old.expires_at if expired and old.expires_at else now, "expired" if expired else "renewed")
        self._db.execute(
            f"INSERT INTO bans ({_BAN}, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*ban.wire().values(), *_key(ban.network)),
        )

    def live(self, now: int, *, network: Network | None = None, source: str | None = None) -> list[Ban]:
        """Live bans, newest first, of exactly this network and this source where given."""
        query, values = f"SELECT {_BAN} FROM bans WHERE {_LIVE}", {"now": now, "network": "", "source": source}
        if network is not None:
            query += " AND network = :network"
            values["network"] = format_network(network)
        if source is not None:
            query += " AND source = :source"
        return [_ban(row) for row in self._db.execute(query + " ORDER BY banned_at DESC, network", values)]

    def newest(self, now: int, limit: int) -> list[Ban]:
        """At most `limit` live bans, newest first."""
        query = f"SELECT {_BAN} FROM bans WHERE {_LIVE} ORDER BY banned_at DESC, network LIMIT :limit"
        return [_ban(row) for row in self._db.execute(query, {"now": now, "limit": limit})]

    def inside(self, now: int, network: Network) -> list[Ban]:
        """Live bans of `network` and of every network inside it."""
        first, last = _key(network)
        query = f"SELECT {_BAN} FROM bans WHERE first >= :first AND first <= :last AND last <= :last AND {_LIVE}"
        rows = (_ban(row) for row in self._db.execute(query, {"first": first, "last": last, "now": now}))
        return [ban for ban in rows if ban.network.version == network.version]  # ::/32 holds no IPv4

    def covering(self, now: int, network: Network) -> list[Ban]:
        """Live bans of networks that contain `network`, itself included, narrowest first."""
        supernets = [format_network(network.supernet(new_prefix=length)) for length in range(network.prefixlen + 1)]
        marks = ", ".join("?" * len(supernets))
        query = f"SELECT {_BAN} FROM bans WHERE network IN ({marks}) AND (expires_at IS NULL OR expires_at > ?)"
        rows = [_ban(row) for row in self._db.execute(query, (*supernets, now))]
        return sorted(rows, key=lambda ban: (-ban.network.prefixlen, ban.source))

    def known_id(self, ban_id: str) -> bool:
        """True if a ban of this id was ever recorded (and not yet forgotten with the history)."""
        query = "SELECT 1 FROM bans WHERE id = :id UNION ALL SELECT 1 FROM history WHERE id = :id LIMIT 1"
        return self._db.execute(query, {"id": ban_id}).fetchone() is not None

    def in_force(self, now: int, networks: Iterable[Network] | None = None) -> dict[Network, int | None]:
        """What the kernel has to hold: each banned network with the longest end of its rows (None: permanent)."""
        query = (
            "SELECT network, CASE WHEN COUNT(*) > COUNT(expires_at) THEN NULL ELSE MAX(expires_at) END"
            f" FROM bans WHERE {_LIVE}"
        )
        if networks is None:
            rows = self._db.execute(query + " GROUP BY network", {"now": now})
            return {parse_network(network): expires for network, expires in rows}
        result: dict[Network, int | None] = {}
        for network in networks:
            values = {"now": now, "network": format_network(network)}
            for _network, expires in self._db.execute(query + " AND network = :network GROUP BY network", values):
                result[network] = expires
        return result

    def counts(self, now: int) -> dict[str, int]:
        """Live bans for each source."""
        query = f"SELECT source, COUNT(*) FROM bans WHERE {_LIVE} GROUP BY source ORDER BY source"
        return dict(self._db.execute(query, {"now": now}).fetchall())

    def networks(self, now: int) -> int:
        """How many different networks are banned."""
        query = f"SELECT COUNT(DISTINCT network) FROM bans WHERE {_LIVE}"
        return int(self._db.execute(query, {"now": now}).fetchone()[0])

    def tidy(self, now: int) -> None:
        """Move rows that expired long ago to the history and forget old history."""
        query = f"SELECT {_BAN} FROM bans WHERE expires_at <= ? LIMIT 10000"
        expired = [_ban(row) for row in self._db.execute(query, (now - GRACE_SECONDS,))]
        with self.transaction():
            for ban in expired:
                self._end(ban, ban.expires_at or now, "expired")
            self._db.execute("DELETE FROM history WHERE ended_at < ?", (now - HISTORY_SECONDS,))
            self._db.execute("DELETE FROM whitelist WHERE expires_at < ?", (now - GRACE_SECONDS,))

    # whitelist

    def whitelist(self, now: int) -> list[WhitelistEntry]:
        """Entries that hold, in the order of their text."""
        query = (
            f"SELECT network, list, comment, added_at, expires_at FROM whitelist WHERE {_LIVE} ORDER BY network, list"
        )
        return [WhitelistEntry(parse_network(row[0]), *row[1:]) for row in self._db.execute(query, {"now": now})]

    # settings

    @property
    def released(self) -> bool:
        """True after `stockade release`, until `stockade resume`."""
        return bool(self._db.execute("SELECT 1 FROM settings WHERE key = 'released' AND value = 'yes'").fetchone())

    @released.setter
    def released(self, value: bool) -> None:
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO settings (key, value) VALUES ('released', ?)", ("yes" if value else "no",)
            )
