# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The courier takes verdicts and alarms to the warden, and keeps what it does not take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stockade.addresses import parse_network
from stockade.text import visible
from stockade.watcher.asking import Asking, Trouble, Unanswered, Warden
from stockade.watcher.journal import Beginning
from stockade.watcher.verdict import DROPPED, LATE, PROXY, Verdict

MAX_PENDING = 10_000  # verdicts
BATCH = 100  # bans per request: far below the 64 KiB that a service may send
_STATES = ("banned", "renewed", "unchanged", "refused")


class Courier:
    """Verdicts on their way. `report(verdict, outcome)` is called once for each that came to an end.

    `late` counts verdicts whose ban would have been over, `dropped` those that found the queue full, `proxied` those
    about clients behind a proxy, which are only told unless the warden bans by a `command` too. Nothing that the warden
    says, or does not say, raises here.
    """

    def __init__(self, warden: Warden, report: Callable[[Verdict, str], None]) -> None:
        self.late = 0
        self.dropped = 0
        self.proxied = 0
        self._asking = Asking(warden)
        self._bans, self._backend, self._listing, self._telling = Trouble(), Trouble(), Trouble(), Trouble()
        self._report = report
        self._pending: deque[Verdict] = deque()
        self._alarms: dict[str, str] = {}  # what is wrong now, by what it is about
        self._taken: set[str] = set()  # those of them that the warden knows
        self._singly = 0  # verdicts to ask about one by one, because of a batch with them nothing came
        self._commands: bool | None = None  # whether the warden bans by a command; None: not known
        self._asked = False
        self._spent = 0.0  # seconds of this turn that the whitelist took
        self._dropping = Beginning("too many verdicts wait for the warden: the oldest are dropped from now on")
        self._running_late = Beginning("verdicts come too late: their bans would be over, the warden is not asked")

    @property
    def pending(self) -> list[Verdict]:
        """Verdicts without an answer yet, oldest first."""
        return list(self._pending)

    @property
    def untold(self) -> list[str]:
        """Alarms that the warden has not taken yet."""
        return [about for about in self._alarms if about not in self._taken]

    @property
    def problem(self) -> str:
        """Why what waits for the warden does, and what to do about it; empty if there is nothing wrong."""
        troubles = [self._listing]
        if self._pending:
            troubles = [self._asking.silence, self._bans, self._backend, *troubles]
        elif not self._bans.failures:  # else it is about verdicts that wait no longer
            troubles.append(self._bans)
        if self.untold:
            troubles.append(self._telling)
        return next((trouble.problem for trouble in troubles if trouble.problem), "")

    def take(self, verdicts: Iterable[Verdict]) -> None:
        """Accept verdicts; the oldest ones go if there are too many."""
        for verdict in verdicts:
            if verdict.held:
                self._report(verdict, verdict.held)
                continue
            if len(self._pending) >= MAX_PENDING:
                self.dropped += 1
                self._dropping.happened()
                self._report(self._pending.popleft(), DROPPED)
            self._pending.append(verdict)

    def alarm(self, alarms: Mapping[str, str]) -> None:
        """All that is wrong now. The warden is told once of each, as it is then, and not of what has ended by then."""
        self._alarms = dict(alarms)
        self._taken &= alarms.keys()

    def deliver(self, *, now: int, monotonic: float) -> bool:
        """Ask the warden about one batch of what is pending; True if anything was answered. Then tell it alarms.

        Only one, and for `asking.PATIENCE` seconds at most, because the caller has logs to read, a watchdog and signals
        to answer.
        """
        answered = 0
        self._asked = False
        self._asking.begin(monotonic, self._spent)
        self._spent = 0.0
        while answered < BATCH and self._asking.allowed(self._bans):
            batch = self._batch(now, 1 if self._singly else BATCH)
            if not batch:
                break
            count = self._ask(batch, now)
            answered += count
            if not count and not self._singly:
                break
        self._tell()
        self._asking.end()
        return answered > 0

    def whitelist(self) -> list[str] | None:
        """Whom the warden never bans, None if it does not say. What else it was asked is asked anew."""
        self._commands = None
        self._asking.begin(time.monotonic())
        try:
            entries = self._asking.call("whitelist", self._listing).get("entries")
        except Unanswered:
            return None
        finally:
            self._spent = self._asking.spent
        networks = _networks(entries)
        if networks is None:
            self._asking.odd("whitelist", self._listing)
        else:
            self._listing.over()
        return networks

    # inside

    def _batch(self, now: int, size: int) -> list[Verdict]:
        """Take up to `size` verdicts out whose ban would not be over."""
        batch: list[Verdict] = []
        waiting: list[Verdict] = []  # for the word whether the warden has a command
        while self._pending and len(batch) < size:
            verdict = self._pending.popleft()
            remaining = verdict.remaining(now)
            if remaining is not None and remaining <= 0:
                self.late += 1
                self._running_late.happened()
                self._report(verdict, LATE)
            elif not verdict.forwarded or self._by_command():
                batch.append(verdict)
            elif self._commands is None:
                waiting.append(verdict)
            else:
                self.proxied += 1
                self._report(verdict, PROXY)
        self._pending.extendleft(reversed(waiting))
        return batch

    def _by_command(self) -> bool:
        """Whether the warden bans by a command, which may reach a client that is behind a proxy."""
        if self._commands is None and not self._asked and self._asking.allowed(self._backend):
            self._asked = True  # once in a turn, the warden may be slow
            try:
                backend = self._asking.call("status", self._backend).get("backend")
            except Unanswered:
                return False
            if not isinstance(backend, str):
                self._asking.odd("status", self._backend)
                return False
            self._backend.over()
            self._commands = "command" in backend
        return bool(self._commands)

    def _ask(self, batch: list[Verdict], now: int) -> int:
        """How many verdicts of the batch the warden decided about, whatever it decided; the others wait."""
        self._singly = max(0, self._singly - len(batch))
        bans = [_wanted(verdict, now) for verdict in batch]
        problem = ""
        try:
            result = self._asking.call("ban", self._bans, bans=bans, on_refused="skip")
        except Unanswered as error:
            if error.general:
                self._pending.extendleft(reversed(batch))
                return 0
            if error.final or error.recorded:
                problem = str(error)
            outcomes = [problem] * len(batch)
            divide = not error.recorded
        else:
            outcomes = _outcomes(result.get("results"), len(batch))
            divide = not any(outcomes)
            if any(outcomes):
                self._bans.over()
            if not all(outcomes):
                self._asking.odd("ban", self._bans)
        if divide and len(batch) > 1:  # one bad entry must not cost the others
            self._singly = len(batch)
            self._bans.until = 0.0
            self._pending.extendleft(reversed(batch))
            return 0
        if problem:
            self._bans.over()
            self._bans.problem = problem
        return self._end(batch, outcomes)

    def _end(self, batch: list[Verdict], outcomes: list[str]) -> int:
        """Report what came of each; those without an outcome wait behind the others. How many came to an end."""
        for verdict, outcome in zip(batch, outcomes, strict=True):
            if outcome:
                self._report(verdict, outcome)
            else:
                self._pending.append(verdict)
        return len(batch) - outcomes.count("")

    def _tell(self) -> None:
        """Tell the warden, and so who follows its changes, of alarms."""
        for about in self.untold:
            if not self._asking.allowed(self._telling):
                return
            try:
                self._asking.call("alarm", self._telling, about=about[:64], text=self._alarms[about][:200])
            except Unanswered as error:
                if not error.final:  # else nobody but the journal and the status has it
                    return
            self._telling.over()
            self._taken.add(about)


def _wanted(verdict: Verdict, now: int) -> dict[str, Any]:
    remaining = verdict.remaining(now)
    return {
        "network": verdict.network,
        "duration": "permanent" if remaining is None else remaining,
        "reason": verdict.reason,
        "source": verdict.source,
        "id": verdict.id,
    }


def _networks(entries: object) -> list[str] | None:
    """The networks of a whitelist, None if it is none: the one of before is better than a part of it."""
    if not isinstance(entries, list):
        return None
    try:
        networks = [entry["network"] for entry in entries]
        for network in networks:
            parse_network(network)
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
    return networks


def _outcomes(rows: object, count: int) -> list[str]:
    """What the warden says of each of so many bans, empty where that is nothing it may say."""
    return [_outcome(row) for row in rows] if isinstance(rows, list) and len(rows) == count else [""] * count


def _outcome(row: object) -> str:
    state, message = (row.get("state"), row.get("message")) if isinstance(row, dict) else ("", "")
    if state not in _STATES:
        return ""
    if state == "refused" and message and isinstance(message, str):
        return f"refused ({visible(message)})"
    return str(state)
