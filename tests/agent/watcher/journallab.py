# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal that is a fake: it answers as python3-systemd does. The molecule scenario `watcher` reads a real one."""

from __future__ import annotations

from typing import Any, NamedTuple

NOON = 1_764_158_400  # epoch seconds
SECOND = 1_000_000
NOP, APPEND = 0, 1


class Entry(NamedTuple):
    at: int  # microseconds
    message: Any  # None: there is none; an exception: reading it raises that
    serial: int
    comm: str = "sshd"
    uid: str = "0"
    unit: str = "ssh.service"

    @property
    def cursor(self) -> str:
        return f"s=abc;i={self.serial:x};b=00ff;m={self.at - NOON * SECOND:x};t={self.at:x};x={self.serial:x}"


class FakeJournal:
    """What is in the journal, and what happens to it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.error: Exception | None = None
        self.opened = 0
        self.searches = 0
        self.news = NOP
        self._serial = 0

    def write(self, message: Any, at: float = 0.0, **fields: str) -> None:
        """An entry, `at` seconds after noon."""
        self._serial += 1
        self.entries.append(Entry(NOON * SECOND + round(at * SECOND), message, self._serial, **fields))
        self.news = APPEND

    def reader(self) -> FakeReader:
        self.opened += 1
        for error in filter(None, [self.error]):
            raise error
        return FakeReader(self)


class FakeReader:
    """Like systemd.journal.Reader: a seek takes effect at the next `_next`, matches of one field are alternatives."""

    def __init__(self, journal: FakeJournal) -> None:
        self.journal = journal
        self.matches: dict[str, set[str]] = {}
        self.closed = False
        self._after: tuple[int, int] = (0, 0)  # time and serial that an entry has to be behind
        self._entry: Entry | None = None

    def fileno(self) -> int:
        return 3

    def close(self) -> None:
        self.closed = True

    def add_match(self, match: str) -> None:
        field, _equals, value = match.partition("=")
        self.matches.setdefault(field, set()).add(value)

    def process(self) -> int:
        news, self.journal.news = self.journal.news, NOP
        return news

    def seek_realtime(self, seconds: float) -> None:
        assert isinstance(seconds, float)  # an int would be microseconds
        self._after = (int(seconds * SECOND), 0)

    def seek_cursor(self, cursor: str) -> None:
        if not cursor.startswith("s="):
            raise ValueError("Invalid cursor")  # how the library says EINVAL
        fields = dict(part.split("=") for part in cursor.split(";"))
        self._after = (int(fields["t"], 16), int(fields["i"], 16) - 1)

    def test_cursor(self, cursor: str) -> bool:
        assert self._entry is not None
        return self._entry.cursor == cursor

    def _next(self) -> bool:
        assert not self.closed
        self.journal.searches += 1
        if self.journal.error:
            raise self.journal.error
        for entry in self.journal.entries:
            fields = {"_COMM": entry.comm, "_UID": entry.uid, "_SYSTEMD_UNIT": entry.unit}
            fits = all(fields[field] in values for field, values in self.matches.items())
            if fits and (entry.at, entry.serial) > self._after:
                self._entry, self._after = entry, (entry.at, entry.serial)
                return True
        return False

    def _get(self, field: str) -> Any:
        assert field == "MESSAGE"
        assert self._entry is not None
        if self._entry.message is None:
            raise KeyError(field)
        if isinstance(self._entry.message, Exception):
            raise self._entry.message
        return self._entry.message

    def _get_realtime(self) -> int:
        assert self._entry is not None
        return self._entry.at

    def _get_cursor(self) -> str:
        assert self._entry is not None
        return self._entry.cursor
