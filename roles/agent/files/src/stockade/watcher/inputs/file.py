# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input `file`: one log file, followed by device, inode and offset.

Only complete lines are given out, and a position is always the start of a line that was not. Rotation is noticed at
the end of the file only, so the old file is read to its end first; it stays open a while because servers go on writing
to it until they reopen their logs. A file whose read content is not there any more was truncated (`copytruncate`): the
rest of that content is looked for in the copy, then the file is read from its start. Files that were rotated away
between two looks are found beside the log.

What cannot be told: a log that was truncated and now has, at the same places, the very bytes that were read before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from stockade.watcher.inputs import neighbours
from stockade.watcher.inputs.rotated import Rotated
from stockade.watcher.inputs.source import Identity, Source, closed_on_error, continues
from stockade.watcher.inputs.start import TimeOf, first_moment, offset_of

_TELL = 3600.0  # seconds for which lost lines are a problem
_RETRY = (1.0, 5.0, 30.0, 60.0)  # seconds until a file that cannot be read is opened again

# There is no log at the path, which is asked again at every look; other errors are not.
_NO_LOG = (FileNotFoundError, PermissionError, NotADirectoryError, neighbours.NotRegularError)

_Used = TypeVar("_Used")


def _nowhere(_fd: int) -> bool:
    return False


class FileInput:
    """The log at `path`, across rotations.

    `position` is what `position()` returned before a restart. Without one, an existing log is read from the first line
    that is not older than `not_before` (epoch seconds, by `time_of`). `elsewhere` says whether somebody else reads, or
    has read, an open file: it is left alone then, and the input is `displaced` as long as its path names such a file.
    `missing`: the path names nothing.
    """

    def __init__(
        self,
        path: str,
        *,
        time_of: TimeOf,
        not_before: int = 0,
        position: dict[str, Any] | None = None,
        elsewhere: Callable[[int], bool] = _nowhere,
    ) -> None:
        self.path = path
        self.not_before = not_before
        self.displaced = self.missing = False
        self._time_of = time_of
        self._elsewhere = elsewhere
        self._current: Source | None = None
        self._rotated = Rotated()
        self._skipped = 0  # by logs that are closed now
        self._position = position
        self._problem = ""
        self._lost, self._lost_at = "", 0.0
        self._failures = 0
        self._retry_at = 0.0  # monotonic

    @property
    def problem(self) -> str:
        """Why it cannot be read at the moment, or what was lost lately; empty if all is well."""
        lost = self._lost if time.monotonic() - self._lost_at < _TELL else ""
        return self._problem or lost

    @property
    def skipped(self) -> int:
        """Lines that were too long."""
        return self._skipped + self._rotated.skipped + (self._current.skipped if self._current else 0)

    @property
    def left(self) -> dict[Identity, dict[str, Any]]:
        """Files that were rotated away and closed, and how far they were read."""
        return self._rotated.left

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
        rotated = [source.position() for source in self._rotated.sources]
        return {**self._current.position(), "rotated": rotated, "left": list(self.left.values())}

    def is_copied_in(self, fd: int) -> bool:
        """Whether another file is a copy of one that is read here."""
        return any(source.is_copied_in(fd) for source in self._sources())

    def identities(self) -> set[Identity]:
        """Device and inode of every open file."""
        return {source.identity for source in self._sources()}

    def open(self) -> None:
        """Open the log now, and what was missed of it, rather than at the first read."""
        if self._current is None:
            self._guarded(self._first_open)

    def close(self) -> None:
        """Close all files."""
        if self._current is not None:
            self._skipped += self._current.skipped
            with contextlib.suppress(OSError):
                self._current.close()
        self._current = None
        self._rotated.close()

    def read(self) -> list[bytes]:
        """The next complete lines, those of rotated files first; empty if there is nothing new or it cannot be read."""
        return self._guarded(self._next_lines) or []

    def _guarded(self, use: Callable[[], _Used]) -> _Used | None:
        """What `use` returns; None after an error, and until it is time to try again."""
        if time.monotonic() < self._retry_at:
            return None
        try:
            result = use()
        except OSError as error:  # a disk that fails, a network share that went away
            self._problem = f"{self.path}: {error.strerror}"
            self._position = self.position()
            self.close()
            self._retry_at = time.monotonic() + _RETRY[min(self._failures, len(_RETRY) - 1)]
            self._failures += 1
            return None
        self._failures = 0
        return result

    def _next_lines(self) -> list[bytes]:
        if self._current is None and not self._first_open():
            return []
        while not (lines := self._rotated.lines() or self._read_current()):
            if not (self._is_truncated() or self._is_rotated()):
                return []
        return lines

    def _sources(self) -> list[Source]:
        return self._rotated.sources + ([self._current] if self._current else [])

    def _read_current(self) -> list[bytes]:
        assert self._current is not None
        since = self._current.began_after()
        if since is not None:
            self._catch_up({**self._current.position(), "changed": since}, None)
            return self._rotated.lines() or self._current.lines()
        return self._current.lines()

    def _is_truncated(self) -> bool:
        """Called when the current file gave nothing: True if it was cut. What was missed is open then."""
        current = self._current
        if current is None or not current.cut:
            return False
        self._catch_up(current.position(), None)
        current.rewind()
        return True

    def _is_rotated(self) -> bool:
        """Called at the end of the current file: True if the path now names another one, which is open then."""
        assert self._current is not None
        self.displaced = self.missing = False
        try:
            status = os.stat(self.path)
        except OSError as error:
            self._complain(error)
            return False
        if (status.st_dev, status.st_ino) == self._current.identity:
            self._problem = ""
            return False
        fd = self._open()
        if fd is None:
            return False
        if closed_on_error(fd, self._is_elsewhere):
            os.close(fd)
            self.displaced = True
            return False
        fresh = closed_on_error(fd, self._successor)
        for source in self._sources():  # the path names a file again that is still open: go on where it was
            if source.identity == fresh.identity:
                fresh.close()
                fresh = source
        if fresh is self._current:
            return False
        old = self._current
        self._rotated.give_back(fresh)
        self._rotated.add(old)
        self._current = fresh
        self._catch_up(old.position(), old)
        return True

    def _is_elsewhere(self, fd: int) -> bool:
        status = os.fstat(fd)
        return (status.st_dev, status.st_ino) not in self.identities() and self._elsewhere(fd)

    def _successor(self, fd: int) -> Source:
        """The new file at the path: read from its start unless it was read before, or is the current one rewritten."""
        assert self._current is not None
        status = os.fstat(fd)
        left = self.left.get((status.st_dev, status.st_ino))
        same = (left and Source.resume(fd, left)) or neighbours.same_log(self.path, fd, self._current.position())
        return same or Source(fd)

    def _catch_up(self, position: dict[str, Any], old: Source | None) -> None:
        """Open what was rotated away unread: the file of `position` if it was read and is not `old`, and later ones."""
        opened = self.identities()
        if old is None and position["head"] and (old := neighbours.find(self.path, position, opened)):
            self._rotated.add(old)
            opened.add(old.identity)
        unread = partial(self._unread, old, self._is_by_name(position, old))
        # Since the last look: servers may have written to the old file when there was a newer one already.
        missed = neighbours.later(self.path, int(position["changed"]), self._until(), opened, unread)
        for source in missed.sources:
            self._rotated.add(source)
        if missed.lost:
            self._lost, self._lost_at = missed.lost, time.monotonic()

    def _until(self) -> int | None:
        """The last change of the current file if that was rotated away itself: what is later comes after it."""
        assert self._current is not None
        about = os.fstat(self._current.fd)
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(self.path), about):
                return None
        return about.st_mtime_ns

    def _is_by_name(self, position: dict[str, Any], old: Source | None) -> bool:
        """Whether the log is rotated by giving it another name, not by a copy, as far as can be told."""
        assert self._current is not None
        named = os.fstat(old.fd).st_nlink > 0 if old else not position["head"]
        return named and position["inode"] != self._current.identity[1]

    def _unread(self, old: Source | None, by_name: bool, fd: int, numbered: bool) -> bool:
        """Whether a rotated file is one that came after `old` and was not read."""
        status = os.fstat(fd)
        left = self.left.get((status.st_dev, status.st_ino))
        copied = not (by_name and numbered) and self.is_copied_in(fd)
        if (left and continues(fd, left)) or copied or self._elsewhere(fd):
            return False
        began = first_moment(old.fd, self._time_of) if old else None
        moment = first_moment(fd, self._time_of)
        return began is None or moment is None or moment >= began  # else an old one that somebody touched

    def _first_open(self) -> bool:
        fd = self._open()
        if fd is None:
            return False
        position, self._position = self._position, None
        try:
            self._current = closed_on_error(fd, partial(self._first_source, position=position))
        except OSError:
            self._position, self._current = position, None
            raise
        return True

    def _first_source(self, fd: int, *, position: dict[str, Any] | None) -> Source:
        if position is None:
            return Source(fd, offset_of(fd, self.not_before, self._time_of))
        source = neighbours.same_log(self.path, fd, position)
        self._current = current = source or Source(fd)  # rotated or truncated meanwhile: all in it is new
        if source is not None:
            source.changed = int(position["changed"])
        for left in position.get("left", ()):
            self._rotated.leave(left)
        for saved in position.get("rotated", ()):
            if rotated := neighbours.find(self.path, saved, self.identities()):
                self._rotated.add(rotated)
        if source is None:
            self._catch_up(position, None)
        return current

    def _open(self) -> int | None:
        try:
            fd = neighbours.open_regular(self.path)
        except _NO_LOG as error:
            self._complain(error)
            return None
        self._problem = ""
        return fd

    def _complain(self, error: OSError) -> None:
        self.missing = error.errno == errno.ENOENT
        self._problem = f"{self.path}: {error.strerror}"
