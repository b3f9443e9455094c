# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input `file`: one log file, followed by device, inode and offset.

Only complete lines are given out, and a position is always the start of a line that was not. Rotation is noticed at
the end of the file only, so the old file is read to its end first; it stays open a while because servers go on writing
to it until they reopen their logs. A file that became shorter, or whose first bytes changed, was truncated
(`copytruncate`) and is read from its start.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from stockade.watcher.inputs.start import TimeOf, offset_of

CHUNK = 256 * 1024  # bytes read at once
MAX_LINE = 64 * 1024  # bytes; longer lines are skipped and counted
DRAIN = 60.0  # seconds without a new line after which a rotated file is closed
MAX_DRAINING = 3
_HEAD = 256  # first bytes of a file that tell it from its successor
_RETRY = (1.0, 5.0, 30.0, 60.0)  # seconds until a file that cannot be read is opened again

_Used = TypeVar("_Used")


class Source:
    """One open file. `skipped` counts lines that were too long."""

    def __init__(self, fd: int, offset: int = 0) -> None:
        self.fd = fd
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.skipped = 0
        self._offset = offset  # of the next byte to read
        self._tail = b""  # an incomplete line, already read
        self._skipping = False  # inside a line that is too long
        self._head = os.pread(fd, min(_HEAD, offset), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    @property
    def start_of_next(self) -> int:
        """Offset of the first byte that was not given out."""
        return self._offset - len(self._tail)

    def behind(self) -> int:
        """Bytes that were not read yet."""
        return max(0, os.fstat(self.fd).st_size - self._offset)

    def lines(self) -> list[bytes]:
        """The next complete lines without their ends; empty if there are none now."""
        while True:
            size = os.fstat(self.fd).st_size
            if size == self._offset and size:
                return []
            if size < self._offset or os.pread(self.fd, len(self._head), 0) != self._head:
                self._offset, self._tail, self._skipping, self._head = 0, b"", False, b""
            data = os.pread(self.fd, CHUNK, self._offset)
            if not data:
                return []
            self._offset += len(data)
            if len(self._head) < _HEAD:
                self._head = os.pread(self.fd, min(_HEAD, self._offset), 0)
            lines = self._complete(data)
            if lines:
                return lines

    def _complete(self, data: bytes) -> list[bytes]:
        if self._skipping:
            _skipped, newline, data = data.partition(b"\n")
            if not newline:
                return []
            self._skipping = False
        *lines, self._tail = (self._tail + data).split(b"\n")
        if len(self._tail) > MAX_LINE:
            self._tail, self._skipping = b"", True
            self.skipped += 1
        if lines and max(map(len, lines)) > MAX_LINE:
            kept = [line for line in lines if len(line) <= MAX_LINE]
            self.skipped += len(lines) - len(kept)
            return kept
        return lines

    def position(self) -> dict[str, Any]:
        """What is needed to go on here after a restart."""
        return {
            "device": self.identity[0],
            "inode": self.identity[1],
            "offset": self.start_of_next,
            "skipping": self._skipping,
            "head": len(self._head),
            "checksum": zlib.crc32(self._head),
        }

    @classmethod
    def resume(cls, fd: int, position: dict[str, Any]) -> Source | None:
        """The file at its saved position; None (and `fd` still open) if it is not that file or was truncated."""
        status = os.fstat(fd)
        head, offset = int(position["head"]), int(position["offset"])
        if (status.st_dev, status.st_ino) != (position["device"], position["inode"]) or status.st_size < offset:
            return None
        if zlib.crc32(os.pread(fd, head, 0)) != position["checksum"]:
            return None
        source = cls(fd, offset)
        source._skipping = bool(position["skipping"])
        return source


class FileInput:
    """The log at `path`, across rotations. `problem` says why it cannot be read at the moment, else it is empty.

    `position` is what `position()` returned before a restart. Without one, an existing log is read from the first line
    that is not older than `not_before` (epoch seconds, by `time_of`).
    """

    def __init__(
        self, path: str, *, time_of: TimeOf, not_before: int = 0, position: dict[str, Any] | None = None
    ) -> None:
        self.path = path
        self.problem = ""
        self._time_of = time_of
        self.not_before = not_before
        self._current: Source | None = None
        self._draining: list[tuple[Source, float]] = []  # rotated files, and when each gave its last line
        self._skipped = 0  # by files that are closed now
        self._position = position
        self._failures = 0
        self._retry_at = 0.0  # monotonic

    @property
    def skipped(self) -> int:
        """Lines that were too long."""
        return self._skipped + sum(source.skipped for source in self._sources())

    def behind(self) -> int:
        """Bytes that wait to be read, as far as the file system tells."""
        try:
            return sum(source.behind() for source in self._sources())
        except OSError:
            return 0

    def position(self) -> dict[str, Any] | None:
        """Where to go on after a restart; None if nothing was ever open."""
        if self._current is None:
            return self._position
        rotated = [source.position() for source, _since in self._draining]
        return {**self._current.position(), "rotated": rotated}

    def close(self) -> None:
        """Close all files."""
        for source in self._sources():
            with contextlib.suppress(OSError):
                source.close()
        self._draining, self._current = [], None

    def read(self) -> list[bytes]:
        """The next complete lines, those of rotated files first; empty if there is nothing new or it cannot be read."""
        if time.monotonic() < self._retry_at:
            return []
        try:
            lines = self._next_lines()
        except OSError as error:  # a disk that fails, a network share that went away
            self.problem = f"{self.path}: {error.strerror}"
            self._position, self._skipped = self.position(), self.skipped
            self.close()
            self._retry_at = time.monotonic() + _RETRY[min(self._failures, len(_RETRY) - 1)]
            self._failures += 1
            return []
        self._failures = 0
        return lines

    def _next_lines(self) -> list[bytes]:
        if self._current is None and not self._first_open():
            return []
        lines = self._drain() or self._read_current()
        if lines or not self._rotated():
            return lines
        return self._drain() or self._read_current()

    def _sources(self) -> list[Source]:
        return [source for source, _since in self._draining] + ([self._current] if self._current else [])

    def _read_current(self) -> list[bytes]:
        return self._current.lines() if self._current else []

    def _drain(self) -> list[bytes]:
        now = time.monotonic()
        for index, (source, quiet_since) in enumerate(self._draining):
            lines = source.lines()
            if lines:
                self._draining[index] = (source, now)
                return lines
            if now - quiet_since > DRAIN or len(self._draining) > MAX_DRAINING:
                self._skipped += source.skipped
                source.close()
                del self._draining[index]
                break
        return []

    def _rotated(self) -> bool:
        """Called at the end of the current file: True if the path now names another one, which is open then."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}"
            return False
        assert self._current is not None
        if (status.st_dev, status.st_ino) == self._current.identity:
            self.problem = ""
            return False
        fd = self._open(self.path)
        if fd is None:
            return False
        fresh = _closed_on_error(fd, Source)
        for source in self._sources():  # the path names a file again that is still open: go on where it was
            if source.identity == fresh.identity:
                fresh.close()
                fresh = source
        if fresh is self._current:
            return False
        self._draining = [entry for entry in self._draining if entry[0] is not fresh]
        self._draining.append((self._current, time.monotonic()))
        self._current = fresh
        return True

    def _first_open(self) -> bool:
        fd = self._open(self.path)
        if fd is None:
            return False
        self._current = _closed_on_error(fd, self._first_source)
        self._position = None
        return True

    def _first_source(self, fd: int) -> Source:
        if self._position is None:
            return Source(fd, offset_of(fd, self.not_before, self._time_of))
        try:
            source = Source.resume(fd, self._position)
            for saved in [*self._position.get("rotated", ()), *([] if source else [self._position])]:
                self._resume_rotated(saved, source)
        except (KeyError, TypeError, ValueError):  # a state file that something else wrote
            source = None
        return source or Source(fd)  # rotated or truncated meanwhile: all in it is new

    def _resume_rotated(self, position: dict[str, Any], current: Source | None) -> None:
        """Find the file that was read before a restart among its rotated neighbours."""
        folder, name = os.path.split(self.path)
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(name) and entry.stat(follow_symlinks=False).st_ino == position["inode"]:
                    fd = self._open(entry.path)
                    if fd is None:
                        return
                    source = _closed_on_error(fd, partial(Source.resume, position=position))
                    if source is None:
                        os.close(fd)
                    elif current is None or source.identity != current.identity:
                        self._draining.append((source, time.monotonic()))
                    else:
                        source.close()
                    return

    def _open(self, path: str) -> int | None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            self.problem = f"{path}: {error.strerror}"
            return None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            self.problem = f"{path}: not a regular file"
            return None
        self.problem = ""
        return fd


def _closed_on_error(fd: int, use: Callable[[int], _Used]) -> _Used:
    """What `use` makes of an open file, which is closed if it cannot be read."""
    try:
        return use(fd)
    except OSError:
        os.close(fd)
        raise
