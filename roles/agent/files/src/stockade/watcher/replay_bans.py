# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bans would have been: the warden's part of a replay, in which nobody is dropped and every client goes on."""

from __future__ import annotations

import heapq
import ipaddress
from dataclasses import dataclass, field

from stockade import durations
from stockade.addresses import PRIVATE, NetworkIndex, parse_network
from stockade.warden.config import WardenConfig
from stockade.watcher.verdict import PROXY, Verdict

REFUSED = "refused (a private address, ban_private is off)"
MAX_KEPT = 100_000  # clients, banned or held back
_SLACK = 3600  # seconds that lines may be out of order
_WIDTHS = {4: (24,), 6: (64,)}
_private = NetworkIndex(PRIVATE)


@dataclass(slots=True)
class Term:
    """One ban: from when to when (epoch seconds; `end` None is permanent), by which rule."""

    start: int
    end: int | None
    rule: str

    def holds(self, time: int) -> bool:
        """Whether what came at that time would have been dropped: not in the second of the verdict itself."""
        return self.start < time and (self.end is None or time < self.end)


@dataclass(slots=True)
class Banned:
    """A client that would have been banned: the verdict of its first ban, and all its `terms`.

    `before` is how much of it came until then, that second included, `spared` what would not have arrived.
    """

    verdict: Verdict
    terms: list[Term] = field(default_factory=list)
    before: int = 0
    spared: int = 0

    def term_at(self, time: int) -> Term | None:
        """The ban that would have held at that time."""
        return next((term for term in reversed(self.terms) if term.holds(time)), None)


@dataclass(slots=True)
class Held:
    """Verdicts of one rule about one client that were only told: the first one, and how many there were."""

    verdict: Verdict
    why: str
    times: int = 1


@dataclass(slots=True)
class ByRule:
    """What one rule would have done."""

    clients: int = 0
    bans: int = 0
    spared: int = 0


class Ledger:
    """All bans of a replay. `active` are the clients whose last ban may still hold for lines to come.

    While a ban holds, another verdict about its client is none, and each ban of a client that was banned within the
    warden's `repeat_window` takes as much longer as the warden's defaults say. Bans beyond MAX_KEPT clients are counted
    in `untold` only.
    """

    def __init__(self, rules: list[str], settings: WardenConfig | None = None) -> None:
        self.banned: dict[str, Banned] = {}
        self.held: dict[tuple[str, str, str], Held] = {}
        self.rules = {name: ByRule() for name in rules}
        self.active: dict[str, Banned] = {}
        self.untold = 0
        self._settings = settings or WardenConfig(origin="")
        self._ends: list[tuple[int, str]] = []

    def take(self, verdicts: list[Verdict]) -> list[Banned]:
        """Verdicts in their order; the clients that are banned for the first time."""
        fresh = []
        for verdict in verdicts:
            why = verdict.held or (PROXY if verdict.forwarded else "") or _refused(verdict.network)
            if why:
                self._hold(verdict, why)
            elif not self._in_force(verdict) and (new := self._ban(verdict)) is not None:
                fresh.append(new)
        return fresh

    def past(self, time: int) -> None:
        """Nothing older than that comes any more, or little."""
        while self._ends and self._ends[0][0] < time - _SLACK:
            end, network = heapq.heappop(self._ends)
            record = self.active.get(network)
            if record is not None and record.terms[-1].end == end:
                del self.active[network]

    def spare(self, record: Banned, term: Term) -> None:
        """One more that would not have arrived."""
        record.spared += 1
        self.rules[term.rule].spared += 1

    def _hold(self, verdict: Verdict, why: str) -> None:
        key = verdict.network, verdict.rule, why
        if (held := self.held.get(key)) is not None:
            held.times += 1
        elif len(self.held) < MAX_KEPT:
            self.held[key] = Held(verdict, why)
        else:
            self.untold += 1

    def _in_force(self, verdict: Verdict) -> bool:
        """Whether a ban of the client, or of a network around it, holds when a verdict falls."""
        for network in (verdict.network, *_around(verdict.network)):
            record = self.active.get(network)
            if record is not None:
                end = record.terms[-1].end
                if end is None or verdict.last < end:
                    return True
        return False

    def _ban(self, verdict: Verdict) -> Banned | None:
        record = self.banned.get(verdict.network)
        fresh = record is None
        if record is None:
            if len(self.banned) >= MAX_KEPT:
                self.untold += 1
                return None
            record = self.banned[verdict.network] = Banned(verdict)
        duration = self._duration(record, verdict)
        end = None if duration is None else verdict.last + duration
        by_rule = self.rules.setdefault(verdict.rule, ByRule())
        by_rule.bans += 1
        by_rule.clients += all(term.rule != verdict.rule for term in record.terms)
        record.terms.append(Term(verdict.last, end, verdict.rule))
        self.active[verdict.network] = record
        if end is not None:
            heapq.heappush(self._ends, (end, verdict.network))
        return record if fresh else None

    def _duration(self, record: Banned, verdict: Verdict) -> int | None:
        if verdict.duration is None:
            return None
        settings = self._settings
        since = verdict.last - settings.repeat_window
        repeats = sum(term.end is not None and since < term.end <= verdict.last for term in record.terms)
        longest = settings.longest_duration or durations.LONGEST
        longer = verdict.duration * int(settings.repeat_factor ** min(repeats, 32))
        return max(verdict.duration, min(longer, longest))


def _refused(network: str) -> str:
    return REFUSED if _private.around(parse_network(network)) else ""


def _around(network: str) -> list[str]:
    """Wider networks that clients may be counted by, with that one in them."""
    inner = ipaddress.ip_network(network, strict=False)
    return [str(inner.supernet(new_prefix=width)) for width in _WIDTHS[inner.version] if width < inner.prefixlen]
