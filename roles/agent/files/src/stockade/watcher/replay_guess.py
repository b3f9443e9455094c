# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What format a log has: every known one reads its first lines, and the one that understands most of them has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from stockade.watcher import formats
from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.config.inputs import DIALECTS, FORMATS
from stockade.watcher.events import Format
from stockade.watcher.replay_logs import Log

# Formats whose headers are those of syslog take each other's lines for lines of another program.
_PROGRAMS = {"sshd": b"sshd", "proftpd": b"proftpd"}
_ZONED = ("sshd", "proftpd", "nginx-error", "apache-error")


def candidates(*, wanted: str | None = None, timezone: str = "", known: Sequence[Input] = ()) -> list[Input]:
    """Every way to read a log: first those of the inputs `known`, because they say more than a format alone."""
    standard = [Input(name, format=name) for name in FORMATS if name != "access-json"]
    standard.insert(1, Input("access-vhost", vhost=True))
    standard += [Input(f"json-{dialect}", format="access-json", dialect=dialect) for dialect in DIALECTS]
    taken = {entry.name for entry in known}
    found = [*known, *(entry for entry in standard if entry.name not in taken)]
    return [
        replace(entry, timezone=timezone) if timezone and entry.format in _ZONED else entry
        for entry in found
        if wanted in (None, entry.format)
    ]


def guess(log: Log, ways: Sequence[Input], *, sure: bool = False) -> bool:
    """Find out how a log is read, and when it begins. False if no way fits most of its lines, unless one is `sure` to.

    A log without a line is read in the first way.
    """
    best: tuple[int, int, int] | None = None
    for entry in ways:
        parser = formats.create(entry, Clients(own=(), kinds=("address",)), inputs=8)
        dated(parser, log)
        events = parser.parse(log.sample)
        program = _PROGRAMS.get(entry.format)
        named = sum(program in line for line in log.sample) if program else 0
        rank = parser.parsed, len(events), named
        if best is None or rank > best:
            best, log.entry = rank, entry
            log.first = next((time for line in log.sample if (time := parser.time_of(line)) is not None), None)
    fits = best is not None and best[0] * 2 > len(log.sample)
    log.sample = log.sample[:1]  # for whoever has to show what it looks like
    return sure or fits or not log.sample


def dated(parser: Format, log: Log) -> None:
    """Times without a year are no later than the last change of the log."""
    syslog = getattr(parser, "syslog", None)
    if syslog is not None:
        cast(Any, syslog).moments.reference = log.changed
