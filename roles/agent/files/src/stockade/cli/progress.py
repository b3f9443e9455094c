# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line that says how far something is, on a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from typing import TextIO

from stockade.cli.tables import cut
from stockade.durations import human

_EVERY = 0.2  # seconds
_BAR = 24  # columns


class Progress:
    """Shown on `stream` if that is a terminal. `total` is how much there is (bytes), None if nobody knows."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._stream = stream
        self._total = total
        self._began = self._next = time.monotonic()
        self._shown = False
        self._on = stream.isatty()

    def tell(self, done: int, lines: int) -> None:
        """So many bytes, and so many lines, are done."""
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _EVERY
        took = max(now - self._began, 0.001)
        speed = f"{lines:,} lines, {int(lines / took):,}/s"
        if self._total:
            share = min(1.0, done / self._total)
            blocks = ("#" * int(share * _BAR)).ljust(_BAR, ".")
            rest = f", {human(int(took / share - took) + 1)} left" if 0 < share < 1 else ""
            speed = f"[{blocks}] {share:4.0%}  {speed}{rest}"
        self._stream.write(f"\r\x1b[K{cut(speed, 79)}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False
