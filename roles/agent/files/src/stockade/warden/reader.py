# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry is asked: live bans, what covers an address, what has to be in force, what was."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections.abc import Iterator, Sequence, Set
from typing import Any

from stockade.addresses import Network
from stockade.warden.decided import Decision
from stockade.warden.rows import ALARM, Ban, Declaration, EndedBan, WhitelistEntry, key_of, network_of

_FEW = 1000  # networks that are looked up one by one; for more, all are read at once
COLUMNS = "key, source, origin, id, reason, banned_at, expires_at"
LISTED = "source LIKE 'list/%'"
_LIVE = "(expires_at IS NULL OR expires_at > :now)"
_DYNAMIC = f"expires_at IS NOT NULL AND expires_at > :now AND NOT {LISTED}"


def as_ban(row: Sequence[Any]) -> Ban:
    """The ban of a row of `COLUMNS`."""
    return Ban(network_of(row[0]), *row[1:7])


class Reader:
    """The questions of a registry over its connection; all times are epoch seconds."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._dynamic_at_most = sys.maxsize  # an upper bound, so that no ban has to count
        self._whitelist: list[WhitelistEntry] | None = None  # as it was read, true within these epoch seconds
        self._whitelist_holds: tuple[float, float] = (0, 0)

    # bans

    def live(self, now: int, *, network: Network | None = None, source: str | None = None) -> list[Ban]:
        """Live bans, newest first, of exactly this network and this source where given."""
        return list(self._select(now, network=network, source=source))

    def newest(self, now: int, limit: int, source: str | None = None) -> list[Ban]:
        """At most `limit` live bans, newest first."""
        return list(self._select(now, source=source, limit=limit))

    def _select(
        self, now: int, *, network: Network | None = None, source: str | None = None, limit: int = -1
    ) -> Iterator[Ban]:
        query, values = f"SELECT {COLUMNS} FROM bans WHERE {_LIVE}", {"now": now, "limit": limit, "source": source}
        if network is not None:
            query += " AND key = :key"
            values["key"] = key_of(network)  # type: ignore[assignment]
        if source is not None:
            query += " AND source = :source"
        return map(as_ban, self._db.execute(query + " ORDER BY banned_at DESC, key DESC LIMIT :limit", values))

    def inside(self, now: int, network: Network) -> list[Ban]:
        """Live bans of `network` and of every network inside it."""
        last = network.supernet(network.prefixlen)._replace(first=network.last, prefixlen=network.max_prefixlen)
        query = f"SELECT {COLUMNS} FROM bans WHERE key >= :first AND key <= :last AND {_LIVE}"
        rows = map(as_ban, self._db.execute(query, {"first": key_of(network), "last": key_of(last), "now": now}))
        return [ban for ban in rows if ban.network.version == network.version]  # ::/32 holds no IPv4

    def covering(self, now: int, network: Network) -> list[Ban]:
        """Live bans of networks that contain `network`, itself included, narrowest first."""
        keys, marks = _around(network)
        query = f"SELECT {COLUMNS} FROM bans WHERE key IN ({marks}) AND (expires_at IS NULL OR expires_at > ?)"
        rows = map(as_ban, self._db.execute(query, (*keys, now)))
        return sorted(rows, key=lambda ban: (-ban.network.prefixlen, ban.source))

    def known_id(self, ban_id: str, source: str, origin: str) -> bool:
        """True if this source of this origin ever had a ban of this id recorded (and it is not forgotten yet)."""
        same = "id = :id AND source = :source AND origin = :origin"
        query = f"SELECT 1 FROM bans WHERE {same} UNION ALL SELECT 1 FROM history WHERE {same} LIMIT 1"
        return self._db.execute(query, {"id": ban_id, "source": source, "origin": origin}).fetchone() is not None

    def in_force(self, now: int, networks: Set[Network] | None = None) -> dict[Network, int | None]:
        """What the kernel has to hold: each banned network with the longest end of its rows (None: permanent)."""
        query = (
            "SELECT key, CASE WHEN COUNT(*) > COUNT(expires_at) THEN NULL ELSE MAX(expires_at) END"
            f" FROM bans WHERE {_LIVE}"
        )
        if networks is None or len(networks) > _FEW:
            rows = self._db.execute(query + " GROUP BY key", {"now": now})
            found = {network_of(key): expires for key, expires in rows}
            return found if networks is None else {net: found[net] for net in networks if net in found}
        result: dict[Network, int | None] = {}
        for network in networks:
            values = {"now": now, "key": key_of(network)}
            for _network, expires in self._db.execute(query + " AND key = :key GROUP BY key", values):
                result[network] = expires
        return result

    def repeats(self, now: int, network: Network, window: int) -> int:
        """How many bans of exactly this network ran their time out in the last `window` seconds.

        Only what was decided here: lists do not count, nor what many hosts of the fleet tell of one offence.
        """
        values = {"key": key_of(network), "now": now, "since": now - window}
        ours = f"key = :key AND NOT {LISTED} AND source <> 'fleet'"
        query = (
            f"SELECT (SELECT COUNT(*) FROM history WHERE {ours} AND ended_at > :since AND ended_by = 'expired')"
            f" + (SELECT COUNT(*) FROM bans WHERE {ours} AND expires_at <= :now AND expires_at > :since)"
        )
        return int(self._db.execute(query, values).fetchone()[0])

    def past(self, now: int, network: Network, limit: int) -> list[EndedBan]:
        """Ended bans of `network` and of what contains it, newest end first."""
        keys, marks = _around(network)
        query = (
            f"SELECT {COLUMNS}, ended_at, ended_by FROM history WHERE key IN ({marks})"
            f" UNION ALL SELECT {COLUMNS}, expires_at, 'expired' FROM bans WHERE key IN ({marks}) AND expires_at <= ?"
            " ORDER BY 8 DESC LIMIT ?"
        )
        return [EndedBan(as_ban(row), row[7], row[8]) for row in self._db.execute(query, (*keys, *keys, now, limit))]

    def decided(self, since: int, limit: int) -> list[Decision]:
        """At most `limit` of the bans that were decided since then, the newest first; lists are no decisions.

        A ban that was renewed is one, with the time of its first.
        """
        rows = self._decided("key, source, banned_at", "0", "ended_by <> 'expired'", since, limit)
        return [Decision(key, source, at, bool(lifted)) for key, source, at, lifted in rows]

    def decisions(self, since: int, limit: int) -> list[dict[str, Any]]:
        """The same bans in full, as the protocol shows them; `ended_at` is None where nobody ended it yet."""
        rows = self._decided(COLUMNS, "NULL, ''", "ended_at, ended_by", since, limit)
        return [{**as_ban(row).wire(), "ended_at": row[7], "ended_by": row[8]} for row in rows]

    def _decided(self, columns: str, live: str, ended: str, since: int, limit: int) -> sqlite3.Cursor:
        query = (
            f"SELECT {columns}, {live} FROM bans WHERE banned_at >= :since AND NOT {LISTED}"
            f" UNION ALL SELECT {columns}, {ended} FROM history"
            f" WHERE ended_at >= :since AND banned_at >= :since AND ended_by <> 'renewed' AND NOT {LISTED}"
            " ORDER BY banned_at DESC LIMIT :limit"
        )
        return self._db.execute(query, {"since": since, "limit": limit})

    def counts(self, now: int) -> dict[str, int]:
        """Live bans for each source."""
        query = f"SELECT source, COUNT(*) FROM bans WHERE {_LIVE} GROUP BY source ORDER BY source"
        return dict(self._db.execute(query, {"now": now}).fetchall())

    def networks(self, now: int) -> int:
        """How many different networks are banned."""
        query = f"SELECT COUNT(DISTINCT key) FROM bans WHERE {_LIVE}"
        return int(self._db.execute(query, {"now": now}).fetchone()[0])

    def past_total(self) -> int:
        """How many rows the history has."""
        return int(self._db.execute("SELECT COUNT(*) FROM history").fetchone()[0])

    def declaration(self, now: int, name: str) -> Declaration | None:
        """How a list was declared, if nothing changed since."""
        query = (
            "SELECT digest, counts, valid_until FROM lists WHERE name = ? AND (valid_until IS NULL OR valid_until > ?)"
        )
        row = self._db.execute(query, (name, now)).fetchone()
        return Declaration(row[0], json.loads(row[1]), row[2]) if row else None

    # what is too much

    def excess(self, now: int, most: int) -> int:
        """How many live timed bans beyond `most` there are, lists aside."""
        if self._dynamic_at_most <= most:
            return 0
        query = f"SELECT COUNT(*) FROM bans WHERE {_DYNAMIC}"
        self._dynamic_at_most = int(self._db.execute(query, {"now": now}).fetchone()[0])
        return max(self._dynamic_at_most - most, 0)

    def soonest(self, now: int, count: int) -> list[Ban]:
        """The live timed bans that end first, lists and what was only just acknowledged aside."""
        query = f"SELECT {COLUMNS} FROM bans WHERE {_DYNAMIC} AND banned_at <> :now ORDER BY expires_at LIMIT :count"
        return list(map(as_ban, self._db.execute(query, {"now": now, "count": count})))

    def crowded(self, now: int, least: int) -> list[Network]:
        """The IPv6 /48 networks in which at least `least` /64 are banned for a time, lists aside."""
        query = (
            f"SELECT substr(key, 1, 6) FROM bans WHERE {_DYNAMIC} AND substr(key, 17) = x'40'"
            " GROUP BY 1 HAVING COUNT(DISTINCT key) >= :least"
        )
        rows = self._db.execute(query, {"now": now, "least": least})
        return [network_of(prefix + b"\0" * 10 + b"\x30") for (prefix,) in rows]

    # what followers hear of

    def changes_after(self, seq: int, limit: int) -> list[dict[str, Any]]:
        """Changes in the order they were made, as the protocol shows them."""
        query = (
            "SELECT seq, at, kind, key, source, origin, id, reason, expires_at FROM changes WHERE seq > ?"
            " ORDER BY seq LIMIT ?"
        )
        return [_as_change(row) for row in self._db.execute(query, (seq, limit))]

    def last_change(self) -> int:
        """The number of the newest change."""
        return int(self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence").fetchone()[0])

    # whitelist

    def whitelist(self, now: int) -> list[WhitelistEntry]:
        """Entries that hold, in the order of their addresses; the same list as long as it is the same."""
        since, until = self._whitelist_holds
        if self._whitelist is not None and since <= now < until:
            return self._whitelist
        query = f"SELECT key, list, comment, added_at, expires_at FROM whitelist WHERE {_LIVE} ORDER BY key, list"
        self._whitelist = [
            WhitelistEntry(network_of(row[0]), *row[1:]) for row in self._db.execute(query, {"now": now})
        ]
        ends = (entry.expires_at for entry in self._whitelist if entry.expires_at is not None)
        self._whitelist_holds = (now, min(ends, default=math.inf))
        return self._whitelist

    # settings

    @property
    def released(self) -> bool:
        """True after `stockade release`, until `stockade resume`."""
        return bool(self._db.execute("SELECT 1 FROM settings WHERE key = 'released' AND value = 'yes'").fetchone())


def _as_change(row: Sequence[Any]) -> dict[str, Any]:
    names = ("seq", "at", "kind", "network", "source", "origin", "id", "reason", "expires_at")
    if row[2] == ALARM:
        return {**dict(zip(names, (*row[:3], None, *row[4:6], "", *row[7:]), strict=True)), "about": row[6]}
    return dict(zip(names, (*row[:3], str(network_of(row[3])), *row[4:]), strict=True))


def _around(network: Network) -> tuple[list[bytes], str]:
    """Keys of everything that contains `network`, and as many marks for a query."""
    keys = [key_of(supernet) for supernet in network.supernets()]
    return keys, ", ".join("?" * len(keys))
