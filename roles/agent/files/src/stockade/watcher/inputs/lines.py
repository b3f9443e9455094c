# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines out of pieces of a log, however it was cut."""

from __future__ import annotations

MAX_LINE = 64 * 1024  # bytes; longer lines are skipped and counted


class Splitter:
    """Makes complete lines of the bytes it is fed. `skipped` counts lines that were too long.

    `tail` is what came behind the last line end; `skipping`: that is the rest of a line that is too long.
    """

    def __init__(self, *, skipping: bool = False) -> None:
        self.tail = b""
        self.skipping = skipping
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends."""
        if self.skipping:
            _skipped, newline, data = data.partition(b"\n")
            if not newline:
                return []
            self.skipping = False
        *lines, self.tail = (self.tail + data).split(b"\n")
        if len(self.tail) > MAX_LINE:
            self.tail, self.skipping = b"", True
            self.skipped += 1
        if lines and max(map(len, lines)) > MAX_LINE:
            kept = [line for line in lines if len(line) <= MAX_LINE]
            self.skipped += len(lines) - len(kept)
            return kept
        return lines
