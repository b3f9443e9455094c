# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replay: logs from their first line to the last through the same engine as the service, and what would have been.

Several logs are read in the order of their times, turn by turn where they overlap. Lines of the same format are one
input. Beside the engine there is work for each chunk only, and a look at single events while a ban would hold.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from stockade.watcher.config import Config, Input
from stockade.watcher.engine import FUTURE, Engine
from stockade.watcher.events import LATEST, Format, Message, Request
from stockade.watcher.replay_bans import Banned, Ledger
from stockade.watcher.replay_guess import dated
from stockade.watcher.replay_logs import Log
from stockade.watcher.verdict import Verdict

MAX_COUNTED = 100_000  # clients whose requests are counted
SLICE = 30  # seconds of one log before another one that has the same time has its turn
_TIMELESS = 50  # lines without a time that may stand together
Told = Callable[[], None]


class Watched(Engine):
    """An engine whose events somebody looks at."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._found: Sequence[Request | Message] = ()

    def taken(self) -> Sequence[Request | Message]:
        """The events that the last `feed` judged, once."""
        found, self._found = self._found, ()
        return found

    def _judge_requests(self, events: list[Request], name: str) -> list[Verdict]:
        self._found = events
        return super()._judge_requests(events, name)

    def _judge_messages(self, events: list[Message], name: str) -> list[Verdict]:
        self._found = events
        return super()._judge_messages(events, name)


class Replay:
    """Logs whose `entry` is known, through the rules of `config`; only lines from `since` until before `until` count.

    `events` counts what was judged, by kind (`requests`, `messages`), `spared` what of that would not have arrived;
    `first` and `last` are the times (epoch seconds) between which it lay. `seconds` is how long the reading took.
    """

    def __init__(
        self, config: Config, logs: Sequence[Log], *, since: int | None = None, until: int | None = None
    ) -> None:
        self.logs = [log for log in logs if log.sample]
        entries = {log.entry.name: log.entry for log in self.logs if log.entry is not None}
        self.config = narrowed(config, list(entries.values()))
        self.engine = Watched(self.config)
        self.ledger = Ledger([rule.name for rule in self.config.rules])
        self.events = {entry.kind: 0 for entry in self.config.inputs}
        self.spared = dict.fromkeys(self.events, 0)
        self.first = self.last = 0
        self.seconds = 0.0
        self._since = since or 0
        # what the engine takes for now lies a minute before the last time that counts
        self._now = None if until is None else until - 1 - FUTURE
        self._counts: list[Counter[str]] = [Counter() for _kind in self.engine.clients.kinds]

    @property
    def lines(self) -> int:
        """Lines that were read."""
        return sum(log.lines for log in self.logs)

    @property
    def unparsed(self) -> int:
        """Lines of which nothing could be made."""
        return sum(log.unparsed for log in self.logs)

    def busiest(self, count: int) -> list[tuple[str, int]]:
        """The clients of which most came, and how much that was."""
        return self._counts[0].most_common(count) if self._counts else []

    def run(self, told: Told = lambda: None) -> None:
        """Read all logs; `told` is called after each chunk. Raises LogError; what was read until then counts."""
        began = time.monotonic()
        try:
            self._read(told)
        finally:
            self.seconds += time.monotonic() - began
            for log in self.logs:
                log.close()

    def _read(self, told: Told) -> None:
        turns = [(log.first or 0, number) for number, log in enumerate(self.logs)]
        heapq.heapify(turns)
        rests: dict[int, list[bytes]] = {}
        while turns:
            _time, number = heapq.heappop(turns)
            log = self.logs[number]
            dated(self._parser(log), log)
            limit = turns[0][0] + SLICE if turns else LATEST
            while lines := rests.pop(number, None) or log.read():
                until = len(lines) if limit == LATEST else self._cut(lines, log, limit)
                self._feed(lines[:until] if until < len(lines) else lines, log)
                told()
                if until < len(lines):
                    rests[number] = lines[until:]
                    heapq.heappush(turns, (self._time_at(rests[number], 0, log) or limit + 1, number))
                    break
            else:
                log.close()

    def _parser(self, log: Log) -> Format:
        assert log.entry is not None
        return self.engine.formats[log.entry.name]

    def _cut(self, lines: list[bytes], log: Log, limit: int) -> int:
        """How many of these lines are not later than `limit`, in a log whose times ascend."""
        time_of = self._parser(log).time_of
        last = next((found for line in lines[:-_TIMELESS:-1] if (found := time_of(line)) is not None), 0)
        if last <= limit:
            return len(lines)
        low, high = 0, len(lines)
        while low < high:
            middle = (low + high) // 2
            if (self._time_at(lines, middle, log) or 0) <= limit:
                low = middle + 1
            else:
                high = middle
        return low

    def _time_at(self, lines: list[bytes], start: int, log: Log) -> int | None:
        """The time of the first line from there on that has one."""
        time_of = self._parser(log).time_of
        return next((found for line in lines[start : start + _TIMELESS] if (found := time_of(line)) is not None), None)

    def _feed(self, lines: list[bytes], log: Log) -> None:
        if not lines:
            return
        assert log.entry is not None
        parser, engine = self._parser(log), self.engine
        before = parser.unparsed
        verdicts = engine.feed(lines, source=log.entry.name, now=self._now, not_before=self._since)
        log.lines += len(lines)
        log.unparsed += parser.unparsed - before
        engine.seen.clear()
        if events := engine.taken():
            self._count(events, parser.kind, verdicts)

    def _count(self, events: Sequence[Request | Message], kind: str, verdicts: list[Verdict]) -> None:
        first, last = events[0][0], events[-1][0]
        self.first = min(self.first, first) if self.first else first
        self.last = max(self.last, last)
        self.events[kind] += len(events)
        keys: list[list[str]] = []
        for index, counts in enumerate(self._counts):
            keys.append([event[1][index] for event in events])
            counts.update(keys[-1])
        fresh = self.ledger.take(verdicts) if verdicts else []
        active = self.ledger.active
        if active:
            self.ledger.past(first)
            about = {place for names in keys for place, name in enumerate(names) if name in active}
            self.spared[kind] += self._spare([events[place] for place in sorted(about)], fresh)
        for counts in self._counts:
            if len(counts) > MAX_COUNTED:
                kept = counts.most_common(MAX_COUNTED // 2)
                counts.clear()
                counts.update(dict(kept))

    def _spare(self, events: Sequence[Request | Message], fresh: list[Banned]) -> int:
        """Count which of these events of banned clients would not have arrived, and what came before a fresh ban."""
        active, ledger, spared = self.ledger.active, self.ledger, 0
        later = {id(record): 0 for record in fresh}
        for event in events:
            records = [active[key] for key in dict.fromkeys(event[1]) if key in active]
            for record in records:
                if event[0] > record.verdict.last:
                    if id(record) in later:
                        later[id(record)] += 1
                elif id(record) not in later:  # the rest of the second in which it was banned
                    record.before += 1
            held = next(((record, term) for record in records if (term := record.term_at(event[0])) is not None), None)
            if held is not None:
                ledger.spare(*held)
                spared += 1
        for record in fresh:
            all_of_it = max(counts[record.verdict.network] for counts in self._counts)
            record.before = all_of_it - later[id(record)]
        return spared


def narrowed(config: Config, inputs: Sequence[Input]) -> Config:
    """The configuration with these inputs and the rules that count one of them."""
    config = replace(config, inputs=tuple(inputs))
    return replace(config, rules=tuple(rule for rule in config.rules if config.inputs_of(rule)))
