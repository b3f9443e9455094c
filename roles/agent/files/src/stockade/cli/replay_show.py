# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of `stockade replay` for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo

from stockade.cli.replay_json import in_order
from stockade.cli.tables import coloured, screen, table, width
from stockade.durations import human
from stockade.text import visible
from stockade.watcher.replay import Replay
from stockade.watcher.replay_bans import Banned, Held

_BAR = 20  # columns
_ENOUGH = 30  # columns for what happened
_LEAVE_OUT = ("before", "for", "bans")  # columns that a narrow terminal does not get, in this order
_NOUNS = {"requests": ("request", "requests"), "messages": ("message", "messages")}
Cells = dict[str, list[str]]


def lines(replay: Replay, *, rules: str, limit: int, order: str, zone: tzinfo | None) -> list[str]:
    """What a replay found; `rules` says where the rules are from, `zone` (None: here) in which times are shown."""
    shown = [*_header(replay, rules, zone), *_warnings(replay), ""]
    banned = in_order(replay.ledger.banned.values(), order)
    held = list(replay.ledger.held.values())
    if banned:
        shown += [*_bans(banned[:limit], zone), *_more(len(banned) + replay.ledger.untold, limit), ""]
    if held:
        shown.append(coloured("Only told, not banned:", "yellow"))
        shown += [*_told(held[:limit], zone), *_more(len(held), limit), ""]
    if banned:
        shown += [*_by_rule(replay), ""]
    else:
        shown += _busiest(replay)
    return [*shown, *_total(replay)]


def _header(replay: Replay, rules: str, zone: tzinfo | None) -> list[str]:
    names = [visible(log.name) for log in replay.logs]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    formats = ", ".join(dict.fromkeys(_format(log.entry) for log in replay.logs if log.entry is not None))
    skipped = sum(log.skipped for log in replay.logs)
    outside = sum(replay.engine.out_of_time.values())
    counts = [
        f"{replay.lines:,} lines",
        f"{replay.unparsed:,} unparsed",
        *([f"{skipped:,} too long"] if skipped else []),
        *([f"{outside:,} outside --since and --until"] if outside else []),
    ]
    speed = f"{_number(replay.lines / replay.seconds)} lines/s" if replay.seconds > 0 else ""
    shown = [
        f"logs   {', '.join(names[:4])}{more}" if names else "logs   empty",
        f"lines  {', '.join(counts)} (format {formats})" if formats else "lines  none",
    ]
    if replay.first:
        span = human(replay.last - replay.first)
        shown.append(f"time   {_moment(replay.first, zone)} to {_moment(replay.last, zone)} ({span})")
    active = ", ".join(rule.name for rule in replay.config.rules)
    shown.append(f"rules  {visible(rules)}: {active}" if active else f"rules  {visible(rules)}")
    if speed:
        shown.append(f"speed  {speed}, {replay.seconds:.1f} s")
    return shown


def _format(entry: object) -> str:
    name = str(getattr(entry, "format", ""))
    extra = "virtual hosts" if getattr(entry, "vhost", False) else str(getattr(entry, "dialect", ""))
    return f"{name}, {extra}" if extra else name


def _warnings(replay: Replay) -> list[str]:
    return [
        coloured(f"warning: most lines of {visible(log.name)} are not of the format {_format(log.entry)}", "yellow")
        for log in replay.logs
        if log.unparsed * 2 > log.lines
    ]


def _bans(banned: Sequence[Banned], zone: tzinfo | None) -> list[str]:
    cells: Cells = {
        "banned at": [_moment(record.verdict.last, zone) for record in banned],
        "address": [record.verdict.network for record in banned],
        "rule": [record.verdict.rule for record in banned],
        "for": [human(record.verdict.duration) for record in banned],
        "bans": [f"{len(record.terms):,}" for record in banned],
        "before": [f"{record.before:,}" for record in banned],
        "spared": [f"{record.spared:,}" for record in banned],
        "what": [visible(record.verdict.reason) for record in banned],
    }
    return _fitted(cells, numbers=("bans", "before", "spared"))


def _told(held: Sequence[Held], zone: tzinfo | None) -> list[str]:
    cells: Cells = {
        "at": [_moment(entry.verdict.last, zone) for entry in held],
        "address": [entry.verdict.network for entry in held],
        "rule": [entry.verdict.rule for entry in held],
        "times": [f"{entry.times:,}" for entry in held],
        "why not": [f"{entry.why}: {visible(entry.verdict.reason)}" for entry in held],
    }
    return _fitted(cells, numbers=("times",))


def _by_rule(replay: Replay) -> list[str]:
    rules = {name: rule for name, rule in replay.ledger.rules.items() if rule.bans}
    cells: Cells = {
        "rule": list(rules),
        "clients": [f"{rule.clients:,}" for rule in rules.values()],
        "bans": [f"{rule.bans:,}" for rule in rules.values()],
        "would not have arrived": [f"{rule.spared:,}" for rule in rules.values()],
        "": _bars([rule.spared for rule in rules.values()]),
    }
    return _fitted(cells, numbers=("clients", "bans", "would not have arrived"))


def _bars(values: Sequence[int]) -> list[str]:
    """Bars of these lengths, the longest with all columns; nothing where they would not be drawn."""
    drawn = sys.stdout.isatty() and "utf" in (sys.stdout.encoding or "").lower()
    most = max(values) or 1
    return ["█" * max(value > 0, value * _BAR // most) if drawn else "" for value in values]


def _fitted(cells: Cells, *, numbers: Sequence[str]) -> list[str]:
    """A table with numbers to the right; on a narrow terminal the columns go that matter least."""
    cells = dict(cells)
    for name in numbers:
        widest = max(len(name), *(len(text) for text in cells[name]))
        cells[name] = [text.rjust(widest) for text in cells[name]]
    room = screen()
    for name in _LEAVE_OUT:
        if room is not None and name in cells and _wide(cells) + _ENOUGH > room:
            del cells[name]
    heads = [name.rjust(len(cells[name][0])) if name in numbers else name for name in cells]
    return table(heads, list(zip(*cells.values(), strict=True)))


def _wide(cells: Cells) -> int:
    *columns, _last = [[name, *texts] for name, texts in cells.items()]
    return sum(max(map(width, column)) + 2 for column in columns)


def _more(total: int, limit: int) -> list[str]:
    return [f"… and {total - limit:,} more (--limit {total} shows all)"] if total > limit else []


def _busiest(replay: Replay) -> list[str]:
    """Whoever sent most, so that nobody has to wonder whether anything was read."""
    found = replay.busiest(3)
    if not found:
        return []
    minutes = max(1.0, (replay.last - replay.first + 1) / 60)
    noun = _NOUNS[max(replay.events, key=lambda kind: replay.events[kind])][1]
    cells: Cells = {
        "busiest clients": [address.removesuffix("@proxy") for address, _count in found],
        noun: [f"{count:,}" for _address, count in found],
        "a minute": [f"{count / minutes:,.1f}" for _address, count in found],
        "": ["" for _entry in found],
    }
    return [*_fitted(cells, numbers=(noun, "a minute")), ""]


def _total(replay: Replay) -> list[str]:
    if not replay.lines:
        return ["There is no line in it: nothing to judge."]
    count = len(replay.ledger.banned) + replay.ledger.untold
    if not count:
        told = len({entry.verdict.network for entry in replay.ledger.held.values()})
        tail = f" ({_counted(told, 'client', 'clients')} would only have been told about)" if told else ""
        return [coloured(f"Nobody would have been banned{tail}; {_all(replay)} read.", "green")]
    shares = []
    for kind, total in replay.events.items():
        if total:
            spared = replay.spared[kind]
            noun = _NOUNS[kind][total != 1]
            shares.append(f"{spared:,} of {total:,} {noun} ({spared / total * 100:.1f} %)")
    clients = _counted(count, "client", "clients")
    return [coloured(f"{clients} would have been banned; {' and '.join(shares)} would not have arrived", "red")]


def _all(replay: Replay) -> str:
    return " and ".join(_counted(total, *_NOUNS[kind]) for kind, total in replay.events.items())


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _number(value: float) -> str:
    return f"{int(value):,}"


def _moment(epoch: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(epoch, zone).strftime("%Y-%m-%d %H:%M:%S")
