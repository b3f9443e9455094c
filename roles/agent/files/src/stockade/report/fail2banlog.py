# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bans in fail2ban's own log, for jails that do not ask the warden.

Only `Ban` is a new decision: what is restored at a start, lifted, found banned already or made longer is none.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from stockade.addresses import parse_network
from stockade.report.journal import NoJournal, entries
from stockade.report.rows import Found, Row, one_each
from stockade.watcher.replay_logs import Log, LogError

LOG = Path("/var/log/fail2ban.log")
SOCKET = Path("/run/fail2ban/fail2ban.sock")
UNIT = "fail2ban.service"
LOGGER = "fail2ban.actions"
UNKNOWN = "unknown"  # where a line names no jail
IN_LOG = ""  # the log says that somebody was banned, not what became of it
_SAID = r"(?:\[(?P<jail>[^\[\]]+)\] )?Ban (?P<address>\S+)"
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:[,.]\d+)? fail2ban\.actions\s*\[\d+\]: NOTICE\s+" + _SAID + r"\s*"
)
_MESSAGE = re.compile(r"(?:NOTICE\s+)?" + _SAID)
_BEFORE = 86_400  # seconds: what was last written so long before the span has nothing of it, whatever the clock did


def found(since: int, until: int) -> Found:
    """Bans that fail2ban decided in the span (epoch seconds). Where there is no fail2ban, there is nothing to find."""
    logs = _logs(LOG, since)
    if not logs:
        return _in_journal(since, until) if os.path.exists(SOCKET) else Found(())
    rows: list[Row] = []
    problems = []
    for path in logs:
        try:
            rows += (row for row in _in_log(path) if since <= row.last < until)
        except LogError as error:
            hint = " (chgrp adm and chmod 0640 let the reports read it)" if not os.access(path, os.R_OK) else ""
            problems.append(f"bans of jails that do not ask the warden may be missing: {error}{hint}")
    return Found(one_each(rows), tuple(problems))


def _logs(log: Path, since: int) -> list[Path]:
    """The log and what of it was rotated within the span, by whatever scheme; oldest first."""
    dated = []
    for path in log.parent.glob(log.name + "*"):
        try:
            about = path.stat()
        except OSError:
            continue
        if path.is_file() and about.st_mtime >= since - _BEFORE:
            dated.append((about.st_mtime, path))
    return [path for _changed, path in sorted(dated)]


def _in_log(path: Path) -> Iterator[Row]:
    """Raises LogError."""
    log = Log(str(path))
    try:
        while lines := log.read():
            for line in lines:
                match = _LINE.fullmatch(line.decode("utf-8", "replace")) if b"Ban " in line else None
                if match and (row := _row(match, _epoch(match["time"]))) is not None:
                    yield row
    finally:
        log.close()


def _in_journal(since: int, until: int) -> Found:
    rows = []
    try:
        for entry in entries(UNIT, since):
            match = _MESSAGE.fullmatch(entry.message.strip()) if entry.name == LOGGER else None
            if match and entry.at < until and (row := _row(match, entry.at)) is not None:
                rows.append(row)
    except NoJournal as error:
        return Found((), (f"bans of jails that do not ask the warden may be missing: {error}",))
    return Found(one_each(rows))


def _row(match: re.Match[str], at: int | None) -> Row | None:
    try:
        network = parse_network(match["address"])
    except ValueError:
        return None
    return None if at is None else Row(network, match["jail"] or UNKNOWN, 1, at, at, IN_LOG)


def _epoch(text: str) -> int | None:
    """Epoch seconds of the log's time, which is the host's own."""
    try:
        return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None
