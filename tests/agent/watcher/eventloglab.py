# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events for the events database, and its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from stockade.watcher.eventlog import EventLog

NOON = 1_791_633_600
DAY = 86_400
SAID = "Failed password for root from 203.0.113.9 port 22 ssh2"


def add(log: EventLog, **fields: Any) -> None:
    event = {"at": NOON, "source": "auth", "rule": "logins", "address": "203.0.113.9", "kind": "failure"}
    log.add(**{**event, "user": "root", "text": SAID, **fields})


def rows(path: Path, columns: str = "at, input, rule, address, kind, user, text, count") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT {columns} FROM events ORDER BY id").fetchall()
