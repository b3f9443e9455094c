# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as text, JSON or CSV. Whatever came from a log or a reason is made visible, and is no formula."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

from stockade.cli.tables import utc
from stockade.report.rows import BANNED, Row
from stockade.text import visible

TITLES = {"traffic": "Traffic Monitor", "security": "Security Officer"}
COLUMNS = ("address", "country", "jail", "host", "times", "first", "last", "state", "until", "seen")
CountryOf = Callable[[Row], str]


def text(kind: str, now: float, rows: tuple[Row, ...], country_of: CountryOf, host: str) -> str:
    """The report for people, a line for each row; empty if there is nothing to report."""
    if not rows:
        return ""
    header = f"=== {TITLES[kind]} Report ({time.strftime('%Y-%m-%d %H:%M', time.localtime(now))}) ==="
    line = _alert if kind == "traffic" else _incident
    return "\n".join([header, *(line(row, country_of(row), visible(host)) for row in rows)]) + "\n"


def records(rows: tuple[Row, ...], country_of: CountryOf, host: str) -> list[dict[str, Any]]:
    """The rows for programs; times are UTC in ISO 8601, `until` is None for a ban without an end and for none."""
    return [
        {
            "address": str(row.network),
            "country": country_of(row),
            "jail": row.jail,
            "host": host,
            "times": row.times,
            "first": utc(row.first),
            "last": utc(row.last),
            "state": row.state,
            "until": None if row.until is None else utc(row.until),
            "seen": row.seen,
        }
        for row in rows
    ]


def as_json(found: list[dict[str, Any]], problems: tuple[str, ...]) -> str:
    """Rows, and what stood in the way of finding all of them."""
    return json.dumps({"rows": found, "problems": list(problems)}, indent=2) + "\n"


def as_csv(found: list[dict[str, Any]]) -> str:
    """A table with a line of names; a cell that a spreadsheet would compute begins with an apostrophe."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    for record in found:
        table.writerow([_cell(record[name]) for name in COLUMNS])
    return file.getvalue()


def _incident(row: Row, country: str, host: str) -> str:
    return (
        f"{row.network} ({country}) [{visible(row.jail)}] host={host} bans={row.times} first={_local(row.first)}"
        f" last={_local(row.last)}{_standing(row)}{_seen(row)}"
    )


def _alert(row: Row, country: str, host: str) -> str:
    return (
        f"ALERT: {visible(row.seen)} from {row.network} ({country}) [{visible(row.jail)}] host={host}"
        f" times={row.times} first={_local(row.first)} last={_local(row.last)} result={visible(row.state)}"
    )


def _standing(row: Row) -> str:
    if row.state != BANNED:
        return f" state={visible(row.state)}" if row.state else ""
    return f" state={BANNED} until={'permanent' if row.until is None else _local(row.until)}"


def _seen(row: Row) -> str:
    return f" {visible(row.seen)}" if row.seen else ""


def _local(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(epoch))


def _cell(value: object) -> str:
    cell = "" if value is None else visible(str(value), 1000)
    return "'" + cell if cell[:1] in "=+-@" and cell else cell
