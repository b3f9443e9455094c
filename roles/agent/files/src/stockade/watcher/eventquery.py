# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events database holds, asked by `stockade report`.

The file is the watcher's, who reads hostile text, and the one who asks is root. So a child that has become the watcher
for good opens it, read only, trusting nothing in its schema; what it says is JSON, and taken as text and numbers.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import stat
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stockade.addresses import Network
from stockade.watcher.clients import FORWARDED

PATH = Path("/var/lib/stockade-watcher/events.db")
COLUMNS = ("at", "input", "rule", "address", "kind", "user", "text", "count")
TIMEOUT = 20.0  # seconds
_LATEST = 253402300799  # epoch seconds: the end of the year 9999
_MAX_TEXT = 4096  # characters
_MAX_BYTES = 128 * 2**20  # of an answer
_MAX_HEAP = 256 * 2**20


class NoEvents(Exception):
    """There is no database that can be read; the text says why, and what to do."""


@dataclass(frozen=True)
class Question:
    """Which events: `since` and `until` (not included) are epoch seconds, None is any; at most `limit`, the newest."""

    address: Network | None = None
    rule: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 100

    def sql(self) -> tuple[str, list[str | int]]:
        """The query and its values."""
        conditions, values = ["1"], list[str | int]()
        if self.address is not None:  # whatever it was counted by: itself, its /64, its /24
            around = [str(network) for network in self.address.supernets()]
            keys = [*around, *(key + FORWARDED for key in around)]
            conditions.append(f"address IN ({', '.join('?' * len(keys))})")
            values += keys
        if self.rule is not None:  # several rules may have seen a message: their names stand apart by blanks
            conditions.append("instr(' ' || rule || ' ', ?) > 0")
            values.append(f" {self.rule} ")
        for condition, moment in (("at >= ?", self.since), ("at < ?", self.until)):
            if moment is not None:
                conditions.append(condition)
                values.append(moment)
        query = f"SELECT {', '.join(COLUMNS)} FROM events WHERE {' AND '.join(conditions)}"
        return f"{query} ORDER BY at DESC, id DESC LIMIT ?", [*values, self.limit]


def events(path: Path, question: Question) -> list[dict[str, Any]]:
    """Events, newest first. Raises NoEvents."""
    try:
        owner = _owner(path)
        rows = _asked(path, question) if owner is None else _asked_as(owner, path, question)
    except FileNotFoundError:
        raise NoEvents(
            f"there is no {path}: the watcher has not run on this host yet, or keeps no events (`events: days` in"
            " /etc/stockade/watcher.toml); see `systemctl status stockade-watcher`"
        ) from None
    except PermissionError as error:
        raise NoEvents(f"cannot read {path}: {error.strerror}: try again with sudo") from None
    except (sqlite3.Error, OSError) as error:
        raise NoEvents(f"cannot read {path}: {error}") from None
    return [_event(row) for row in rows]


def _owner(path: Path) -> tuple[int, int] | None:
    """Whose the file is (uid, gid) if one has to become that first. Raises OSError for what is no file of its owner.

    That is the owner of the directory: a link to somebody else's file proves nothing.
    """
    about, directory = os.lstat(path), os.stat(path.parent)
    if not stat.S_ISREG(about.st_mode):
        raise OSError("it is not a regular file")
    if about.st_uid != directory.st_uid:
        raise OSError("it does not belong to the owner of its directory")
    return (directory.st_uid, directory.st_gid) if os.geteuid() == 0 and directory.st_uid != 0 else None


def _asked(path: Path, question: Question) -> list[Any]:
    """The rows. Raises OSError, sqlite3.Error."""
    os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    end = time.monotonic() + TIMEOUT
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT / 4)) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2**20)
        db.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", f"hard_heap_limit={_MAX_HEAP}"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        if db.execute("SELECT type FROM sqlite_schema WHERE name = 'events'").fetchall() != [("table",)]:
            raise sqlite3.DatabaseError("it is no events database")
        return db.execute(*question.sql()).fetchall()


def _asked_as(owner: tuple[int, int], path: Path, question: Question) -> list[Any]:
    """The rows, from a child that is `owner`. Raises OSError."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(owner, path, question, sending)
    os.close(sending)
    try:
        answer = _received(receiving)
    finally:
        os.close(receiving)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it has said everything, or takes too long
        os.waitpid(child, 0)
    try:
        said = json.loads(answer)
    except (RecursionError, ValueError):
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        raise OSError(said["error"])
    if not isinstance(said, list) or len(said) > question.limit:
        raise OSError("it could not be read to its end")
    return said


def _answer(owner: tuple[int, int], path: Path, question: Question, sending: int) -> NoReturn:
    """The child's part: become the owner, with no way back, ask, and tell."""
    try:
        uid, gid = owner
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        try:
            said: Any = [
                [str(c, "utf-8", "replace") if isinstance(c, bytes) else c for c in row]
                for row in _asked(path, question)
            ]
        except (sqlite3.Error, OSError) as error:
            said = {"error": str(error)}
        with open(sending, "wb") as file:  # bytes: a codec might have to be imported, and cannot be read any more
            file.write(json.dumps(said).encode())
    finally:
        os._exit(0)


def _received(receiving: int) -> bytes:
    """Everything from a pipe. Raises OSError if that is too much, or takes too long."""
    chunks, size, end = list[bytes](), 0, time.monotonic() + 1.5 * TIMEOUT
    while True:
        if not select.select([receiving], [], [], max(0.0, end - time.monotonic()))[0]:
            raise OSError("that takes too long")
        chunks.append(os.read(receiving, 2**20))
        size += len(chunks[-1])
        if not chunks[-1]:
            return b"".join(chunks)
        if size > _MAX_BYTES:
            raise OSError("that is too much at once, ask for fewer events")


def _event(row: Any) -> dict[str, Any]:
    """A row as it should be, whatever stands there."""
    given = dict(zip(COLUMNS, row, strict=False)) if isinstance(row, (list, tuple)) else {}
    event: dict[str, Any] = {}
    for name in COLUMNS:
        value = given.get(name)
        if name in ("at", "count"):
            number = value if isinstance(value, int) else 0
            event[name] = max(0, min(number, _LATEST))
        elif name == "user" and value is None:
            event[name] = None
        else:
            event[name] = "" if value is None else str(value)[:_MAX_TEXT]
    return event
