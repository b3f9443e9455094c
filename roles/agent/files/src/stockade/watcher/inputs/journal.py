# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input `journal`: entries of systemd's journal, by python3-systemd.

For sshd the entries of root's processes of that name count, and nobody else's: any user can write any line under any
name, but the kernel's word for who wrote it is in the entry. Other programs are told by their unit.

A cursor says which entry was the last. Where it cannot be found again (the journal was vacuumed, or is another one
after a reboot) reading goes on at the last entry's time, and what was given out of that very microsecond is not again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

MAX_ENTRIES = 2000  # of one read
SSHD = ("sshd", "sshd-session", "sshd-auth")  # OpenSSH before 9.8, since 9.8, since 10
_RETRY = (1.0, 5.0, 30.0, 60.0)  # seconds until a journal that cannot be read is opened again
_SECOND = 1_000_000  # microseconds


class JournalInput:
    """Entries of `units`, or of `sshd`, from `position` or else from `not_before` (epoch seconds) on.

    `reader` makes a reader like systemd.journal.Reader; `problem` says why there is none, else it is empty.
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
        self.problem = ""
        self.not_before = not_before
        self.skipped = 0
        self._units = [unit if "." in unit else f"{unit}.service" for unit in units]
        self._sshd = sshd
        self._make = reader or _reader
        self._reader: Any = None
        self._cursor = str(position.get("cursor") or "") if position else ""
        self._at = int(position.get("at") or 0) if position else 0  # microseconds of the last entry given out
        self._same: list[str] = [str(text) for text in position.get("same", ())] if position else []
        self._again = False  # the cursor was not found: what comes first may have been given out
        self._failures = 0
        self._retry_at = 0.0  # monotonic

    def behind(self) -> int:
        """Not known: the journal does not count."""
        return 0

    def position(self) -> dict[str, Any] | None:
        """The last entry given out: cursor, time (microseconds), what was said in that microsecond."""
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
        try:
            if self._reader is None:
                self._open()
            entries = self._entries()
        except (OSError, ImportError) as error:
            self.problem = _complaint(error)
            self.close()
            self._retry_at = time.monotonic() + _RETRY[min(self._failures, len(_RETRY) - 1)]
            self._failures += 1
            return []
        self.problem, self._failures = "", 0
        return entries

    def _open(self) -> None:
        self._reader = reader = self._make()
        reader.fileno()  # without it the library does not notice rotation
        if self._sshd:
            for name in SSHD:
                reader.add_match(_COMM=name)  # the same field twice: either of them
            reader.add_match(_UID="0")
        else:
            for unit in self._units:
                reader.add_match(_SYSTEMD_UNIT=unit)
        if not self._cursor:
            reader.seek_realtime(float(self.not_before))
            return
        reader.seek_cursor(self._cursor)
        if not (reader.get_next() and reader.test_cursor(self._cursor)):
            reader.seek_realtime(self._at / _SECOND)
            self._again = True

    def _entries(self) -> list[tuple[int, bytes]]:
        reader = self._reader
        found: list[tuple[int, bytes]] = []
        reader.process()
        for _entry in range(MAX_ENTRIES):
            entry = reader.get_next()
            if not entry:
                break
            at = int(entry["__REALTIME_TIMESTAMP"])
            if self._again and (at < self._at or (at == self._at and entry["__CURSOR"] in self._same)):
                continue
            self._again = False if at > self._at else self._again
            self._same = [*self._same, entry["__CURSOR"]] if at == self._at else [entry["__CURSOR"]]
            self._cursor, self._at = entry["__CURSOR"], at
            text = _message(entry.get("MESSAGE"))
            if text is not None:
                found.append((at // _SECOND, text))
        return found


def _reader() -> Any:
    from systemd import journal  # type: ignore[attr-defined]  # python3-systemd: where a journal is read only

    # Neither text nor times are converted: bytes, and microseconds.
    return journal.Reader(converters={"MESSAGE": bytes, "__REALTIME_TIMESTAMP": int})


def _message(value: object) -> bytes | None:
    """A message as one line; None for an entry without one."""
    if isinstance(value, list):  # the field is there twice
        value = value[0] if value else None
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value.replace(b"\n", b" ") if isinstance(value, bytes) else None


def _complaint(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "the journal cannot be read: install the package python3-systemd"
    return f"the journal cannot be read: {getattr(error, 'strerror', None) or error}"
