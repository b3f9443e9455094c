# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report`: what the watcher has seen and decided on this host."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from stockade import durations
from stockade.addresses import parse_network
from stockade.cli.tables import moment, table
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible
from stockade.watcher.eventquery import NoEvents, events

COLUMNS = ("time", "address", "what", "times", "rule", "user", "text")


def report(options: argparse.Namespace) -> int:
    """`stockade report`. Raises ProtocolError for what cannot be understood, OSError for what cannot be read."""
    address = None if options.address is None else _address(options.address)
    since, until = (_time(text) for text in (options.since, options.until))
    try:
        found = events(
            Path(options.events), address=address, rule=options.rule, since=since, until=until, limit=options.limit
        )
    except NoEvents as error:
        print(f"stockade: {visible(str(error), 1000)}", file=sys.stderr)
        return 1
    if options.json:
        rows = [{**row, "time": _iso(row["at"])} for row in found]
        print(json.dumps({"events": rows, "truncated": len(rows) == options.limit}, indent=2))
        return 0
    if not found:
        print("no such events")
        return 0
    print("\n".join(table(COLUMNS, [_row(row) for row in found])))
    if len(found) == options.limit:
        print(f"… the newest {options.limit}; --limit shows more")
    return 0


def _row(row: dict[str, object]) -> tuple[str, ...]:
    cells = (row["address"], row["kind"], row["count"], row["rule"], row["user"] or "", row["text"])
    return (moment(int(str(row["at"]))), *(visible(str(cell)) for cell in cells))


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _address(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError as error:
        raise ProtocolError(INVALID, str(error)) from None


def _time(text: str | None) -> int | None:
    """Epoch seconds of `2026-03-01`, `2026-03-01T12:00` (this host's time) or `2h` (so long ago)."""
    if text is None:
        return None
    try:
        seconds = durations.parse(text)
    except ValueError:
        pass
    else:
        return None if seconds is None else int(time.time()) - seconds
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ProtocolError(INVALID, f"{text[:40]!r} is no time (examples: 2h, 2026-03-01, 2026-03-01T12:00)") from None
