# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `stockade status` tells about the watcher, from its status file.

The file is another, less trusted user's, and its reader is root: bounded, never by way of a link, and shown as text.
"""

from __future__ import annotations

import json
import os
import stat
import time
from typing import Any

from stockade.cli.tables import coloured
from stockade.durations import human
from stockade.text import visible

WATCHER = "/run/stockade-watcher/status.json"
MAX_BYTES = 256 * 1024
_STALE = 30  # seconds; it is written every five
_COLOURS = {"watching": "green", "stopped": "yellow"}


def read_watcher(path: str = WATCHER) -> dict[str, Any] | None:
    """The watcher's status; None where no watcher has run. One that is too old, or cannot be read, is `silent`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return {"state": "silent", "problems": [f"cannot read {path}: {error.strerror}"]}
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        text = file.read(MAX_BYTES) if stat.S_ISREG(about.st_mode) and about.st_size <= MAX_BYTES else b""
    try:
        status = json.loads(text)
    except (RecursionError, ValueError):
        status = None
    if not isinstance(status, dict):
        return {"state": "silent", "problems": [f"{path} is no status"]}
    age = time.time() - _number(status.get("at"))
    if age > _STALE and status.get("state") != "stopped":
        return {**status, "state": "silent", "problems": [f"nothing was heard for {human(max(1, int(age)))}"]}
    return status


def watcher_lines(status: dict[str, Any]) -> list[str]:
    """The lines of `stockade status`."""
    state = visible(str(status.get("state")))
    inputs = [entry for entry in _list(status.get("inputs")) if isinstance(entry, dict)]
    lag = max([_number(entry.get("lag_seconds")) for entry in inputs], default=0)
    summary = f"{len(inputs)} inputs, {_number(status.get('lines_per_second'))} lines/s, lag {human(lag)}"
    tracked = max(
        [_number(rule.get("tracked")) for rule in _list(status.get("rules")) if isinstance(rule, dict)], default=0
    )
    decided = f"{tracked} clients tracked, {_number(status.get('bans'))} bans, {_number(status.get('pending'))} waiting"
    lines = [f"watcher    {coloured(state, _COLOURS.get(state, 'red'))}: {summary}; {decided}"]
    losses = (("dropped", "bans dropped"), ("late", "bans too late"), ("events_dropped", "events not kept"))
    if lost := [f"{_number(status.get(key))} {what}" for key, what in losses if _number(status.get(key)) > 0]:
        lines.append(f"{coloured('lost', 'yellow')}       {', '.join(lost)}")
    lines += [f"{coloured('problem', 'red')}    {visible(str(text))}" for text in _list(status.get("problems"))[:20]]
    for entry in inputs:
        unparsed = f", {_number(entry.get('unparsed'))} unparsed" if entry.get("unparsed") else ""
        name, path = visible(str(entry.get("name"))), visible(str(entry.get("path")))
        lines.append(f"           {name:<12} {path}: {_number(entry.get('lines'))} lines{unparsed}")
    return lines


def _number(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e18 else 0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
