# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The courier takes verdicts to the warden, in batches, and keeps them while the warden is away."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from stockade.client import WardenUnavailable
from stockade.protocol import INTERNAL, QUOTA, UNAVAILABLE, ProtocolError
from stockade.text import visible
from stockade.watcher.verdict import PROXY, Verdict

MAX_PENDING = 10_000  # verdicts
BATCH = 100  # bans per request: far below the 64 KiB that a service may send
TURN = 2.0  # seconds of asking before the service has its turn
_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between attempts


class Warden(Protocol):
    """The part of stockade.client.Client that is used here."""

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """See stockade.client.Client.call."""


class Courier:
    """Verdicts on their way. `report(verdict, outcome)` is called once for each that came to an end.

    `late` counts verdicts whose ban would have been over, `dropped` those that found the queue full, `proxied` those
    about clients behind a proxy, which are only told unless the warden bans by a `command` too.
    """

    def __init__(self, warden: Warden, report: Callable[[Verdict, str], None]) -> None:
        self.late = 0
        self.dropped = 0
        self.proxied = 0
        self.problem = ""
        self._warden = warden
        self._report = report
        self._pending: deque[Verdict] = deque()
        self._failures = 0
        self._singly = 0  # verdicts to ask about one by one, because a batch with them was refused as a whole
        self._next_attempt = 0.0  # monotonic
        self._commands: bool | None = None  # whether the warden bans by a command; None: not known
        self._asked = False

    @property
    def pending(self) -> list[Verdict]:
        """Verdicts without an answer yet, oldest first."""
        return list(self._pending)

    def take(self, verdicts: Iterable[Verdict]) -> None:
        """Accept verdicts; the oldest ones go if there are too many."""
        for verdict in verdicts:
            if verdict.held:
                self._report(verdict, verdict.held)
                continue
            if len(self._pending) >= MAX_PENDING:
                self.dropped += 1
                self._report(self._pending.popleft(), "dropped")
            self._pending.append(verdict)

    def deliver(self, *, now: int, monotonic: float) -> bool:
        """Ask the warden about one batch of what is pending; True if anything was answered.

        Only one, and for `TURN` seconds at most, because the caller has a watchdog and signals to answer. Never raises
        for a warden that fails.
        """
        answered = 0
        self._asked = False
        deadline = time.monotonic() + TURN
        while monotonic >= self._next_attempt and answered < BATCH and time.monotonic() < deadline:
            batch = self._batch(now, 1 if self._singly else BATCH)
            if not batch:
                break
            if self._ask(batch, now):
                self._singly = max(0, self._singly - len(batch))
                answered += len(batch)
                continue
            self._pending.extendleft(reversed(batch))
            if not self._singly:
                self._next_attempt = monotonic + _BACKOFF[min(self._failures, len(_BACKOFF)) - 1]
                break
        return answered > 0

    def _batch(self, now: int, size: int) -> list[Verdict]:
        """Take up to `size` verdicts out whose ban would not be over."""
        batch: list[Verdict] = []
        waiting: list[Verdict] = []  # for the word whether the warden has a command
        while self._pending and len(batch) < size:
            verdict = self._pending.popleft()
            remaining = verdict.remaining(now)
            if remaining is not None and remaining <= 0:
                self.late += 1
            elif not verdict.forwarded or self._by_command():
                batch.append(verdict)
            elif self._commands is None:
                waiting.append(verdict)
            else:
                self.proxied += 1
                self._report(verdict, PROXY)
        self._pending.extendleft(reversed(waiting))
        return batch

    def whitelist(self) -> list[str] | None:
        """Whom the warden never bans, None if it does not say. What else it was asked is asked anew."""
        self._commands = None
        try:
            entries = self._warden.call("whitelist").get("entries", [])
            return [str(entry["network"]) for entry in entries]
        except (WardenUnavailable, ProtocolError, AttributeError, KeyError, TypeError):
            return None

    def _by_command(self) -> bool:
        """Whether the warden bans by a command, which may reach a client that is behind a proxy."""
        if self._commands is None and not self._asked:
            self._asked = True  # once in a turn, the warden may be slow
            try:
                self._commands = "command" in str(self._warden.call("status").get("backend"))
            except (WardenUnavailable, ProtocolError):
                return False
        return bool(self._commands)

    def _ask(self, batch: list[Verdict], now: int) -> bool:
        """True if the warden decided about the batch, whatever it decided."""
        try:
            result = self._warden.call("ban", bans=[_wanted(verdict, now) for verdict in batch], on_refused="skip")
        except WardenUnavailable as error:
            return self._failed(str(error))
        except ProtocolError as error:
            if error.code in (INTERNAL, QUOTA) or (error.code == UNAVAILABLE and not str(error).startswith("recorded")):
                return self._failed(str(error))
            if len(batch) > 1 and error.code != UNAVAILABLE:  # one bad entry must not cost the others
                self._singly = len(batch)
                return False
            self.problem = visible(str(error))
            outcomes = [self.problem] * len(batch)
        else:
            self.problem = ""
            rows = result.get("results", [])
            outcomes = [_outcome(row) for row in rows] if len(rows) == len(batch) else ["answered"] * len(batch)
        self._failures = 0
        for verdict, outcome in zip(batch, outcomes, strict=True):
            self._report(verdict, outcome)
        return True

    def _failed(self, reason: str) -> bool:
        self.problem = visible(reason)
        self._failures += 1
        self._singly = 0
        return False


def _wanted(verdict: Verdict, now: int) -> dict[str, Any]:
    remaining = verdict.remaining(now)
    return {
        "network": verdict.network,
        "duration": "permanent" if remaining is None else remaining,
        "reason": verdict.reason,
        "source": verdict.source,
        "id": verdict.id,
    }


def _outcome(row: dict[str, Any]) -> str:
    message = visible(str(row.get("message") or ""))
    return f"{row.get('state')} ({message})" if row.get("state") == "refused" and message else str(row.get("state"))
