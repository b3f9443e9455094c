# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade replay`: who would have been banned by logs, when, and by which rule. Needs neither root nor an agent."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from stockade import durations
from stockade.cli import complain
from stockade.protocol import INVALID, ProtocolError
from stockade.text import visible

if TYPE_CHECKING:
    from stockade.watcher.config import Config
    from stockade.watcher.replay import Replay
    from stockade.watcher.replay_logs import Log

SUMMARY = "show who would have been banned by logs; nothing is banned, no agent is needed"
PRESETS = ("default", "strict", "original")
FORMATS = ("access", "access-json", "sshd", "proftpd", "proftpd-json", "nginx-error", "apache-error")
ROWS = 25  # of a table, unless told otherwise
_EXAMPLES = "2026-03-01, 2026-03-01T12:00, 2h"


def declare(parser: argparse.ArgumentParser) -> None:
    """The options of the word, beside --json."""
    parser.add_argument("logs", nargs="+", metavar="LOG", help="plain, gz, xz or bz2; - is standard input")
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument("--preset", choices=PRESETS, default="default", help="rules (default: default)")
    rules.add_argument("--config", metavar="FILE", help="take rules and thresholds from this watcher.toml instead")
    parser.add_argument("--rule", action="append", metavar="NAME", help="only this rule (may be given several times)")
    parser.add_argument("--format", choices=FORMATS, help="default: what most of the first lines are")
    for name, meaning in (("since", "only lines from then on"), ("until", "only lines before then")):
        text = f"{meaning}: {_EXAMPLES} (before the last line of the logs)"
        parser.add_argument(f"--{name}", metavar="TIME", help=text)
    text = "of times without an offset, here and in the logs, and of the answer (default: this host's)"
    parser.add_argument("--timezone", default="", metavar="ZONE", help=text)
    parser.add_argument("--sort", choices=("time", "spared"), default="time", help="order of the table")
    text = f"show at most N of each table (default {ROWS}; with --json all)"
    parser.add_argument("--limit", type=int, metavar="N", help=text)


def run(options: argparse.Namespace) -> int:
    """`stockade replay`. Raises ProtocolError for bad usage."""
    from stockade.cli.progress import Progress
    from stockade.cli.replay_json import document
    from stockade.cli.replay_show import lines
    from stockade.watcher.replay import Replay
    from stockade.watcher.replay_logs import LogError

    if options.limit is not None and options.limit < 1:
        raise _usage(f"--limit must be 1 or more, not {options.limit}")
    zone = _zone(options.timezone)
    config = _rules(options)
    gc.disable()  # nothing here makes cycles by the thousand, and looking for them costs a twentieth of the time
    code, problem = 0, ""
    try:
        logs = _logs(options, config)
        since, until = _edges(options, logs, zone)
        replay = Replay(config, logs, since=since, until=until)
        _check_rules(replay, options)
        progress = Progress(sys.stderr, _total(logs))
        try:
            replay.run(lambda: progress.tell(sum(log.done for log in replay.logs), replay.lines))
        except KeyboardInterrupt:
            code, problem = 130, "interrupted: this is what was read until then"
        except LogError as error:
            code, problem = 1, f"{error}: this is what was read until then"
        finally:
            progress.clear()
    except LogError as error:
        complain(str(error))
        return 1
    if options.json:
        shown = document(replay, limit=options.limit, order=options.sort, problem=problem)
        print(json.dumps(shown, indent=2 if sys.stdout.isatty() else None))
    else:
        what = f"preset {options.preset}" if options.config is None else options.config
        print("\n".join(lines(replay, rules=what, limit=options.limit or ROWS, order=options.sort, zone=zone)))
    if problem:
        sys.stdout.flush()
        complain(problem)
    return code


def _rules(options: argparse.Namespace) -> Config:
    """The configuration that is replayed, with the inputs of its file."""
    from dataclasses import replace
    from pathlib import Path

    from stockade.config import ConfigError
    from stockade.watcher import config as settings

    if options.config is None:
        found = settings.Config(inputs=(), rules=settings.PRESETS[options.preset], lookback=0)
    else:
        try:
            found = settings.read(Path(options.config))
        except ConfigError as error:
            raise _usage(str(error)) from None
    if options.rule:
        known = [rule.name for rule in found.rules]
        for name in options.rule:
            if name not in known:
                raise _usage(f"no rule {name[:64]!r} (rules: {', '.join(known)})")
        found = replace(found, rules=tuple(rule for rule in found.rules if rule.name in options.rule))
    return found


def _logs(options: argparse.Namespace, config: Config) -> list[Log]:
    """The logs, opened and understood. Raises LogError."""
    from stockade.watcher.replay_guess import candidates, guess
    from stockade.watcher.replay_logs import STDIN, Log, LogError

    paths = list(dict.fromkeys(options.logs))
    if options.logs.count(STDIN) > 1:
        raise _usage("standard input can be read once only")
    found = []
    for path in paths:
        log = Log(path)
        known = sorted(config.inputs, key=lambda entry: not _reads(entry.path, path))
        ways = candidates(wanted=options.format, timezone=options.timezone, known=known)
        if not guess(log, ways, sure=options.format is not None):
            raise LogError(
                f"{log.name}: no known format has most of its lines. The first one is\n"
                f"  {visible(log.sample[0].decode('utf-8', 'replace'), 300)}\n"
                f"Known formats (--format): {', '.join(FORMATS)}"
            )
        found.append(log)
    return found


def _reads(pattern: str, path: str) -> bool:
    """Whether an input with that path reads a log, or read it before it was rotated."""
    from fnmatch import fnmatchcase
    from os.path import abspath

    return bool(pattern) and any(fnmatchcase(abspath(path), pattern + end) for end in ("", ".*", "-*"))


def _check_rules(replay: Replay, options: argparse.Namespace) -> None:
    if replay.logs and not replay.config.rules:
        formats = ", ".join(sorted({entry.format for entry in replay.config.inputs}))
        which = f"of {', '.join(options.rule)}" if options.rule else f"of {options.config or options.preset}"
        raise _usage(f"no rule {which} judges logs of the format {formats}")


def _total(logs: list[Log]) -> int | None:
    sizes = [log.size for log in logs]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _zone(name: str) -> tzinfo | None:
    import zoneinfo

    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _usage(f"timezone {name[:64]!r} is not known here") from None


def _edges(options: argparse.Namespace, logs: list[Log], zone: tzinfo | None) -> tuple[int | None, int | None]:
    """`--since` and `--until` in epoch seconds. A duration is one before the last line of the logs."""
    edges: list[int | None] = []
    end: int | None = None
    for text in (options.since, options.until):
        if text is None:
            edges.append(None)
            continue
        moment = _moment(text, zone)
        if moment is None:
            end = end or _end(logs)
            moment = end - (durations.parse(text) or 0)
        edges.append(moment)
    since, until = edges
    if since is not None and until is not None and since >= until:
        raise _usage("--since is not before --until")
    return since, until


def _moment(text: str, zone: tzinfo | None) -> int | None:
    """Epoch seconds of a date or time; None for a duration."""
    if text and text[-1] in durations.UNITS:
        try:
            return None if durations.parse(text) else 0
        except ValueError as error:
            raise _usage(str(error)) from None
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError, OSError):
        raise _usage(f"{text[:40]!r} is no time (examples: {_EXAMPLES})") from None


def _end(logs: list[Log]) -> int:
    """The time of the last line of all logs. Raises LogError."""
    from stockade.watcher import formats
    from stockade.watcher.clients import Clients
    from stockade.watcher.replay_guess import dated

    if any(log.size is None for log in logs):
        raise _usage("a duration counts from the last line, which a pipe does not tell: give a date or time")
    ends = [0]
    for log in logs:
        if log.entry is not None:
            parser = formats.create(log.entry, Clients(own=(), kinds=("address",)))
            dated(parser, log)
            ends.append(log.last_time(parser.time_of) or 0)
    return max(ends)


def _usage(message: str) -> ProtocolError:
    return ProtocolError(INVALID, message)
