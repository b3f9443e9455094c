# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tally: what several rules count by the same kind of key, in one window for each client.

The window slides: what counts is the time between an event and the one `maxretry - 1` before it, so the turn of a
minute hides nothing. Times are those of the log. An event adds one to a rule at most, so after a look at a window
nobody has to look again before as many events as the closest rule still lacks.

After a verdict the client starts at nothing for that rule, and for a moment nothing more is said about it: events under
way would be a second verdict. Not for as long as the ban: somebody may lift that, and only the warden knows; it answers
a ban that still runs with `unchanged`.
"""

from __future__ import annotations

import functools
import operator
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stockade.watcher.config.rules import Rule
from stockade.watcher.events import LATEST
from stockade.watcher.rules.windows import (
    SIZE,
    Stamps,
    columns_of,
    densest,
    full_span,
    newest,
    stamps_of,
    window_of,
    without_old,
)
from stockade.watcher.verdict import Verdict

MAX_TRACKED = 100_000  # clients
MAX_RULES = 8  # bits of a mask
MAX_HELD = 5 * 2**20  # bytes of windows: 20,000 clients with 50 events each
QUIET = 60  # seconds after a verdict without another one, at most
_SLACK = 20  # seconds that lines may be out of order
_CHECK = 50_000  # events between two looks at the memory held


class Tally:
    """Windows of the clients that `rules` (at most eight, of one kind of key) count.

    `shed` is how many clients were forgotten under load, `verdicts` how many each rule has decided about.
    """

    def __init__(self, rules: Sequence[Rule], *, max_tracked: int = MAX_TRACKED, max_held: int = MAX_HELD) -> None:
        self.rules = tuple(rules)
        self.shed = 0
        self.verdicts = dict.fromkeys((rule.name for rule in rules), 0)
        self.windows: dict[str, bytes] = {}
        self.full = min(rule.maxretry for rule in rules) * SIZE  # length from which a window is looked at
        self.stamps = Stamps(1 << len(self.rules))
        self._longest = max(rule.findtime for rule in rules)
        self._max_tracked = max_tracked
        self._max_held = max_held
        self._unchecked = 0
        self._due: dict[str, int] = {}  # key -> length from which its window is looked at, where that is more
        # key -> for each rule, until when (log time) nothing is said about it after its last verdict
        self._quiet: dict[str, list[int]] = {}

    @property
    def tracked(self) -> int:
        """Clients with a window now."""
        return len(self.windows)

    def add(self, key: str, stamp: bytes) -> list[Verdict]:
        """Count one event; the verdicts it completes. Hot loops do the first half of it themselves."""
        window = self.windows.get(key)
        if window is None:
            self.begin(key, stamp)
            window = b""
        window += stamp
        if len(window) < self.full:
            self.windows[key] = window
            return []
        return self.look(key, window)

    def begin(self, key: str, stamp: bytes) -> None:
        """Begin a window, for which there may have to be room made."""
        if len(self.windows) >= self._max_tracked:
            self._make_room(newest(stamp))
        self.windows[key] = stamp

    def look(self, key: str, window: bytes) -> list[Verdict]:
        """Keep a window that may be full: the verdicts about it, and what of it may count further on."""
        if len(window) < self._due.get(key, 0):
            self.windows[key] = window
            return []
        window = without_old(window, newest(window) - self._longest - _SLACK)
        if len(window) < self.full:
            self._due.pop(key, None)
            self.windows[key] = window
            return []
        # More than count in the end, but far cheaper to find: usually enough to know that nothing is decided yet.
        lacking = min(rule.maxretry - most for rule, most in zip(self.rules, self._at_most(window), strict=True))
        if lacking > 0:
            self._wait(key, window, lacking)
            return []
        return self._judge(key, window)

    def _at_most(self, window: bytes) -> list[int]:
        """For each rule, how many stamps of a window it counts, whenever they were."""
        masks = window[SIZE - 1 :: SIZE]
        counts = [(mask, masks.count(mask)) for mask in set(masks)]
        return [sum(count for mask, count in counts if mask >> index & 1) for index in range(len(self.rules))]

    def _judge(self, key: str, window: bytes) -> list[Verdict]:
        times, masks = columns_of(window)
        every = functools.reduce(operator.and_, set(masks))  # the rules that count all of it
        done = 0  # the rules that decided
        verdicts, lacking = [], LATEST
        for index, rule in enumerate(self.rules):
            bit, until = 1 << index, self._quiet_until(key, index)
            counted = times if every & bit else [time for time, mask in zip(times, masks, strict=True) if mask & bit]
            if until:
                counted = counted[bisect_right(counted, until) :]
            # How many lie together, not only at the end: the next event may be a little older than this one.
            together = densest(counted, rule.findtime) if len(counted) >= rule.maxretry else len(counted)
            if together < rule.maxretry:
                lacking = min(lacking, rule.maxretry - together)
                continue
            first = full_span(counted, rule.maxretry, rule.findtime)
            last = first + rule.maxretry - 1
            done |= bit
            verdicts.append(self._decide(key, index, counted[first], counted[last]))
            lacking = min(lacking, rule.maxretry)
        if done:
            stamps = [(time, mask & ~done) for time, mask in zip(times, masks, strict=True)]
            self._keep(key, stamps, times[-1], lacking)
        else:
            self._wait(key, window, lacking)
        return verdicts

    def _decide(self, key: str, index: int, first: int, last: int) -> Verdict:
        rule = self.rules[index]
        self.verdicts[rule.name] += 1
        if key not in self._quiet and len(self._quiet) >= self._max_tracked:
            self._quiet = dict(sorted(self._quiet.items(), key=lambda item: max(item[1]))[self._max_tracked // 8 :])
        self._quiet.setdefault(key, [0] * len(self.rules))[index] = last + min(rule.findtime, QUIET)
        return Verdict.of(rule, key, count=rule.maxretry, first=first, last=last)

    def _keep(self, key: str, stamps: list[tuple[int, int]], now: int, lacking: int) -> None:
        """Keep the stamps that may count at `now` or later; `lacking` more of them have the window looked at."""
        edges = [(1 << index, now - rule.findtime - _SLACK) for index, rule in enumerate(self.rules)]
        kept = []
        for time, mask in stamps:
            counts = sum(bit for bit, edge in edges if mask & bit and time > edge)
            if counts:
                kept.append((time, counts))
        if not kept:
            self._drop(key)
            return
        self._wait(key, window_of(kept), lacking)

    def _wait(self, key: str, window: bytes, lacking: int) -> None:
        """Keep a window until it is longer by so many stamps."""
        self.windows[key] = window
        due = len(window) + lacking * SIZE
        if due > self.full:
            self._due[key] = due
        else:
            self._due.pop(key, None)

    def _drop(self, key: str) -> None:
        self.windows.pop(key, None)
        self._due.pop(key, None)

    def _quiet_until(self, key: str, index: int) -> int:
        until = self._quiet.get(key)
        return until[index] if until else 0

    # -- time --

    def sweep(self, now: int) -> None:
        """Forget what is over at `now`. Only when no input has older lines to come."""
        shortest = now - _SLACK - min(rule.findtime for rule in self.rules)
        for key, window in [item for item in self.windows.items() if newest(item[1]) <= shortest]:
            self._keep(key, stamps_of(window), now, 0)
        # Not before events of the quiet time are over as well: without the mark they would count.
        over = now - self._longest - _SLACK
        for key in [key for key, until in self._quiet.items() if max(until) < over]:
            del self._quiet[key]

    def forget(self, rule_name: str, key: str) -> None:
        """Speak about that client again: the verdict of that rule got lost."""
        for index, rule in enumerate(self.rules):
            if rule.name == rule_name and key in self._quiet:
                self._quiet[key][index] = 0

    def forget_future(self, now: int) -> None:
        """Drop events and verdicts later than `now`: the clock was set back, and they would never be over."""
        for key, window in list(self.windows.items()):
            stamps = stamps_of(window)
            past = [(time, mask) for time, mask in stamps if time <= now]
            if len(past) < len(stamps):
                self._drop(key)
                if past:
                    self.windows[key] = window_of(past)
        for key in [key for key, until in self._quiet.items() if max(until) > now + QUIET]:
            del self._quiet[key]

    # -- what survives a restart --

    @property
    def counts(self) -> dict[str, list[Any]]:
        """For each rule, what it counts and whether it bans: what is remembered is of use to the same only."""
        return {rule.name: counted(rule) for rule in self.rules}

    def entries(self) -> Iterator[tuple[str, bytes, list[int]]]:
        """What is remembered of each client: its key, its window, its quiet times (empty for none)."""
        for key, window in self.windows.items():
            yield key, window, self._quiet.get(key, [])
        for key, until in self._quiet.items():
            if key not in self.windows:
                yield key, b"", until

    def restore(self, key: str, window: bytes, quiet: Sequence[int], before: Sequence[str | None]) -> None:
        """Go on from an entry. `before` names the rules of its bits then, None for one that counts otherwise now.

        Raises KeyError, TypeError, ValueError if it is none.
        """
        names = {rule.name: index for index, rule in enumerate(self.rules)}
        now = [names.get(name) if name is not None else None for name in before]
        until = [0] * len(self.rules)
        for old, new in enumerate(now):
            if new is not None and quiet:
                until[new] = int(quiet[old])
        if any(until):
            self._quiet[key] = until
        bits = [(1 << old, 1 << new) for old, new in enumerate(now) if new is not None]
        stamps = [(time, sum(new for old, new in bits if mask & old)) for time, mask in stamps_of(window)]
        stamps = [(time, mask) for time, mask in stamps if mask]
        if len(stamps) == 1:
            self.windows[key] = self.stamps.at(stamps[0][0])[stamps[0][1]]
        elif stamps:
            self.windows[key] = window_of(stamps)

    # -- bounded memory: the clients that are furthest from a verdict go first, and of these the oldest --

    def counted(self, events: int) -> None:
        """So many events came in: look at the memory now and then."""
        self._unchecked += events
        if self._unchecked >= _CHECK:
            self._unchecked = 0
            self._limit_memory()

    def _make_room(self, now: int) -> None:
        self.sweep(now)  # windows that are over cost nothing
        surplus = len(self.windows) - self._max_tracked * 7 // 8
        if surplus > 0:
            self._shed(self._quietest()[:surplus])

    def _limit_memory(self) -> None:
        held = sum(map(len, self.windows.values()))
        if held <= self._max_held:
            return
        for key in self._quietest():
            if held <= self._max_held * 7 // 8:
                break
            held -= len(self.windows[key])
            self._shed([key])

    def _quietest(self) -> list[str]:
        windows = self.windows

        def rank(key: str) -> int:  # one number, not a pair: memory is short here
            window = windows[key]
            return (self._closeness(window) << 32) + newest(window) if len(window) > SIZE else newest(window)

        return sorted(windows, key=rank)

    def _closeness(self, window: bytes) -> int:
        """How close a window is to the verdict of one of the rules, in thousandths."""
        return max(most * 1000 // rule.maxretry for rule, most in zip(self.rules, self._at_most(window), strict=True))

    def _shed(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._drop(key)
            self.shed += 1


def counted(rule: Rule) -> list[Any]:
    """What a rule counts, as it is saved: everything but its thresholds and its words."""
    return [rule.type, rule.key, rule.observe, list(rule.inputs), *_predicates(rule)]


def _predicates(rule: Rule) -> list[Any]:
    lists = (rule.status, rule.method, rule.path, rule.agent, rule.probes, rule.paths, rule.names)
    return [rule.exclude_static, rule.wide, rule.ignore_case, rule.start, rule.anywhere, *map(list, lists)]
