# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bans in fail2ban's own log, for jails that do not ask the warden.

Only `Ban` is a new decision: what is restored at a start, lifted, found banned already or made longer is none.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from stockade.addresses import parse_network
from stockade.report.journal import NoJournal, entries
from stockade.report.rows import Found, Row, joined, one_each
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
_ROTATED = re.compile(r"(?P<which>\.\d+|-\d{8}(?:-\d+)?)?(?:\.(?:gz|xz|bz2))?")
_BEFORE = 86_400  # seconds: what was last written so long before the span has nothing of it, whatever the clock did
_MISSING = "bans of jails that do not ask the warden may be missing"


def found(since: int, until: int) -> Found:
    """Bans that fail2ban decided in the span (epoch seconds), from its log and from the journal, whichever it writes.

    Where there is no fail2ban, there is nothing to find.
    """
    problems: list[str] = []
    logs = _logs(LOG, since)
    rows = one_each(row for row in _in_logs(logs, problems) if since <= row.last < until)
    try:
        said = one_each(row for row in _in_journal(since) if row.last < until)
    except NoJournal as error:
        said = ()
        if not logs and os.path.exists(SOCKET):
            problems.append(f"{_MISSING}: {error}")
    return Found(joined(rows, said), tuple(problems))


def _logs(log: Path, since: int) -> list[Path]:
    """The log and what logrotate made of it within the span, oldest first. Copies of other names are somebody's own."""
    dated: dict[str, tuple[float, Path]] = {}
    for path in sorted(log.parent.glob(log.name + "*"), reverse=True):
        number = _ROTATED.fullmatch(path.name.removeprefix(log.name))
        try:
            about = path.stat()
        except OSError:
            continue
        if number and stat.S_ISREG(about.st_mode) and about.st_mtime >= since - _BEFORE:
            # In this order the plain file of one that is being packed comes last, and stays.
            dated[number["which"] or ""] = (about.st_mtime, path)
    return [path for _changed, path in sorted(dated.values())]


def _in_logs(logs: list[Path], problems: list[str]) -> Iterator[Row]:
    for path in logs:
        try:
            yield from _in_log(path)
        except LogError as error:
            hint = "" if os.access(path, os.R_OK) else " (chgrp adm and chmod 0640 let the reports read it)"
            problems.append(f"{_MISSING}: {error}{hint}")


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


def _in_journal(since: int) -> Iterator[Row]:
    """Raises NoJournal."""
    for entry in entries(UNIT, since):
        match = _LINE.fullmatch(entry.message)  # a log to its standard output, which systemd takes
        if match is None and entry.name == LOGGER:
            match = _MESSAGE.fullmatch(entry.message.strip())
        if match and (row := _row(match, entry.at)) is not None:
            yield row


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
