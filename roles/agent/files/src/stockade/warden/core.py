# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden without its socket: who may ask what, what is told, and what happens by itself."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from stockade import __version__
from stockade.addresses import format_network
from stockade.protocol import DENIED, UNAVAILABLE, ProtocolError
from stockade.warden import requests
from stockade.warden.callers import Caller
from stockade.warden.changes import Changes
from stockade.warden.config import WardenConfig
from stockade.warden.enforcement import Enforcement
from stockade.warden.firewall import Firewall
from stockade.warden.policy import Surroundings
from stockade.warden.registry import Registry
from stockade.warden.requests import Request

Answer = dict[str, Any]
# Also with the registry of a newer agent.
ALWAYS = frozenset({"status", "bans", "whitelist", "release", "resume"})


class Warden:
    """One host's bans. `clock` returns epoch seconds; `surroundings` what the host needs to reach."""

    def __init__(
        self,
        *,
        registry: Registry,
        firewall: Firewall,
        config: WardenConfig,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        surroundings: Callable[[], Surroundings] = Surroundings.read,
    ) -> None:
        self._registry = registry
        self._config = config
        self._clock = clock
        self._surroundings = surroundings
        self._started_at = int(clock())
        self._enforcement = Enforcement(
            registry=registry, firewall=firewall, clock=clock, monotonic=monotonic, surroundings=surroundings
        )
        changes = Changes(
            registry=registry, enforcement=self._enforcement, config=config, clock=clock, surroundings=surroundings
        )
        self._operations: dict[str, Callable[[Caller, Request], Answer]] = {
            "status": self._status,
            "bans": self._bans,
            "whitelist": self._whitelist,
            "ban": changes.ban,
            "unban": changes.unban,
            "permanent_bans": changes.permanent_bans,
            "whitelist_set": changes.whitelist,
            "release": self._release,
            "resume": self._resume,
        }

    # what the service loop asks

    def handle(self, caller: Caller, message: dict[str, Any]) -> Answer:
        """The result for one request of `caller`. Raises ProtocolError for everything that ends in an error answer."""
        request = requests.parse(message)
        if request.op not in caller.operations:
            raise ProtocolError(DENIED, f"{caller.name} may not ask {request.op}")
        if request.op not in ALWAYS and not request.check and not self._registry.writable:
            raise ProtocolError(UNAVAILABLE, "the registry is of a newer agent: it is enforced, changes are refused")
        return self._operations[request.op](caller, request)

    def start(self) -> None:
        """Bring the kernel to what the registry says; a failure shows in `status` and is retried."""
        self._enforcement.synchronise()

    def tick(self) -> None:
        """Once a second: keep the kernel there."""
        self._enforcement.tick()

    def summary(self) -> str:
        """One line for the journal and `systemctl status`; it changes when the state does, not with every ban."""
        if self._enforcement.released:
            return "released: nothing is refused until `stockade resume`"
        problem = self._enforcement.problem
        return f"degraded: {problem}" if problem else f"enforcing with {self._enforcement.backend}"

    def tidy(self) -> None:
        """Once an hour: move what expired long ago to the history, and renew what outlasts a kernel timeout."""
        self._registry.tidy(self._now())
        self._enforcement.synchronise()

    # operations, one for each word of the protocol

    def _status(self, caller: Caller, request: Request) -> Answer:
        now = self._now()
        counts = self._registry.counts(now)
        problem = self._enforcement.problem
        state = "released" if self._enforcement.released else "degraded" if problem else "enforcing"
        return {
            "version": __version__,
            "pid": os.getpid(),
            "origin": self._config.origin,
            "started_at": self._started_at,
            "state": state,
            "problems": [problem] if problem else [],
            "backend": self._enforcement.backend,
            "bans": sum(counts.values()),
            "networks": self._registry.networks(now),
            "whitelist": len(self._registry.whitelist(now)),
            "callers": counts,
        }

    def _bans(self, caller: Caller, request: Request) -> Answer:
        now, limit = self._now(), min(request.limit, caller.max_rows)
        if request.covering is not None:
            found = self._registry.covering(now, request.covering)
            return {"bans": [ban.wire() for ban in found], "total": len(found), "truncated": False}
        if request.source is not None:
            found = self._registry.live(now, source=request.source)
            total = len(found)
            found = found[:limit]
        else:
            total = sum(self._registry.counts(now).values())
            found = self._registry.newest(now, limit)
        return {"bans": [ban.wire() for ban in found], "total": total, "truncated": total > len(found)}

    def _whitelist(self, caller: Caller, request: Request) -> Answer:
        around = self._surroundings()
        return {
            "entries": [entry.wire() for entry in self._registry.whitelist(self._now())],
            "protected": sorted(format_network(network) for network in around.own | around.reachable),
        }

    def _release(self, caller: Caller, request: Request) -> Answer:
        """The rules first: this is what somebody who is locked out asks for, full disk or not."""
        changed = not self._enforcement.released
        if not request.check:
            self._enforcement.release()
            self._remember_released(True)
        return {"changed": changed, "state": "released"}

    def _resume(self, caller: Caller, request: Request) -> Answer:
        changed = self._enforcement.released
        if not request.check:
            self._remember_released(False)
            self._enforcement.resume()
        return {"changed": changed, "state": "enforcing"}

    # inside

    def _now(self) -> int:
        return int(self._clock())

    def _remember_released(self, released: bool) -> None:
        try:
            self._registry.released = released
        except sqlite3.Error as error:
            word = "released until the next start" if released else "NOT resumed"
            raise ProtocolError(UNAVAILABLE, f"{word}, NOT recorded: {error}") from None
