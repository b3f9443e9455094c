# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: lines in, verdicts out. The same for the service, for tests and for whoever replays a log.

How a log is cut into calls of `feed` makes no difference to the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from stockade.addresses import parse_network
from stockade.watcher import formats
from stockade.watcher.breaker import Breaker
from stockade.watcher.clients import DEFAULT_KEY, Clients
from stockade.watcher.config import Config, Rule
from stockade.watcher.config.rules import USER
from stockade.watcher.easing import Eased
from stockade.watcher.events import LATEST, JournalFormat, Message, Request
from stockade.watcher.rules import Judge, MessageJudge, RequestJudge, judges_of
from stockade.watcher.rules.messages import Messages
from stockade.watcher.rules.probes import Probes
from stockade.watcher.rules.shapes import shapes_of
from stockade.watcher.rules.tally import MAX_TRACKED, Tally
from stockade.watcher.saved import DAMAGE, number
from stockade.watcher.verdict import Verdict

FUTURE = 60  # seconds a line may be ahead of the clock
_ADDRESS = "address"


class Engine:
    """Formats and rules of one configuration, with their counts.

    With `witness` it keeps in `seen` what messages and probes said, until somebody takes it out.
    """

    def __init__(
        self,
        config: Config,
        *,
        clients: Clients | None = None,
        max_tracked: int = MAX_TRACKED,
        witness: bool = False,
    ) -> None:
        self.config = config
        self.clients = clients or Clients(kinds=kinds_of(config))
        self.formats = {
            entry.name: formats.create(entry, self.clients, inputs=len(config.inputs)) for entry in config.inputs
        }
        self.judges: list[Judge] = judges_of(config, self.clients.kinds, max_tracked=max_tracked)
        self.breaker = Breaker(max_bans_per_minute=config.max_bans_per_minute, max_share=config.max_share)
        self.eased = Eased(config.easing, key_index=self._index(_ADDRESS)) if config.easing.users else None
        self.out_of_time = dict.fromkeys(self.formats, 0)  # lines older than `not_before` or ahead of the clock
        self.newest = dict.fromkeys(self.formats, 0)  # time of the last line of each input
        self.seen: list[tuple[str, str, Message]] = []  # input, rule, what was said
        self._witness = witness

    @property
    def tallies(self) -> list[Tally]:
        """What the judges count in."""
        return [judge.tally for judge in self.judges]

    @property
    def rules(self) -> list[Rule]:
        """The rules, in the order of the configuration."""
        return list(self.config.rules)

    def feed(
        self, lines: list[bytes], *, source: str | None = None, now: int | None = None, not_before: int = 0
    ) -> list[Verdict]:
        """The verdicts that these complete lines of the input `source` (default: the first one) bring about.

        Lines from before `not_before`, or more than a minute ahead of `now`, do not count.
        """
        name = source or self.config.inputs[0].name
        return self._judge(self.formats[name].parse(lines), name, now, not_before)

    def feed_entries(
        self, entries: list[tuple[int, bytes]], *, source: str, now: int | None = None, not_before: int = 0
    ) -> list[Verdict]:
        """The same for entries of the journal: time (epoch seconds) and message."""
        parser = cast(JournalFormat, self.formats[source])
        return self._judge(parser.parse_entries(entries), source, now, not_before)

    def _judge(
        self, events: list[Request] | list[Message], name: str, now: int | None, not_before: int
    ) -> list[Verdict]:
        if not events:
            return []
        self.newest[name] = events[-1][0]
        if now is not None or not_before:
            events = self._in_time(events, name, LATEST if now is None else now + FUTURE, not_before)
        if self.formats[name].kind == "requests":
            return self._judge_requests(cast("list[Request]", events), name)
        return self._judge_messages(cast("list[Message]", events), name)

    def _in_time(
        self, events: list[Request] | list[Message], name: str, latest: int, not_before: int
    ) -> list[Request] | list[Message]:
        times = [event[0] for event in events]
        if min(times) >= not_before and max(times) <= latest:
            return events
        kept = [event for event in events if not_before <= event[0] <= latest]
        self.out_of_time[name] += len(events) - len(kept)
        return cast("list[Request] | list[Message]", kept)

    def _judge_requests(self, events: list[Request], name: str) -> list[Verdict]:
        self.breaker.saw(events, name)
        verdicts: list[Verdict] = []
        shapes = shapes_of(events)
        for judge in self.judges:
            if isinstance(judge, RequestJudge):
                verdicts += judge.feed(events, shapes, name)
            if self._witness and isinstance(judge, Probes):
                self.seen += [(name, judge.rule.name, message) for message in judge.told(name)]
        verdicts = self.breaker.judged(verdicts, name)
        return self.eased.judged(verdicts) if self.eased else verdicts

    def _judge_messages(self, events: list[Message], name: str) -> list[Verdict]:
        if self.eased:
            for address, event in self.eased.saw(events):
                self.seen.append((name, "easing", event._replace(kind="eased", text=address)))
        verdicts: list[Verdict] = []
        for judge in self.judges:
            if isinstance(judge, MessageJudge):
                verdicts += judge.feed(events, name)
        if self._witness:
            self.seen += [(name, self._rules_about(event, name), event) for event in events]
            for judge in self.judges:
                if isinstance(judge, Messages):
                    about = ((key, event, self._rules_about(event, name)) for key, event in judge.first)
                    self.seen += [(name, rules, event._replace(kind="first", text=key)) for key, event, rules in about]
                    judge.first.clear()
        verdicts = self.breaker.judged(verdicts, name)
        return self.eased.judged(verdicts) if self.eased else verdicts

    def _rules_about(self, event: Message, name: str) -> str:
        """The names of the rules that count a message."""
        return " ".join(
            rule.name
            for judge in self.judges
            if isinstance(judge, MessageJudge) and (mask := judge.mask(event, name))
            for index, rule in enumerate(judge.tally.rules)
            if mask >> index & 1
        )

    def _index(self, kind: str) -> int:
        return self.clients.kinds.index(kind)

    def sweep(self, now: int) -> None:
        """Forget what is over. Only when no input has older lines to come."""
        for judge in self.judges:
            judge.sweep(now)
        if self.eased:
            self.eased.sweep(now)

    def clock_set_back(self, now: int) -> None:
        """Drop counts that lie in the future."""
        for tally in self.tallies:
            tally.forget_future(now + FUTURE)
        self.breaker.forget_future(now + FUTURE)
        if self.eased:
            self.eased.forget_future(now)

    def refresh_clients(self, whitelist: Iterable[str] | None = None) -> None:
        """Notice that the host got or lost addresses, and whom the warden never bans (None: not known now).

        Raises ValueError for what is no network.
        """
        changed = self.clients.refresh()
        if whitelist is not None:
            changed |= self.clients.spare(whitelist)
        if changed:
            for parser in self.formats.values():
                parser.forget()

    def forget(self, verdict: Verdict) -> None:
        """That verdict got lost: speak about its client again."""
        for judge in self.judges:
            judge.forget(verdict)

    # -- what survives a restart --

    def counts(self) -> list[dict[str, Any]]:
        """What each tally counts, by rule: the `records` are of use only to those that still count the same."""
        return [tally.counts for tally in self.tallies]

    def records(self) -> Iterator[Any]:
        """What is remembered: number of a tally, key, window, quiet times; and what stands in no window."""
        for place, tally in enumerate(self.tallies):
            for key, window, quiet in tally.entries():
                yield [place, key, window, quiet]
        for judge in self.judges:
            yield from judge.records()
        yield from self.breaker.records()
        if self.eased:
            yield from self.eased.records()

    def load(self, counts: Any, records: Iterable[Any]) -> int:
        """Go on from `counts` and `records`; rules that are not among them start at nothing.

        A record that is damaged is left out; how many were.
        """
        old = [tally for tally in counts if isinstance(tally, dict)] if isinstance(counts, list) else []
        ways = [[(tally, _same(before, tally.counts)) for tally in self.tallies] for before in old]
        interned: dict[str, str] = {}  # tallies share the text of a key, as they do in running
        damaged = 0
        for record in records:
            try:
                if isinstance(record, dict):
                    self._load_apart(record)
                    continue
                place, key, window, quiet = record
                key = interned.setdefault(str(key), str(key))
                raw = window if isinstance(window, bytes) else bytes.fromhex(window)
                for tally, names in ways[place]:
                    if any(names):
                        tally.restore(key, raw, quiet, names)
            except DAMAGE:
                damaged += 1
        return damaged

    def _load_apart(self, record: dict[str, Any]) -> None:
        if "eased" in record:
            if self.eased:
                until = number(record["until"], "until", LATEST)
                self.eased.until[str(parse_network(record["eased"]))] = until
            return
        if record.get("shares") in (None, *self.formats):
            self.breaker.restore(record)
        for judge in self.judges:
            judge.restore(record)


def kinds_of(config: Config) -> list[str]:
    """The kinds of keys that the rules of a configuration use."""
    kinds = {DEFAULT_KEY if rule.key == USER else rule.key for rule in config.rules}
    return sorted(kinds | {_ADDRESS} if config.easing.users else kinds)


def _same(before: dict[str, Any], now: dict[str, Any]) -> list[str | None]:
    return [name if now.get(name) == counted else None for name, counted in before.items()]
