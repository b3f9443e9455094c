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
from typing import Any

from stockade.watcher.events import Request
from stockade.watcher.verdict import SHARE, STORM, Verdict

MINUTE = 60  # seconds
SPAN = 300  # seconds of log time in which shares are counted
SPANS = 12  # that are remembered
ENOUGH_SPANS = 2  # before the one of the verdict
_SAMPLE = 8  # one request in so many is looked at
_ENOUGH = 5  # samples of a span
_AGENTS = 3  # different ones that a proxy shows at least, and more than a tool that cannot help it
_MAX_CLIENTS = 4096  # of a span


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
        self._shares.clear()


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
        self._agents: dict[str, set[bytes]] = {}

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
                    agents.add(fields.rpartition(b'" "')[2])
            elif len(self._counts) > _MAX_CLIENTS:  # who has a large share keeps it (Misra and Gries, 1982)
                self._counts = {key: count - 1 for key, count in self._counts.items() if count > 1}
        self._skip = (self._skip - len(events)) % _SAMPLE

    def is_heavy(self, verdict: Verdict) -> bool:
        """Whether the client of a verdict had too large a share in most of the spans before it."""
        before = [heavy for span, heavy in self._past if span < verdict.last // SPAN][-SPANS:]
        had = sum(verdict.key in heavy for heavy in before)
        return len(before) >= ENOUGH_SPANS and had * 3 >= len(before) * 2

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
