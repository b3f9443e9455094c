# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of nginx's error log that a client wrote.

nginx writes the decoded path of a request as it is, so `GET /a%0a2026/11/26 12:00:00 [error] ...` puts a line of the
client's choice into the log, with somebody else's address. What gives it away is that nginx writes an entry at once:

- The entry also has the request line, still encoded: `%0a`, most often at its end. So lines directly beside such a line
  that stand in its decoded text are not nginx's.
- Unless the entry was cut at nginx's limit: then it is exactly that long, from its start to the end of some line.

So a line is known for what it is only after the next few kilobytes. A server that is not busy writes them at once; in
the middle of a long read, the last lines wait for the next one. Not recognised: text that a FastCGI application writes
to its error stream, which nginx hands on with its line breaks.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

LIMITS = (2048, 4096)  # bytes of an entry with its line end: nginx, OpenResty
LONG_READ = 128 * 1024  # bytes; a read this long may end inside an entry
CLIENT = b", client: "
_ENTRY = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: \*\d+ ")
# Messages in which nothing decoded stands: a user name has no colon, so no time either.
_SAFE = re.compile(rb"""user "|(?:limiting|delaying) |[^"]*(?:, client: |$)""")


class Forged:
    """Takes lines in their order and gives back those that nginx wrote; `dropped` counts the others."""

    def __init__(self) -> None:
        self.dropped = 0
        self._context: list[bytes] = []  # the last lines given out, only while others wait
        self._waiting: list[bytes] = []

    def sift(self, lines: list[bytes]) -> list[bytes]:
        """The lines to go on with; of a long read without the last few, which come with the next call."""
        first = len(self._context)
        every = [*self._context, *self._waiting, *lines] if self._waiting else lines
        last = len(every)
        if sum(map(len, lines)) >= LONG_READ:
            last -= _tail(every)
        bad = _echoed(every) | _cut_off(every)
        given = [line for number, line in enumerate(every[first:last], first) if number not in bad]
        self.dropped += last - first - len(given)
        self._waiting = every[last:]
        self._context = every[max(0, last - _tail(every[:last])) : last] if self._waiting else []
        return given


def _tail(lines: list[bytes]) -> int:
    """How many lines at the end are as long as the longest entry."""
    size = 0
    for number, line in enumerate(reversed(lines)):
        size += len(line) + 1
        if size > LIMITS[-1]:
            return number
    return len(lines)


def _echoed(lines: list[bytes]) -> set[int]:
    """Numbers of the lines that stand decoded in the request of an entry that ends directly after, or begins before."""
    bad: set[int] = set()
    for here, line in enumerate(lines):
        if b"%0a" not in line and b"%0A" not in line:
            continue
        decoded = unquote_to_bytes(line)
        breaks = decoded.count(b"\n")
        for number in range(max(0, here - breaks), min(len(lines), here + breaks + 1)):
            suspect = lines[number]
            if number == here:
                continue
            if _stands_in(suspect, decoded) or (_decodes(suspect) and _stands_in(_context_of(suspect), decoded)):
                bad.add(number)
    return bad


def _stands_in(text: bytes, decoded: bytes) -> bool:
    # nginx takes segments and slashes out of a path, never something out of a segment.
    return all(piece in decoded for piece in text.split(b"/"))


def _context_of(line: bytes) -> bytes:
    return line[max(0, line.find(CLIENT)) :]


def _cut_off(lines: list[bytes]) -> set[int]:
    """Numbers of the lines of entries that may be as long as nginx lets them be, and hold decoded text."""
    bad: set[int] = set()
    starts: dict[int, int] = {}
    offset = 0
    for number, line in enumerate(lines):
        if _decodes(line):
            starts[offset] = number
        offset += len(line) + 1
        for limit in LIMITS:
            if offset - limit in starts:
                bad.update(range(starts[offset - limit], number + 1))
    return bad


def _decodes(line: bytes) -> bool:
    entry = _ENTRY.match(line)
    return entry is not None and _SAFE.match(line, entry.end()) is None
