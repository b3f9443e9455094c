# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that were rotated away from a log: read to their end, watched for a while, then closed and remembered."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from stockade.watcher.inputs.source import Identity, Source

DRAIN = 60.0  # seconds without a new line after which a rotated file is closed
MAX_OPEN = 3  # rotated files that stay open though they have no more lines
_MAX_LEFT = 16  # closed files that are remembered, in case they come back


class Rotated:
    """Open files that were rotated away, oldest first. `left` are closed ones, and how far they were read."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.left: dict[Identity, dict[str, Any]] = {}
        self._skipped = 0  # by files that are closed now
        self._quiet_since: dict[Identity, float] = {}  # monotonic

    @property
    def skipped(self) -> int:
        """Lines that were too long, in open and closed files."""
        return self._skipped + sum(source.skipped for source in self.sources)

    def add(self, source: Source) -> None:
        """Take over a file."""
        self.sources.append(source)
        self._quiet_since[source.identity] = time.monotonic()

    def give_back(self, source: Source) -> None:
        """Let go of a file without closing it, if it is here."""
        if source in self.sources:
            self.sources.remove(source)

    def lines(self) -> list[bytes]:
        """The next complete lines of one of the files. Raises OSError."""
        now = time.monotonic()
        for source in list(self.sources):
            lines = source.lines()
            if lines:
                self._quiet_since[source.identity] = now
                return lines
            quiet = now - self._quiet_since[source.identity]
            # A rotated file that is `cut` is being deleted, and overwritten first.
            if quiet > DRAIN or len(self.sources) > MAX_OPEN or source.cut:
                self.leave(source.position())
                self._skipped += source.skipped
                self.sources.remove(source)
                source.close()
        return []

    def leave(self, position: dict[str, Any]) -> None:
        """Remember how far a closed file was read."""
        self.left[int(position["device"]), int(position["inode"])] = position
        if len(self.left) > _MAX_LEFT:
            del self.left[next(iter(self.left))]

    def close(self) -> None:
        """Close all files."""
        self._skipped = self.skipped
        for source in self.sources:
            with contextlib.suppress(OSError):
                source.close()
        self.sources = []
