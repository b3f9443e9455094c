# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: lines in, verdicts out. The same for the service, for tests and for whoever replays a log.

How a log is cut into calls of `feed` makes no difference to the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stockade.watcher import formats
from stockade.watcher.clients import Clients
from stockade.watcher.config import Config
from stockade.watcher.rules.rate import LATEST, MAX_HELD, MAX_TRACKED, Rate
from stockade.watcher.verdict import Verdict

FUTURE = 60  # seconds a line may be ahead of the clock


class Engine:
    """Formats and rules of one configuration, with their counts."""

    def __init__(self, config: Config, *, clients: Clients | None = None, max_tracked: int = MAX_TRACKED) -> None:
        self.config = config
        kinds = sorted({rule.key for rule in config.rules})
        self.clients = clients or Clients(kinds=kinds)
        self.formats = {
            entry.name: formats.create(entry, self.clients, inputs=len(config.inputs)) for entry in config.inputs
        }
        self.rules = [
            Rate(
                rule,
                key_index=self.clients.kinds.index(rule.key),
                # The limits are for two rules, as many as the defaults are; more rules share the same memory.
                max_tracked=min(max_tracked, max_tracked * 2 // len(config.rules)),
                max_held=min(MAX_HELD, MAX_HELD * 2 // len(config.rules)),
            )
            for rule in config.rules
        ]
        self.out_of_time = dict.fromkeys(self.formats, 0)  # lines older than `not_before` or ahead of the clock
        self.newest = dict.fromkeys(self.formats, 0)  # time of the last line of each input
        self._rules_of = {
            name: [rule for rule in self.rules if not rule.rule.inputs or name in rule.rule.inputs]
            for name in self.formats
        }

    def feed(
        self, lines: list[bytes], *, source: str | None = None, now: int | None = None, not_before: int = 0
    ) -> list[Verdict]:
        """The verdicts that these complete lines of the input `source` (default: the first one) bring about.

        Lines from before `not_before`, or more than a minute ahead of `now`, do not count.
        """
        name = source or self.config.inputs[0].name
        events = self.formats[name].parse(lines)
        if not events:
            return []
        self.newest[name] = events[-1][0]
        latest = LATEST if now is None else now + FUTURE
        times = [event[0] for event in events]
        if min(times) < not_before or max(times) > latest:
            kept = [event for event in events if not_before <= event[0] <= latest]
            self.out_of_time[name] += len(events) - len(kept)
            events = kept
        return [verdict for rule in self._rules_of[name] for verdict in rule.feed(events)]

    def sweep(self, now: int) -> None:
        """Forget what is over. Only when no input has older lines to come."""
        for rule in self.rules:
            rule.sweep(now)

    def clock_set_back(self, now: int) -> None:
        """Drop counts that lie in the future."""
        for rule in self.rules:
            rule.forget_future(now + FUTURE)

    def refresh_clients(self) -> None:
        """Notice that the host got or lost addresses."""
        if self.clients.refresh():
            for parser in self.formats.values():
                parser.forget()

    def forget(self, rule_name: str, key: str) -> None:
        """The verdict of that rule about that client got lost."""
        for rule in self.rules:
            if rule.rule.name == rule_name:
                rule.forget(key)

    def counts(self) -> dict[str, Any]:
        """What each rule counts, by name: the `records` are of use only to those that still count the same."""
        return {rule.rule.name: rule.counts for rule in self.rules}

    def records(self) -> Iterator[list[Any]]:
        """What is remembered, client by client: key, then the entry of each rule. To be used before the next `feed`.

        One record for all rules, so that after loading they share the text of the key as they do in running.
        """
        for index, first in enumerate(self.rules):
            for key in first.remembered():
                if not any(rule.knows(key) for rule in self.rules[:index]):
                    yield [key, {rule.rule.name: rule.entry(key) for rule in self.rules[index:] if rule.knows(key)}]

    def load(self, counts: dict[str, Any], records: Iterable[list[Any]]) -> None:
        """Go on from `counts` and `records`; rules that are not among them start at nothing.

        Raises AttributeError, KeyError, TypeError, ValueError.
        """
        same = {rule.rule.name: rule for rule in self.rules if counts.get(rule.rule.name) == rule.counts}
        for key, entries in records:
            for name, entry in entries.items():
                if name in same:
                    same[name].restore(str(key), entry)
