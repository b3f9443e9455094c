# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs that are read once from end to end: plain or compressed (told by their first bytes), files or standard input."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable
from typing import IO, cast

from stockade.watcher.config import Input
from stockade.watcher.inputs.lines import Splitter

STDIN = "-"
CHUNK = 256 * 1024  # bytes read at once
SAMPLE = 400  # lines that tell what a log is
_SAMPLE_BYTES = 1 << 20
_MAGIC: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw))),
    (b"\xfd7zXZ\0", lambda raw: cast("IO[bytes]", lzma.LZMAFile(raw))),  # noqa: SIM115
    (b"BZh", lambda raw: cast("IO[bytes]", bz2.BZ2File(raw))),
)
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)


class LogError(Exception):
    """A log that cannot be read; the text names it and the reason."""


class _Counted(io.RawIOBase):
    """The bytes of a file as they are, counted."""

    def __init__(self, file: io.FileIO) -> None:
        self.done = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int | None:
        count = self._file.readinto(buffer)  # type: ignore[arg-type]
        self.done += count or 0
        return count

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        self._file.close()
        super().close()


class Log:
    """One log. `entry` says how it is read and `first` when (epoch seconds) it begins, once somebody found out.

    A last line without its end is left out, as the service does: half an address is another one. `skipped` counts
    lines that were too long, `lines` and `unparsed` are for the reader to count in.
    """

    def __init__(self, path: str) -> None:
        """Open the log and read its `sample`. Raises LogError."""
        self.path = path
        self.name = "standard input" if path == STDIN else path
        self.entry: Input | None = None
        self.first: int | None = None
        self.lines = self.unparsed = self.skipped = 0
        self._raw: _Counted | None = None
        self._done = 0
        self._held: list[bytes] = []  # read for the sample, and still to be given out
        try:
            status = self._open()
            size = 0
            while len(self._held) < SAMPLE and size < _SAMPLE_BYTES and (lines := self._next()):
                self._held += lines
                size += sum(map(len, lines))
        except _BROKEN as error:
            raise self._error(error) from None
        self.sample = self._held[:SAMPLE]
        regular = path != STDIN and stat.S_ISREG(status.st_mode)
        self.size = status.st_size if regular else None  # bytes on the disk; None for what can be read once only
        self.changed = int(status.st_mtime) if regular else None  # epoch seconds
        if self.size is not None:  # there may be more of them than a process may have open
            self.close()
            self.skipped, self._held = 0, []

    @property
    def done(self) -> int:
        """Bytes of the disk that were read."""
        return self._done if self._raw is None else self._raw.done

    def read(self) -> list[bytes]:
        """The next complete lines, empty at the end. Raises LogError."""
        if self._held:
            lines, self._held = self._held, []
            return lines
        try:
            if self._raw is None:
                self._open()
            return self._next()
        except _BROKEN as error:
            raise self._error(error) from None

    def last_time(self, time_of: Callable[[bytes], int | None]) -> int | None:
        """The time of the last line that has one. Raises LogError."""
        assert self.size is not None, "what can be read once only has no end before it is there"
        try:
            self._open()
            if self._file is self._buffered:
                self._buffered.seek(max(0, self.size - _SAMPLE_BYTES))
            newest = None
            while lines := self._next():
                newest = next((found for line in reversed(lines) if (found := time_of(line)) is not None), newest)
        except _BROKEN as error:
            raise self._error(error) from None
        self.close()
        self.skipped = 0
        return newest

    def close(self) -> None:
        """Let go of the file."""
        if self._raw is not None:
            self._done = self._raw.done
            self._raw.close()
            self._raw = None

    def _open(self) -> os.stat_result:
        number = os.dup(0) if self.path == STDIN else os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        file = io.FileIO(number, "rb")
        self._raw = _Counted(file)
        self._buffered = io.BufferedReader(self._raw, CHUNK)
        head = self._buffered.peek(8)
        self._file: IO[bytes] = self._buffered
        self._read: Callable[[int], bytes] = self._buffered.read1
        for magic, unpack in _MAGIC:
            if head.startswith(magic):
                self._file = unpack(self._buffered)
                self._read = self._file.read
        self._splitter = Splitter()
        return os.fstat(number)

    def _next(self) -> list[bytes]:
        while data := self._read(CHUNK):
            before = self._splitter.skipped
            lines = self._splitter.feed(data)
            self.skipped += self._splitter.skipped - before
            if lines:
                return lines
        return []

    def _error(self, error: Exception) -> LogError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return LogError(f"{self.name}: {reason}")
