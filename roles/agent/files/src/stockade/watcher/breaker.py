# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The breaker: what looks like a mistake is told and not done.

Two things do. More verdicts in a minute than any attack on this host is likely to bring: a rule that meets everybody.
And a client that had a large share of all requests for a while already, under many user agents: a proxy that was not
declared, behind which everybody is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any
from zlib import crc32

from stockade.watcher.events import LATEST, Request
from stockade.watcher.saved import items, number, table, text
from stockade.watcher.verdict import SHARE, STORM, Verdict

MINUTE = 60  # seconds
SPAN = 300  # seconds of log time in which shares are counted
SPANS = 12  # that are remembered
ENOUGH_SPANS = 2  # before the one of the verdict
_SAMPLE = 8  # one request in so many is looked at
_ENOUGH = 5  # samples of a span
_AGENTS = 3  # different ones that a proxy shows at least, and more than a tool that cannot help it
_MAX_CLIENTS = 4096  # of a span
_MAX_HEAVY = 100  # clients with more than a hundredth each
_MAX_KEY = 100  # characters
_TIMES, _ROWS = 1000, 32  # of one record


class Breaker:
    """`held` counts the verdicts that were held back, by reason; `heavy` names the clients with too large a share."""

    def __init__(self, *, max_bans_per_minute: int, max_share: int) -> None:
        self.held = {STORM: 0, SHARE: 0}
        self.heavy: dict[str, int] = {}  # client -> when last (log time) a verdict about it was held back
        self._max_bans = max_bans_per_minute
        self._max_share = max_share
        # times of verdicts that were let through; inputs that are behind give older ones
        self._recent: deque[int] = deque(maxlen=4 * max_bans_per_minute or 1)
        self._shares: dict[str, _Shares] = {}

    def saw(self, events: list[Request], source: str) -> None:
        """Notice who makes the requests of an input."""
        if self._max_share:
            self._shares.setdefault(source, _Shares(self._max_share)).saw(events)

    def judged(self, verdicts: list[Verdict], source: str) -> list[Verdict]:
        """These verdicts about an input, held back where there is reason to."""
        in_order = sorted(verdicts, key=lambda verdict: verdict.last)
        return [self._judged(verdict, self._shares.get(source)) for verdict in in_order]

    def _judged(self, verdict: Verdict, shares: _Shares | None) -> Verdict:
        if verdict.held:
            return verdict
        if shares is not None and verdict.type in ("rate", "probe") and shares.is_heavy(verdict):
            self.held[SHARE] += 1
            self.heavy[verdict.network] = verdict.last
            return verdict.held_back(SHARE)
        # Only what was let through counts: so many bans a minute there are in any storm.
        before = sum(verdict.last - MINUTE < time <= verdict.last for time in self._recent)
        if self._max_bans and before >= self._max_bans:
            self.held[STORM] += 1
            return verdict.held_back(STORM)
        self._recent.append(verdict.last)
        return verdict

    def forget_future(self, now: int) -> None:
        """Drop what lies after `now`: the clock was set back."""
        self._recent = deque((time for time in self._recent if time <= now), self._recent.maxlen)
        for shares in self._shares.values():
            shares.forget_future(now)

    def records(self) -> Iterator[dict[str, Any]]:
        """For the saved state: a storm goes on over a restart, and so does who had which share."""
        times = iter(self._recent)
        while batch := list(islice(times, _TIMES)):
            yield {"storm": batch}
        for source, shares in self._shares.items():
            yield from ({"shares": source, "limit": self._max_share, **record} for record in shares.records())

    def restore(self, record: dict[str, Any]) -> None:
        """Take a record of `records` back; shares of another limit are of no use. Raises ValueError."""
        if "storm" in record:
            self._recent.extend([number(time, "time", LATEST) for time in items(record["storm"], "storm", _TIMES)])
        elif "shares" in record and record.get("limit") == self._max_share and self._max_share:
            self._shares.setdefault(record["shares"], _Shares(self._max_share)).restore(record)


class _Shares:
    """Who makes how many of an input's requests, in spans of log time."""

    def __init__(self, max_share: int) -> None:
        self._max_share = max_share
        # number of a span and who had too large a share; more than count: a verdict may lie before the last ones
        self._past: deque[tuple[int, frozenset[str]]] = deque(maxlen=80 * SPANS)
        self._skip = 0  # requests before the next sample
        self._span = 0
        self._total = 0
        self._counts: dict[str, int] = {}
        self._agents: dict[str, set[int]] = {}  # of who has too large a share, as checksums

    def saw(self, events: list[Request]) -> None:
        for time, client, _request, _status, fields in events[self._skip :: _SAMPLE]:
            span = time // SPAN
            if span > self._span:
                self._close()
                self._span = span
            key = client[0]
            self._total += 1
            count = self._counts[key] = self._counts.get(key, 0) + 1
            if count * 100 > self._total * self._max_share:
                agents = self._agents.setdefault(key, set())
                if len(agents) < _AGENTS:
                    agents.add(crc32(fields.rpartition(b'" "')[2]))
            elif len(self._counts) > _MAX_CLIENTS:  # who has a large share keeps it (Misra and Gries, 1982)
                self._counts = {key: count - 1 for key, count in self._counts.items() if count > 1}
        self._skip = (self._skip - len(events)) % _SAMPLE

    def is_heavy(self, verdict: Verdict) -> bool:
        """Whether the client of a verdict had too large a share in most of the spans before it."""
        before = [heavy for span, heavy in self._past if span < verdict.last // SPAN][-SPANS:]
        had = sum(verdict.key in heavy for heavy in before)
        return len(before) >= ENOUGH_SPANS and had * 3 >= len(before) * 2

    def forget_future(self, now: int) -> None:
        """Drop spans later than `now`."""
        self._past = deque((row for row in self._past if row[0] <= now // SPAN), self._past.maxlen)
        if self._span > now // SPAN:
            self._span, self._total, self._counts, self._agents = 0, 0, {}, {}

    def records(self) -> Iterator[dict[str, Any]]:
        """The spans before, and of this one who has too large a share now."""
        rows = iter(self._past)
        while batch := [[span, sorted(heavy)] for span, heavy in islice(rows, _ROWS)]:
            yield {"past": batch}
        least = self._total * self._max_share
        heavy = [key for key in self._agents if self._counts.get(key, 0) * 100 > least]
        clients = {key: [self._counts[key], *self._agents[key]] for key in heavy[:_MAX_HEAVY]}
        if clients:  # of a span without any, what is left of it tells as much
            yield {"span": self._span, "total": self._total, "clients": clients}

    def restore(self, record: dict[str, Any]) -> None:
        """Take a record of `records` back. Raises ValueError."""
        if "past" in record:
            for row in items(record["past"], "past", _ROWS):
                span, heavy = items(row, "row", 2)
                keys = frozenset(text(key, "client", _MAX_KEY) for key in items(heavy, "row", _MAX_HEAVY))
                self._past.append((number(span, "span", LATEST // SPAN), keys))
            return
        counts: dict[str, int] = {}
        agents: dict[str, set[int]] = {}
        total = number(record.get("total"), "total", 2**63)
        for key, row in table(record.get("clients"), "clients", _MAX_HEAVY).items():
            count, *known = [number(value, "count", 2**63) for value in items(row, "row", 1 + _AGENTS)]
            counts[text(key, "client", _MAX_KEY)], agents[key] = count, set(known)
        self._span = number(record.get("span"), "span", LATEST // SPAN)
        self._total, self._counts, self._agents = total, counts, agents

    def _close(self) -> None:
        if self._total >= _ENOUGH:
            least = self._total * self._max_share
            heavy = (
                key
                for key, agents in self._agents.items()
                if len(agents) >= _AGENTS and self._counts.get(key, 0) * 100 > least
            )
            self._past.append((self._span, frozenset(heavy)))
        self._total, self._counts, self._agents = 0, {}, {}


def summary(breaker: Breaker) -> dict[str, Any]:
    """For `status`."""
    return {"storm": breaker.held[STORM], "share": breaker.held[SHARE], "heavy": sorted(breaker.heavy)[:10]}
