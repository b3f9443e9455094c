# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input `journal`: entries of systemd's journal, by python3-systemd.

For sshd the entries of root's processes of that name count, and nobody else's: anybody may write to the journal, and
call a process of his own sshd, but whose it is is the kernel's word. Other programs are told by their unit.

A cursor says which entry was the last. Where it is not found again (the journal was vacuumed, or is another one)
reading goes on at the last entry's time, and what was given out of that very microsecond is not again. If the clock was
set back before such a moment, what was written under the earlier times is left out.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from typing import Any

MAX_ENTRIES = 2000  # of one read
SSHD = ("sshd", "sshd-session", "sshd-auth")  # OpenSSH before 9.8, since 9.8, since 10
LOOK = 1.0  # seconds until a journal that says nothing of new entries is searched all the same
_RETRY = (1.0, 5.0, 30.0, 60.0)  # seconds until a journal that cannot be read is opened again
_SECOND = 1_000_000  # microseconds


class JournalInput:
    """Entries of `units`, or of `sshd`, from `position` or else from `not_before` (epoch seconds) on.

    A unit without a dot is a service. `reader` makes a reader like systemd.journal.Reader; `problem` says why there is
    none, else it is empty. `skipped` counts entries that are damaged.
    """

    def __init__(
        self,
        units: Sequence[str] = (),
        *,
        sshd: bool = False,
        not_before: int = 0,
        position: dict[str, Any] | None = None,
        reader: Callable[[], Any] | None = None,
    ) -> None:
        self.path = f"journal ({'sshd' if sshd else ', '.join(units)})"
        self.problem = ""
        self.not_before = not_before
        self.skipped = 0
        self._matches = [f"_SYSTEMD_UNIT={unit if '.' in unit else unit + '.service'}" for unit in units]
        if sshd:  # matches of one field are alternatives, those of two fields must both hold
            self._matches = ["_UID=0", *(f"_COMM={name}" for name in SSHD)]
        self._make = reader or _reader
        self._reader: Any = None
        self._cursor = str(position.get("cursor") or "") if position else ""
        self._at = int(position.get("at") or 0) if position else 0  # microseconds of the last entry given out
        self._same: list[str] = [str(text) for text in position.get("same", ())] if position else []
        self._again = False  # the cursor was not found: what comes first may have been given out
        self._more = True  # there may be entries whether or not the journal says so
        self._look_at = 0.0  # monotonic, as is
        self._retry_at = 0.0
        self._failures = 0

    def behind(self) -> int:
        """Not known: the journal does not count."""
        return 0

    def position(self) -> dict[str, Any] | None:
        """The last entry given out: cursor, time (microseconds), and which were given out of that microsecond."""
        return {"cursor": self._cursor, "at": self._at, "same": self._same} if self._cursor else None

    def close(self) -> None:
        """Let go of the journal."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def read(self) -> list[tuple[int, bytes]]:
        """The next entries: time (epoch seconds) and message; none if there is nothing new or it cannot be read."""
        if time.monotonic() < self._retry_at:
            return []
        found: list[tuple[int, bytes]] = []
        try:
            if self._reader is None:
                self._open()
            self._entries(found)
        except (OSError, ImportError, ValueError) as error:  # ValueError is the library's EINVAL
            self.problem = _complaint(error)
            self.close()
            self._retry_at = time.monotonic() + _RETRY[min(self._failures, len(_RETRY) - 1)]
            self._failures += 1
            return found
        self.problem, self._failures = "", 0
        return found

    def _open(self) -> None:
        self._reader = reader = self._make()
        reader.fileno()  # from now on the library notices new and rotated files
        for match in self._matches:
            reader.add_match(match)
        self._more, self._again = True, False
        if not self._cursor:
            reader.seek_realtime(float(self.not_before))
        elif not self._is_at_cursor(reader):
            reader.seek_realtime((self._at - 1) / _SECOND)  # rounded down, if at all
            self._again = True

    def _is_at_cursor(self, reader: Any) -> bool:
        """Whether the last entry given out is still there; it is the current one then."""
        try:
            reader.seek_cursor(self._cursor)
            return bool(reader._next() and reader.test_cursor(self._cursor))
        except ValueError:  # a state file that something else wrote
            return False

    def _entries(self, found: list[tuple[int, bytes]]) -> None:
        """Add the next entries to `found`, which is complete up to the position whatever is raised."""
        reader = self._reader
        # A search goes through all files of the journal, so it needs a reason. Files that were rotated or vacuumed make
        # no difference, the library finds its place again.
        if not reader.process() and not self._more and time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK
        for _entry in range(MAX_ENTRIES):
            self._more = bool(reader._next())
            if not self._more:
                return
            at, cursor = reader._get_realtime(), reader._get_cursor()
            key = _identity(cursor)
            if self._again and (at < self._at or key in self._same):
                continue
            self._again = self._again and at <= self._at
            self._same = [*self._same, key] if at == self._at else [key]
            self._cursor, self._at = cursor, at
            try:
                message = reader._get("MESSAGE")
            except KeyError:
                continue
            except (OSError, ValueError):  # this entry is damaged, not the journal
                self.skipped += 1
                continue
            found.append((at // _SECOND, _one_line(message)))


def _reader() -> Any:
    from systemd import journal  # type: ignore[attr-defined]  # python3-systemd: where a journal is read only

    reader = journal.Reader()
    if not (reader.has_persistent_files() or reader.has_runtime_files()):
        reader.close()
        raise OSError(errno.ENOENT, "no file of it is readable, is the group systemd-journal missing?")
    return reader


def _identity(cursor: str) -> str:
    """What tells an entry in any copy of the journal: boot, times and content, without the file's own numbering."""
    return cursor.partition(";b=")[2] or cursor


def _one_line(message: object) -> bytes:
    if isinstance(message, list):  # the field is there twice
        message = message[0] if message else b""
    if isinstance(message, str):
        message = message.encode("utf-8", "surrogateescape")
    return message.replace(b"\n", b" ") if isinstance(message, bytes) else b""


def _complaint(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "the journal cannot be read: install the package python3-systemd"
    return f"the journal cannot be read: {getattr(error, 'strerror', None) or error}"
