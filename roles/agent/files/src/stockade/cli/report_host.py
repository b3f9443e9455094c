# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report traffic|security`: the reports of this host, on demand and by their timers."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

from stockade import durations
from stockade.cli import complain
from stockade.cli.tables import moment
from stockade.config import ConfigError
from stockade.protocol import INVALID, ProtocolError
from stockade.report import config, show, sources
from stockade.report.country import Countries
from stockade.report.keep import NotKept, RunLog, deliver
from stockade.report.rows import Found, Row
from stockade.text import visible

SPANS = {"traffic": 3600, "security": 86_400}  # seconds
NOTHING = {"traffic": "No traffic spikes to report.", "security": "No security incidents to report."}
SOMETHING = {"traffic": "Report generated and logged.", "security": "Security incidents logged."}
SOURCES = {"traffic": sources.traffic, "security": sources.security}
LONGEST_SPAN = 90 * 86_400  # seconds; the warden remembers no more
REPORTED = 3  # the exit code of --exit-code


class _Report(NamedTuple):
    found: Found
    countries: Countries
    host: str
    since: int
    now: int

    def country_of(self, row: Row) -> str:
        return self.countries.of(row.network)

    def text(self, kind: str) -> str:
        return show.text(kind, self.now, self.found.rows, self.country_of, self.host)


def report(options: argparse.Namespace) -> int:
    """`stockade report traffic|security`. Raises ProtocolError for what cannot be understood."""
    kind = options.kind
    _check(options)
    span = _span(options.since, SPANS[kind])
    try:
        configured = config.read(Path(options.config))
        if options.log is not None:
            return _run_of_the_timer(kind, span, configured, Path(options.log))
        now = int(time.time())
        made = _report(kind, now - span, now, configured)
    except (ConfigError, NotKept) as error:
        complain(str(error))
        return 2 if isinstance(error, ConfigError) else 1
    rows = made.found.rows
    if options.json:
        print(show.as_json(show.records(rows, made.country_of, made.host), _problems(made)), end="")
    elif options.csv:
        print(show.as_csv(show.records(rows, made.country_of, made.host)), end="")
    else:
        print(made.text(kind), end="")
        if not rows and sys.stdout.isatty():
            print(NOTHING[kind])
    for problem in _problems(made):
        complain(problem)
    if made.found.problems:
        return 1
    return REPORTED if rows and options.exit_code else 0


def _run_of_the_timer(kind: str, span: int, configured: config.ReportConfig, directory: Path) -> int:
    """Keep the report in the log and hand it on. Fails if it is not whole, not kept or not delivered."""
    log = RunLog(directory, kind)
    now = int(time.time())
    log.line(f"Starting {kind} report check")
    made = _report(kind, log.since(now, span), now, configured)
    text = made.text(kind)
    failed = bool(made.found.problems)
    problems = [visible(problem, 1000) for problem in _problems(made)]
    for problem in problems:
        log.line(f"ERROR: {problem}")
        complain(problem)
    if text:
        log.report(text)
        log.line(SOMETHING[kind])
    elif not failed:
        log.line(NOTHING[kind])
    if not failed:
        log.whole_until(now)
    # Who gets it must see that it is not whole, all the more where that is all there is to see.
    told = text + "".join(f"ERROR: {problem}\n" for problem in problems if failed)
    if told and configured.command:
        try:
            if said := deliver(configured.command, told, log.path):
                log.line(said)
        except NotKept as error:
            failed = True
            log.line(f"ERROR: {visible(str(error), 3000)}")
            complain(str(error), 3000)
    log.line("Script finished.")
    print(f"{kind}: {len(made.found.rows)} since {moment(made.since)}, see {log.path}")
    return 1 if failed else 0


def _report(kind: str, since: int, now: int, configured: config.ReportConfig) -> _Report:
    found = SOURCES[kind](since, now + 1)
    return _Report(found, Countries(configured.country_database), socket.gethostname(), since, now)


def _problems(made: _Report) -> tuple[str, ...]:
    """What to tell. A country that is not known is no reason to fail."""
    return (*made.found.problems, *((made.countries.problem,) if made.countries.problem else ()))


def _check(options: argparse.Namespace) -> None:
    """What is about events, or makes no sense together, is no filter of this report. Raises ProtocolError."""
    of_events = [name for name in ("address", "rule", "until", "limit", "events") if getattr(options, name) is not None]
    if of_events:
        raise ProtocolError(INVALID, f"--{of_events[0]} is for `stockade report` alone, not for {options.kind}")
    shown = [f"--{name}" for name in ("json", "csv", "log") if getattr(options, name)]
    if len(shown) > 1:
        raise ProtocolError(INVALID, f"{shown[0]} and {shown[1]}: one of them")


def _span(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        seconds = durations.parse(text)
    except ValueError as error:
        raise ProtocolError(INVALID, f"--since: {error}") from None
    if seconds is None or seconds > LONGEST_SPAN:
        raise ProtocolError(INVALID, "--since: a span of time is needed, at most 90d, such as 1h or 7d")
    return seconds
