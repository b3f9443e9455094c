# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report`: what the watcher has seen and decided on this host."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from stockade import durations
from stockade.addresses import parse_network
from stockade.cli import complain
from stockade.cli.tables import moment, table, utc
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible
from stockade.watcher.eventquery import NoEvents, Question, events

COLUMNS = ("time", "address", "what", "times", "rule", "user", "text")
MAX_LIMIT = 100_000
UNKNOWN = "(no account)"  # a name was tried that is not kept


def report(options: argparse.Namespace) -> int:
    """`stockade report`. Raises ProtocolError for what cannot be understood."""
    question = _question(options)
    try:
        found = events(Path(options.events), question)
    except NoEvents as error:
        complain(str(error))
        return 1
    more = len(found) > options.limit
    found = found[: options.limit]
    if options.json:
        answer = {"events": [{**row, "time": utc(row["at"])} for row in found], "truncated": more}
        print(json.dumps(answer, indent=2 if sys.stdout.isatty() else None))
        return 0
    lines = table(COLUMNS, [_row(row) for row in found]) if found else ["no such events"]
    print("\n".join(lines))
    if more:
        print(f"… the newest {options.limit}; --limit shows more")
    return 0


def _question(options: argparse.Namespace) -> Question:
    """What is asked for, one more than is shown."""
    if not 1 <= options.limit <= MAX_LIMIT:
        raise ProtocolError(INVALID, f"--limit: a number from 1 to {MAX_LIMIT} is needed")
    try:
        address = None if options.address is None else parse_network(options.address)
    except ValueError as error:
        raise ProtocolError(INVALID, str(error)) from None
    if options.rule is not None and not options.rule.isprintable():
        raise ProtocolError(INVALID, f"--rule: {options.rule[:64]!r} is no name of a rule")
    since, until = _time(options.since), _time(options.until)
    if since is not None and until is not None and since >= until:
        raise ProtocolError(INVALID, "--until lies before --since")
    return Question(address=address, rule=options.rule, since=since, until=until, limit=options.limit + 1)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    user = UNKNOWN if row["user"] is None else row["user"]
    cells = [visible(str(cell)) for cell in (row["address"], row["kind"], row["count"], row["rule"], user)]
    return (moment(row["at"]), *cells, visible(row["text"], 5000))


def _time(text: str | None) -> int | None:
    """Epoch seconds of `2026-03-01`, `2026-03-01T12:00` (this host's time unless it says) or `2h` (so long ago)."""
    if text is None:
        return None
    try:
        seconds = durations.parse(text)
    except ValueError:
        seconds = None
    if seconds is not None:
        return int(time.time()) - seconds
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ProtocolError(INVALID, f"{text[:40]!r} is no time (examples: 2h, 2026-03-01, 2026-03-01T12:00)") from None
