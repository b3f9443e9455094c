# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden without its socket: who may ask what, what is told, and what happens by itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from stockade.protocol import DENIED, UNAVAILABLE, ProtocolError
from stockade.warden import requests
from stockade.warden.callers import Caller
from stockade.warden.changes import Changes
from stockade.warden.config import WardenConfig
from stockade.warden.enforcement import Enforcement
from stockade.warden.execution import Execution
from stockade.warden.firewall import Firewall
from stockade.warden.lists import Lists
from stockade.warden.policy import Surroundings
from stockade.warden.queries import Queries
from stockade.warden.registry import Registry
from stockade.warden.requests import Request

Answer = dict[str, Any]
# Also with the registry of a newer agent.
ALWAYS = frozenset({"status", "bans", "why", "history", "whitelist", "changes", "release", "resume"})


class Warden:
    """One host's bans. `clock` returns epoch seconds; `surroundings` what the host needs to reach.

    `warnings` are what an operator has to know though everything is in force, such as a registry that was rebuilt.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        firewall: Firewall,
        config: WardenConfig,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        surroundings: Callable[[], Surroundings] = Surroundings.read,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._enforcement = Enforcement(
            registry=registry, firewall=firewall, clock=clock, monotonic=monotonic, surroundings=surroundings
        )
        self._execution = Execution(
            registry=registry,
            enforcement=self._enforcement,
            config=config,
            clock=clock,
            monotonic=monotonic,
            surroundings=surroundings,
        )
        changes, lists = Changes(self._execution), Lists(self._execution)
        queries = Queries(self._execution, self._enforcement, warnings)
        self._operations: dict[str, Callable[[Caller, Request], Answer]] = {
            "status": queries.status,
            "bans": queries.bans,
            "why": queries.why,
            "history": queries.history,
            "whitelist": queries.whitelist,
            "changes": queries.changes,
            "ban": changes.ban,
            "unban": changes.unban,
            "alarm": changes.alarm,
            "permanent_bans": lists.permanent_bans,
            "whitelist_set": lists.whitelist,
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
        try:
            return self._operations[request.op](caller, request)
        except sqlite3.Error as error:
            self._execution.noticed(error)
            raise ProtocolError(UNAVAILABLE, f"the registry cannot be read: {error}") from None

    @property
    def broken(self) -> str:
        """Why this warden has to start anew: what the registry said when it was found broken. Empty if it has not."""
        return self._execution.broken

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
        problem = self._enforcement.problem or self._registry.refusal or self._enforcement.unrecorded
        return f"degraded: {problem}" if problem else f"enforcing with {self._enforcement.backend}"

    def tidy(self) -> bool:
        """Once an hour: move what expired long ago to the history. True if there is more to move."""
        if self._registry.writable:
            try:
                more = self._registry.tidy(int(self._clock()))
                self._enforcement.unrecorded = ""
                return more
            except sqlite3.OperationalError as error:  # a full disk: told, and tried again in an hour
                self._enforcement.unrecorded = str(error)
        return False

    # operations that are about the firewall as a whole

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

    def _remember_released(self, released: bool) -> None:
        try:
            self._registry.remember_released(released)
        except sqlite3.Error as error:
            word = "released until the next start" if released else "NOT resumed"
            raise ProtocolError(UNAVAILABLE, f"{word}, NOT recorded: {error}") from None
