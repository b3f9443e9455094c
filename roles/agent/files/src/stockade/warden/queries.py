# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that only look: status, bans, why, history, whitelist, changes."""

from __future__ import annotations

import os
import time

from stockade import __version__
from stockade.warden.callers import Caller
from stockade.warden.decided import figures
from stockade.warden.enforcement import Enforcement
from stockade.warden.execution import Answer, Execution
from stockade.warden.requests import Request

PAST_SHOWN = 20
PACKETS_SHOWN = 1000
SHED_SHOWN_SECONDS = 86400


class Queries:
    """Answers from the registry. `warnings` were known at the start."""

    def __init__(self, execution: Execution, enforcement: Enforcement, warnings: tuple[str, ...]) -> None:
        self._execution = execution
        self._registry = execution.registry
        self._enforcement = enforcement
        self._warnings = warnings
        self._started_at = execution.now()

    def status(self, caller: Caller, request: Request) -> Answer:
        """Whether bans are in force, and how much there is of everything."""
        now = self._execution.now()
        counts = self._registry.counts(now)
        problems = [text for text in (self._enforcement.problem, self._unrecorded()) if text]
        state = "released" if self._enforcement.released else "degraded" if problems else "enforcing"
        return {
            "version": __version__,
            "pid": os.getpid(),
            "origin": self._execution.config.origin,
            "started_at": self._started_at,
            "state": state,
            "problems": problems,
            "warnings": [*self._warnings, *self._shed(now)],
            "backend": self._enforcement.backend,
            "bans": sum(counts.values()),
            "networks": self._registry.networks(now),
            "whitelist": len(self._registry.whitelist(now)),
            "callers": counts,
            "history": self._registry.past_total(),
            "copied_at": self._registry.copied_at,
            "shed": self._execution.shedding.shed,
        }

    def bans(self, caller: Caller, request: Request) -> Answer:
        """Live bans, newest first; or those that cover one network, narrowest first."""
        now, limit = self._execution.now(), min(request.limit, caller.max_rows)
        if request.covering is not None:
            found = self._registry.covering(now, request.covering)
            rows = [ban.wire() for ban in found[: caller.max_rows]]
            return {"bans": rows, "total": len(found), "truncated": len(found) > len(rows)}
        counts = self._registry.counts(now)
        total = sum(counts.values()) if request.source is None else counts.get(request.source, 0)
        found = self._registry.newest(now, limit, request.source)
        rows = [ban.wire() for ban in found]
        if request.packets:  # each is asked of the kernel by itself
            counts_of = self._enforcement.packets({ban.network for ban in found[:PACKETS_SHOWN]})
            for row, ban in zip(rows[:PACKETS_SHOWN], found, strict=False):
                row["packets"] = counts_of.get(ban.network)
        return {"bans": rows, "total": total, "truncated": total > len(found)}

    def why(self, caller: Caller, request: Request) -> Answer:
        """Everything that decides about one network: what bans it, what lets it through, what was."""
        network, now = request.covering, self._execution.now()
        assert network is not None
        bans = self._registry.covering(now, network)[: caller.max_rows]
        packets = self._enforcement.packets({ban.network for ban in bans})
        around = set(network.supernets())
        whitelist = [entry for entry in self._registry.whitelist(now) if entry.network in around]
        never = self._execution.policy().never(network)
        passes = bool(whitelist or never)
        return {
            "network": str(network),
            "verdict": "passes" if passes else "banned" if bans else "free",
            "never": never,
            "whitelist": [entry.wire() for entry in whitelist],
            "bans": [{**ban.wire(), "packets": packets.get(ban.network)} for ban in bans],
            "history": [ended.wire() for ended in self._registry.past(now, network, PAST_SHOWN)],
        }

    def history(self, caller: Caller, request: Request) -> Answer:
        """Figures over the bans that were decided since a moment; `complete` is whether all of them are in.

        With `each` also the bans themselves, as `decisions`, newest first.
        """
        limit = min(request.limit, caller.max_rows)
        found = self._registry.decided(request.since, limit)
        answer = {**figures(found, request.since), "complete": len(found) < limit}
        if request.each:
            answer["decisions"] = self._registry.decisions(request.since, limit)
        return answer

    def whitelist(self, caller: Caller, request: Request) -> Answer:
        """Whitelist entries, and what the host itself needs."""
        around = self._execution.surroundings()
        return {
            "entries": [entry.wire() for entry in self._registry.whitelist(self._execution.now())],
            "protected": sorted(str(network) for network in around.own | around.reachable),
        }

    def changes(self, caller: Caller, request: Request) -> Answer:
        """What was banned, renewed and lifted since a change the caller has seen; lists and ends are not told."""
        found = self._registry.changes_after(request.after, min(request.limit, caller.max_rows))
        return {"changes": found, "last": self._registry.last_change()}

    def _unrecorded(self) -> str:
        reason = self._registry.refusal or self._enforcement.unrecorded
        return f"the registry cannot be written: {reason}" if reason else ""

    def _shed(self, now: int) -> list[str]:
        shedding = self._execution.shedding
        if not shedding.shed_at or now - shedding.shed_at > SHED_SHOWN_SECONDS:
            return []
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(shedding.shed_at))
        return [f"too many bans, last at {when}: {shedding.shed} that end soonest were let go since the start"]
