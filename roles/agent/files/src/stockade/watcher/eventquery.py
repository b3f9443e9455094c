# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events database holds, asked by `stockade report`.

The file is the watcher's, who reads hostile text, and the one who asks is root: it is opened as the file's owner, so a
database that somebody planted gains nothing, read only, and nothing in its schema is trusted.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = Path("/var/lib/stockade-watcher/events.db")
COLUMNS = ("at", "input", "rule", "address", "kind", "user", "text", "count")
_TIMEOUT = 5.0  # seconds


class NoEvents(Exception):
    """There is no database that can be read; the text says why, and what to do."""


def events(
    path: Path, *, address: str | None, rule: str | None, since: int | None, until: int | None, limit: int
) -> list[dict[str, Any]]:
    """Events, newest first. `since` and `until` are epoch seconds; None is any. Raises NoEvents."""
    wanted = [("address = ?", address), ("at >= ?", since), ("at < ?", until)]
    # several rules may have seen a message: their names stand apart by blanks
    wanted += [("' ' || rule || ' ' LIKE ?", None if rule is None else f"% {rule} %")]
    chosen = [(text, value) for text, value in wanted if value is not None]
    where = f"WHERE {' AND '.join(text for text, _value in chosen)}" if chosen else ""
    query = f"SELECT {', '.join(COLUMNS)} FROM events {where} ORDER BY at DESC, id DESC LIMIT ?"
    try:
        with _as_owner(path), _opened(path) as db:
            rows = db.execute(query, (*(value for _text, value in chosen), limit)).fetchall()
    except FileNotFoundError:
        raise NoEvents(f"no events on this host (no {path}): the watcher has not run, or keeps none") from None
    except (sqlite3.Error, OSError) as error:
        raise NoEvents(f"cannot read {path}: {error}") from None
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_TIMEOUT)
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA query_only=ON")
        yield db
    finally:
        db.close()


@contextmanager
def _as_owner(path: Path) -> Iterator[None]:
    """Be the owner of the file's directory for a while, where root asks. Raises OSError for what is no plain file."""
    about = os.lstat(path)
    if not stat.S_ISREG(about.st_mode):
        raise OSError("not a regular file")
    owner = os.stat(path.parent)
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
