# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One open log file: its lines, where it is, and whether it is still what was read."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

from stockade.watcher.inputs.lines import Splitter

CHUNK = 256 * 1024  # bytes read at once
SAMPLE = 256  # bytes at the start of a file, and before the next line, that tell it from others

Identity = tuple[int, int]  # device and inode
_Used = TypeVar("_Used")


class Source:
    """One open file, read from `offset` on. Owns `fd`.

    `cut`: the file was truncated, or written anew: what was read is not there any more. Nothing more is given out then,
    so that what was missed can be looked for first; `rewind` goes on at the start. `changed` is the file's last change
    (epoch nanoseconds) as of the last look.
    """

    def __init__(self, fd: int, offset: int = 0, *, skipping: bool = False) -> None:
        self.fd = fd
        status = os.fstat(fd)
        self.identity: Identity = (status.st_dev, status.st_ino)
        self.cut = False
        self.changed = status.st_mtime_ns
        self._next = offset  # of the first byte that was not given out
        self._splitter = Splitter(skipping=skipping)
        self._head = os.pread(fd, min(SAMPLE, offset), 0)
        self._before = os.pread(fd, min(SAMPLE, offset), offset - min(SAMPLE, offset))  # the bytes before `_next`

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    @property
    def skipped(self) -> int:
        """Lines that were too long."""
        return self._splitter.skipped

    def behind(self) -> int:
        """Bytes that were not read yet."""
        return max(0, os.fstat(self.fd).st_size - self._next - len(self._splitter.tail))

    def began_after(self) -> int | None:
        """When it was last looked at (epoch nanoseconds), if it changed since and nothing was ever read of it.

        It may have been written and truncated in between. Told once for each change.
        """
        before = self.changed
        if self._next or self._splitter.tail:
            return None
        self.changed = os.fstat(self.fd).st_mtime_ns
        return before if before != self.changed else None

    def rewind(self) -> None:
        """Go on at the start of the file."""
        skipped = self._splitter.skipped
        self._splitter = Splitter()
        self._splitter.skipped = skipped
        self._next, self._head, self._before, self.cut = 0, b"", b"", False

    def lines(self) -> list[bytes]:
        """The next complete lines without their ends; empty if there are none now, or the file was `cut`."""
        while not self.cut:
            status = os.fstat(self.fd)
            end = self._next + len(self._splitter.tail)
            if status.st_size == end and status.st_mtime_ns == self.changed:
                return []
            # What was read last is read again with what is new: it is not there any more if the file was truncated and
            # has grown beyond that point since.
            known = self._before + self._splitter.tail
            start = end - len(known)
            data = os.pread(self.fd, len(known) + CHUNK, start) if status.st_size >= end else b""
            if not data.startswith(known) or os.pread(self.fd, len(self._head), 0) != self._head:
                self.cut = True
                return []
            self.changed = status.st_mtime_ns
            if len(data) == len(known):
                return []
            if start == 0:
                self._head = data[:SAMPLE]
            lines = self._splitter.feed(data[len(known) :])
            given = len(data) - len(self._splitter.tail)
            self._next = start + given
            self._before = data[max(0, given - SAMPLE) : given]
            if lines:
                return lines
        return []

    def position(self) -> dict[str, Any]:
        """What is needed to go on here after a restart."""
        return {
            "device": self.identity[0],
            "inode": self.identity[1],
            "offset": self._next,
            "skipping": self._splitter.skipping,
            "changed": self.changed,
            "head": len(self._head),
            "checksum": zlib.crc32(self._head),
            "before": zlib.crc32(self._before),
        }

    def is_copied_in(self, fd: int) -> bool:
        """Whether another file begins like this one and goes on like it at its end, or did where this one is now."""
        size = os.fstat(fd).st_size
        length = min(SAMPLE, size)
        if not length:
            return False
        if all(os.pread(fd, length, at) == os.pread(self.fd, length, at) for at in (0, size - length)):
            return True
        return bool(self._head) and continues(fd, self.position())

    @classmethod
    def resume(cls, fd: int, position: dict[str, Any]) -> Source | None:
        """The file at its saved position; None (and `fd` still open) if it is not that file or was truncated.

        A file under another inode with the same content is that file: it was copied, or the device has another number.
        Raises KeyError, TypeError, ValueError for what no position is.
        """
        status = os.fstat(fd)
        same = (status.st_dev, status.st_ino) == (position["device"], position["inode"])
        offset = int(position["offset"])
        if (same or offset >= SAMPLE) and continues(fd, position):
            return cls(fd, offset, skipping=bool(position["skipping"]))
        return None


def continues(fd: int, position: dict[str, Any]) -> bool:
    """Whether the file has, as far as samples tell, the content that was read up to `position`."""
    head, offset = int(position["head"]), int(position["offset"])
    if os.fstat(fd).st_size < max(head, offset) or zlib.crc32(os.pread(fd, head, 0)) != position["checksum"]:
        return False
    length = min(SAMPLE, offset)
    return zlib.crc32(os.pread(fd, length, offset - length)) == int(position["before"])


def closed_on_error(fd: int, use: Callable[[int], _Used]) -> _Used:
    """What `use` makes of an open file, which is closed if it cannot be read."""
    try:
        return use(fd)
    except BaseException:
        os.close(fd)
        raise
