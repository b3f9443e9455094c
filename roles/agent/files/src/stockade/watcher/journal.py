# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service says, for the journal."""

from __future__ import annotations

import os
import sys
import time

from stockade.text import visible

ERROR, WARNING, INFO = 3, 4, 6
QUIET = 60.0  # seconds without it, and something is over


def log(priority: int, text: str) -> None:
    """One line to the journal (sd-daemon(3) prefix), or plain to a terminal; a file may be called like two lines."""
    prefix = f"<{priority}>" if os.environ.get("JOURNAL_STREAM") else ""
    print(f"{prefix}{visible(text, 1000)}", file=sys.stderr, flush=True)


class Beginning:
    """Something that may happen thousands of times: the journal has it when it begins, counters have the rest."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last: float | None = None  # monotonic

    def happened(self) -> None:
        """Say so unless it is going on already."""
        now = time.monotonic()
        if self._last is None or now - self._last >= QUIET:
            log(WARNING, self._text)
        self._last = now


class Problems:
    """What fails at the moment, by what it is about."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    @property
    def texts(self) -> list[str]:
        """The problems."""
        return list(self._texts.values())

    def set(self, about: str, problem: str) -> None:
        """Keep a problem for `status`, or that it is over if it is empty; say either when it is new."""
        if problem and self._texts.get(about) != problem:
            log(ERROR, problem)
        if problem:
            self._texts[about] = problem
        elif self._texts.pop(about, None):
            log(INFO, f"{about}: well again")
