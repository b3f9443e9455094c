# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input of a pattern: every file whose path matches, each followed as one log."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from stockade.watcher.inputs.file import FileInput
from stockade.watcher.inputs.neighbours import COMPRESSED, is_rotated, open_regular
from stockade.watcher.inputs.rotated import DRAIN
from stockade.watcher.inputs.source import SAMPLE, Identity, Source, continues
from stockade.watcher.inputs.start import TimeOf

LOOK = 5.0  # seconds between two looks for new files
PARK = 3600.0  # seconds without a new line after which a file is closed until it changes
MAX_FILES = 1000


class GlobInput:
    """The logs that match `path`. What is there at the first start counts from `not_before` on, later files from their
    start.

    Rotation changes which file a path names, and rotated files may match as well. What was read once, under whatever
    name, or is a copy of it, is not read again. Files that nobody writes to are closed ("parked") and looked at with
    the others, as are those that were rotated away and read to their end.
    """

    def __init__(
        self,
        path: str,
        *,
        time_of: TimeOf,
        not_before: int = 0,
        position: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.not_before = not_before
        self._time_of = time_of
        self._clock = clock
        self._files: dict[str, FileInput] = {}
        self._quiet_since: dict[str, float] = {}  # by path of an open file
        self._gone_since: dict[str, float] = {}
        self._known: dict[str, Any] = dict(position["files"]) if position else {}  # before a restart, by path
        self._left: dict[Identity, dict[str, Any]] = {}  # files that are not open, and how far they were read
        self._reading: set[Identity] = set()  # as of this look
        self._names: dict[Identity, str] = {}  # of what was there at the last look
        self._fresh = position is None  # files found now were there before the watcher
        self._look_at = 0.0
        self._too_many = False
        self._turn = 0
        self._skipped = 0
        for place in self._known.values():
            self._note(place)

    @property
    def problem(self) -> str:
        """What is wrong with one of the files, or that there are too many; empty if nothing is."""
        if self._too_many:
            return f"{self.path}: more than {MAX_FILES} files match, the rest is not read"
        if not self._files and not self._left and not self._names:  # an empty file is one that matches
            return f"{self.path}: no file matches"
        return next((file.problem for file in self._files.values() if file.problem and not file.missing), "")

    @property
    def skipped(self) -> int:
        """Lines that were too long."""
        return self._skipped + sum(file.skipped for file in self._files.values())

    def behind(self) -> int:
        """Bytes that wait to be read."""
        return sum(file.behind() for file in self._files.values())

    def position(self) -> dict[str, Any] | None:
        """Where each file is, by its path; None if there never was one."""
        parked = {self._names[key]: place for key, place in self._left.items() if key in self._names}
        opened = {path: place for path, file in self._files.items() if (place := file.position()) is not None}
        files = {**self._known, **parked, **opened}
        return {"files": files} if files else None

    def close(self) -> None:
        """Close all files."""
        for path in list(self._files):
            self._drop(path)

    def read(self) -> list[bytes]:
        """The next complete lines of one of the files; empty if none has any."""
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK
            self._find()
        paths = list(self._files)
        for step in range(len(paths)):
            index = (self._turn + step) % len(paths)
            lines = self._files[paths[index]].read()
            if lines:
                self._turn = index + 1  # the next file has its turn
                self._quiet_since[paths[index]] = self._clock()
                return lines
        return []

    # -- the look --

    def _find(self) -> None:
        found = sorted(path for path in glob.iglob(self.path) if not path.endswith(COMPRESSED))
        about = {path: status for path in found if (status := _regular(path)) is not None}
        self._too_many = len(about) > MAX_FILES
        self._close_finished(set(about))
        self._reading = {key for file in self._files.values() for key in file.identities()}
        self._names = {(status.st_dev, status.st_ino): path for path, status in about.items()}
        for file in self._files.values():
            self._left.update(file.left)
        # Those that were read before come first: they may open rotated neighbours that match as well.
        before = {self._names[key] for key in self._left if key in self._names} | set(self._known)
        for path in sorted(list(about)[:MAX_FILES], key=lambda path: path not in before):
            if path not in self._files:
                self._take(path, about[path])
        self._left = {key: place for key, place in self._left.items() if key in self._names}
        self._known = {}
        self._fresh = False

    def _close_finished(self, found: set[str]) -> None:
        """Drop files that are gone for good, that were rotated to another name, and park those nobody writes to."""
        now = self._clock()
        self._gone_since = {path: self._gone_since.get(path, now) for path in self._files if path not in found}
        for path, file in list(self._files.items()):
            gone = now - self._gone_since.get(path, now) > DRAIN
            quiet = now - self._quiet_since.get(path, now) > PARK
            if (gone or quiet or file.displaced) and not file.behind():
                self._drop(path)

    def _take(self, path: str, status: os.stat_result) -> None:
        """Follow a path that is not followed yet, unless it names what is read, or was."""
        key = (status.st_dev, status.st_ino)
        left, known = self._left.get(key), self._known.get(path)
        if key in self._reading or (not status.st_size and known is None and left is None):
            return
        # With nothing new in it a file stays closed, but for one that was open before a restart and may go on soon.
        done = left is not None and (left["offset"], left["changed"]) == (status.st_size, status.st_mtime_ns)
        if done and (known is None or status.st_mtime < time.time() - PARK):
            return
        with contextlib.suppress(OSError):  # which are told when the input opens it
            fd = open_regular(path)
            try:
                if self._is_copy(path, fd):
                    if status.st_size >= SAMPLE:  # else it may still become something else
                        self._left[key] = Source(fd, status.st_size).position()
                    return
                if left is None or not continues(fd, left):
                    # Its former file was rotated away or truncated, unless that is found under another path.
                    if known is not None and self._names.get(_key(known), path) == path:
                        left = known
                    left = self._copied(path, fd, key) or left
            finally:
                os.close(fd)
        self._left.pop(key, None)
        file = self._files[path] = FileInput(
            path,
            time_of=self._time_of,
            not_before=self.not_before if self._fresh else 0,
            position=left,
            elsewhere=partial(self._is_read, path),
        )
        self._quiet_since[path] = self._clock()
        file.open()
        self._reading |= file.identities()

    def _is_copy(self, path: str, fd: int) -> bool:
        """Whether the open file at `path` is a copy of one that is read, or may become one."""
        folder, name = os.path.split(path)
        related = [
            file
            for log, file in self._files.items()
            if os.path.dirname(log) == folder and is_rotated(name, os.path.basename(log))
        ]
        return bool(related) and (not os.fstat(fd).st_size or any(file.is_copied_in(fd) for file in related))

    def _copied(self, path: str, fd: int, key: Identity) -> dict[str, Any] | None:
        """How far the file was read that this one was copied from, while that was not open."""
        folder, name = os.path.split(path)
        parked = [(self._names.get(other, ""), place) for other, place in self._left.items()]
        for log, place in [*self._known.items(), *parked]:
            related = os.path.dirname(log) == folder and is_rotated(name, os.path.basename(log))
            if related and place["head"] and continues(fd, place):
                return {**place, "device": key[0], "inode": key[1], "rotated": (), "left": ()}
        return None

    def _is_read(self, path: str, fd: int) -> bool:
        """Whether the open file at `path` is read, or was, under another name, or is a copy of one that is."""
        status = os.fstat(fd)
        key = (status.st_dev, status.st_ino)
        others = [file for log, file in self._files.items() if log != path]
        known = [left[key] for left in (self._left, *(file.left for file in others)) if key in left]
        return (
            any(continues(fd, left) for left in known)
            or any(key in file.identities() for file in others)
            or self._is_copy(path, fd)
        )

    def _drop(self, path: str) -> None:
        file = self._files.pop(path)
        self._quiet_since.pop(path, None)
        self._skipped += file.skipped
        self._note(file.position())
        file.close()

    def _note(self, place: dict[str, Any] | None) -> None:
        for source in [place, *place.get("rotated", ()), *place.get("left", ())] if place else []:
            self._left[_key(source)] = source


def _key(place: dict[str, Any]) -> Identity:
    return int(place["device"]), int(place["inode"])


def _regular(path: str) -> os.stat_result | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
