# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the warden with an end to it: logs are read all the same, whoever it is that does not answer, or slowly."""

from __future__ import annotations

import time
from typing import Any, Protocol

from stockade.client import WardenUnavailable
from stockade.protocol import DENIED, INVALID, QUOTA, REFUSED, UNAVAILABLE, ProtocolError
from stockade.text import visible

TURN = 1.5  # seconds of asking, then the service has its turn
PATIENCE = 2.0  # seconds until the last answer of a turn has to be there
SLOW = 0.5  # seconds of asking from which on as long a rest follows
_BACKOFF = (0.5, 1.0, 2.0, 5.0)  # seconds between attempts
_LONGEST = 120  # characters of what the warden said: `stockade status` shows 200 of a problem


class Warden(Protocol):
    """The part of stockade.client.Client that is used here."""

    def call(self, op: str, *, within: float | None = None, **fields: Any) -> dict[str, Any]:
        """See stockade.client.Client.call."""


class Unanswered(Exception):
    """There is no result; the text says why. The rest says what that means for what was asked."""

    def __init__(self, text: str, code: str = UNAVAILABLE) -> None:
        super().__init__(visible(text) or code)
        self.recorded = code == UNAVAILABLE and text.startswith("recorded")  # all of it, and in force soon
        self.final = code in (INVALID, REFUSED)  # the same again would be refused again
        self.general = code in (DENIED, QUOTA, UNAVAILABLE) and not self.recorded  # it is not about what was asked


class Trouble:
    """What goes wrong with one thing that the warden is asked, and until when it is not asked again."""

    def __init__(self) -> None:
        self.problem = ""
        self.failures = 0  # one after the other
        self.until = 0.0  # monotonic

    def failed(self, problem: str, now: float) -> None:
        """It is asked again, later each time."""
        self.problem = visible(problem)
        self.until = now + _BACKOFF[min(self.failures, len(_BACKOFF) - 1)]
        self.failures += 1

    def over(self) -> None:
        """There was an answer."""
        self.problem, self.failures = "", 0


class Asking:
    """The one way to the warden. All calls of a turn together get `PATIENCE`; one that is silent has its `silence`."""

    def __init__(self, warden: Warden) -> None:
        self.silence = Trouble()
        self._warden = warden
        self._offset = 0.0  # what the caller's clock is ahead
        self._began = 0.0  # when the asking of this turn began
        self._rest_until = 0.0

    def begin(self, monotonic: float, spent: float = 0.0) -> None:
        """A turn of asking begins, of which so many seconds are spent."""
        self._offset = monotonic - time.monotonic()
        self._began = monotonic - spent

    def end(self) -> None:
        """It is over: what a slow warden took of the time for reading, reading gets before it is asked again."""
        now = self._now()
        if now - self._began > SLOW:
            self._rest_until = now + (now - self._began)

    @property
    def spent(self) -> float:
        """Seconds since this turn began."""
        return self._now() - self._began

    def allowed(self, trouble: Trouble) -> bool:
        """Whether neither a pause nor the end of the turn stands against it."""
        now = self._now()
        return now >= max(trouble.until, self.silence.until, self._rest_until) and now - self._began < TURN

    def call(self, op: str, trouble: Trouble, **fields: Any) -> dict[str, Any]:
        """The result. Raises Unanswered, and keeps in `trouble` what can be over another time."""
        if self._now() < self.silence.until:
            raise Unanswered(self.silence.problem)
        try:
            result = self._warden.call(op, within=max(PATIENCE - self.spent, PATIENCE - TURN), **fields)
        except WardenUnavailable as error:
            self.silence.failed(str(error), self._now())
            raise Unanswered(str(error)) from None
        except ProtocolError as error:
            self.silence.over()
            found = Unanswered(str(error), error.code)
            if error.code == DENIED:
                said = visible(str(error), _LONGEST)
                advice = "is its user right? `systemctl show -p User stockade-watcher`"
                trouble.failed(f"the warden denies the watcher: {said}; {advice}", self._now())
            elif not found.final and not found.recorded:
                trouble.failed(str(error), self._now())
            raise found from None
        self.silence.over()
        return result

    def odd(self, op: str, trouble: Trouble) -> None:
        """The protocol promises another result than the one that came."""
        advice = "is it of another version? `systemctl restart stockade-warden`"
        trouble.failed(f"the warden's answer to {op} is not understood, it is asked again: {advice}", self._now())

    def _now(self) -> float:
        return time.monotonic() + self._offset
