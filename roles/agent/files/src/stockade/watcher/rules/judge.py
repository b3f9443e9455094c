# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every judge is: the rules that count together, with the tally they count in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from stockade.watcher.events import Message, Request
from stockade.watcher.rules.tally import Tally
from stockade.watcher.verdict import Verdict


class Judge(ABC):
    """Rules with their tally, and what they remember beside it."""

    tally: Tally

    def sweep(self, now: int) -> None:
        """Forget what is over at `now`."""
        self.tally.sweep(now)

    def forget(self, verdict: Verdict) -> None:
        """That verdict got lost: speak about its client again."""
        self.tally.forget(verdict.rule, verdict.key)

    def records(self) -> Iterator[dict[str, Any]]:
        """What is remembered beside the tally, for the saved state."""
        yield from ()

    def restore(self, record: dict[str, Any]) -> None:
        """Take a record of `records` back; one of another judge is left alone.

        Raises AttributeError, KeyError, TypeError, ValueError.
        """
        del record


class RequestJudge(Judge):
    """One that judges requests."""

    @abstractmethod
    def feed(self, events: list[Request], shapes: list[bytes], source: str) -> list[Verdict]:
        """The verdicts that these requests of an input complete; `shapes` has the shape of each (see shapes.py)."""


class MessageJudge(Judge):
    """One that judges messages."""

    @abstractmethod
    def feed(self, events: list[Message], source: str) -> list[Verdict]:
        """The verdicts that these messages of an input complete."""

    @abstractmethod
    def mask(self, event: Message, source: str) -> int:
        """The rules of the tally that count a message of that input."""
