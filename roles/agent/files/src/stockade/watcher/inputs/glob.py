# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input of a pattern: every file whose path matches, each followed as one log."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from stockade.watcher.inputs.file import FileInput
from stockade.watcher.inputs.start import TimeOf

LOOK = 5.0  # seconds between two looks for new files
MAX_FILES = 1000
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz4")


class GlobInput:
    """The logs that match `path`. What is there at the first start counts from `not_before` on, later files from their
    start.

    A file that is read under another name already (a rotated one that matches too) is not read again; one that was read
    under another name goes on where that ended.
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
        self._known: dict[str, Any] = dict(position["files"]) if position else {}
        # Where every file was left that still matches, whatever it was called then.
        self._left: dict[tuple[int, int], Any] = {}
        self._fresh = position is None  # files found now were there before the watcher
        self._look_at = 0.0
        self._too_many = False
        self._turn = 0
        self._skipped = 0
        self._note(self._known.values())

    @property
    def problem(self) -> str:
        """What is wrong with one of the files, or that there are too many; empty if nothing is."""
        if self._too_many:
            return f"{self.path}: more than {MAX_FILES} files match, the rest is not read"
        if not self._files:
            return f"{self.path}: no file matches"
        return next((file.problem for file in self._files.values() if file.problem), "")

    @property
    def skipped(self) -> int:
        """Lines that were too long."""
        return self._skipped + sum(file.skipped for file in self._files.values())

    def behind(self) -> int:
        """Bytes that wait to be read."""
        return sum(file.behind() for file in self._files.values())

    def position(self) -> dict[str, Any] | None:
        """Where each file is."""
        return {"files": {**self._known, **self._places()}} if self._files or self._known else None

    def close(self) -> None:
        """Close all files."""
        self._known.update(self._places())
        for file in self._files.values():
            file.close()
        self._files = {}

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
                return lines
        return []

    def _places(self) -> dict[str, Any]:
        return {path: place for path, file in self._files.items() if (place := file.position()) is not None}

    def _find(self) -> None:
        found = sorted(path for path in glob.iglob(self.path) if _is_log(path))
        self._too_many = len(found) > MAX_FILES
        self._note(self._places().values())
        for path in set(self._files) - set(found):
            if not self._files[path].behind():  # gone, and read to its end
                self._skipped += self._files[path].skipped
                self._files.pop(path).close()
        identities = {path: _identity(path) for path in found}
        reading = {_key(source) for place in self._places().values() for source in _sources(place)}
        reading |= {identities[path] for path in self._files if path in identities}
        for path in found[:MAX_FILES]:
            if path in self._files or identities[path] in reading:
                continue
            position = self._known.pop(path, None) or self._left.get(identities[path])
            since = self.not_before if self._fresh else 0
            self._files[path] = FileInput(path, time_of=self._time_of, not_before=since, position=position)
            reading.add(identities[path])
        self._known = {path: place for path, place in self._known.items() if path in found}
        self._left = {key: place for key, place in self._left.items() if key in identities.values()}
        self._fresh = False

    def _note(self, places: Iterable[Any]) -> None:
        for place in places:
            for source in _sources(place):
                self._left[_key(source)] = source


def _sources(place: Any) -> list[Any]:
    """The files of a position: the current one and those that were rotated away from it."""
    return [place, *place.get("rotated", ())] if place else []


def _key(source: Any) -> tuple[int, int]:
    return (int(source["device"]), int(source["inode"]))


def _is_log(path: str) -> bool:
    return not path.endswith(_COMPRESSED) and os.path.isfile(path)


def _identity(path: str) -> tuple[int, int]:
    try:
        about = os.stat(path)
    except OSError:
        return (0, 0)
    return (about.st_dev, about.st_ino)
