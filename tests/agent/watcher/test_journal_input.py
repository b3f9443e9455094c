# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the journal: matches, cursors, what becomes of entries that are not there any more.

The journal is a fake (journallab.py); the molecule scenario `watcher` reads a real one.
"""

from __future__ import annotations

import builtins
import errno
import json
from typing import Any

import pytest
from journallab import NOON, SECOND, FakeJournal, FakeReader

from stockade.watcher.inputs import journal as module
from stockade.watcher.inputs.journal import JournalInput


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


def follow(journal: FakeJournal, **options: Any) -> JournalInput:
    options = {"sshd": True, "not_before": NOON, **options}
    return JournalInput(reader=journal.reader, **options)


def restarted(source: JournalInput, journal: FakeJournal) -> JournalInput:
    position = json.loads(json.dumps(source.position()))
    source.close()
    return follow(journal, position=position)


def test_b1_b4_bh1_entries_since_the_look_back_with_their_own_time(journal: FakeJournal) -> None:
    journal.write(b"too old", at=-0.000001)
    journal.write(b"one", at=0)
    journal.write(b"two", at=59.999999)
    source = follow(journal)
    assert source.read() == [(NOON, b"one"), (NOON + 59, b"two")]
    assert source.read() == []
    journal.write(b"three", at=60)
    assert source.read() == [(NOON + 60, b"three")]
    assert source.problem == ""


def test_b1_only_what_root_s_sshd_says_counts(journal: FakeJournal) -> None:
    for comm in ("sshd", "sshd-session", "sshd-auth"):
        journal.write(comm.encode(), comm=comm)
    journal.write(b"forged", uid="1000")  # anybody may call a process sshd, and log into ssh.service's session
    journal.write(b"forged", comm="logger")
    assert [message for _at, message in follow(journal).read()] == [b"sshd", b"sshd-session", b"sshd-auth"]


def test_units_are_services_unless_they_say_what_they_are(journal: FakeJournal) -> None:
    journal.write(b"one", unit="proftpd.service", comm="proftpd", uid="33")
    journal.write(b"two", unit="ftp.socket", comm="systemd")
    journal.write(b"three", unit="nginx.service")
    source = follow(journal, units=("proftpd", "ftp.socket"), sshd=False)
    assert [message for _at, message in source.read()] == [b"one", b"two"]
    assert source.path == "journal (proftpd, ftp.socket)"


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (b"bytes \xff", b"bytes \xff"),
        ("text \udcff\u00e9", b"text \xff\xc3\xa9"),
        (b"two\nlines\n", b"two lines "),
        ([b"first", b"second"], b"first"),
        (b"", b""),
    ],
)
def test_a_message_is_one_line_whatever_it_is(journal: FakeJournal, message: Any, wanted: bytes) -> None:
    journal.write(message)
    assert follow(journal).read() == [(NOON, wanted)]


def test_entries_without_a_message_and_damaged_ones_are_left_out(journal: FakeJournal) -> None:
    journal.write(b"one")
    journal.write(None, at=1)
    journal.write(OSError(errno.EBADMSG, "Bad message"), at=2)
    journal.write(b"two", at=3)
    source = follow(journal)
    assert source.read() == [(NOON, b"one"), (NOON + 3, b"two")]
    assert source.skipped == 1
    assert source.problem == ""


def test_bh13_a_restart_goes_on_behind_the_last_entry(journal: FakeJournal) -> None:
    for message in (b"one", b"two", b"three"):
        journal.write(message, at=1.5)
    source = follow(journal)
    assert len(source.read()) == 3
    journal.write(b"four", at=1.5)  # in the same microsecond
    source = restarted(source, journal)
    assert source.read() == [(NOON + 1, b"four")]
    assert restarted(source, journal).read() == []


def test_bh13_an_entry_that_was_vacuumed_is_no_reason_to_count_again(journal: FakeJournal) -> None:
    journal.write(b"one", at=1)
    journal.write(b"two", at=2)
    journal.write(b"three", at=2)
    source = follow(journal)
    source.read()
    del journal.entries[2]  # the last one given out; those before it are still there
    journal.write(b"four", at=2)
    journal.write(b"five", at=3)
    source = restarted(source, journal)
    assert [message for _at, message in source.read()] == [b"four", b"five"]
    assert restarted(source, journal).read() == []


@pytest.mark.parametrize("cursor", ["junk", "s=other;i=99;b=1;m=2;t=0;x=3"])
def test_a_cursor_of_another_journal_goes_on_by_time(journal: FakeJournal, cursor: str) -> None:
    journal.write(b"one", at=1)
    journal.write(b"two", at=2)
    journal.write(b"three", at=3)
    source = follow(journal, position={"cursor": cursor, "at": (NOON + 2) * SECOND, "same": []})
    assert [message for _at, message in source.read()] == [b"two", b"three"]


def test_an_empty_journal_after_a_restart(journal: FakeJournal) -> None:
    journal.write(b"one", at=1)
    source = follow(journal)
    source.read()
    journal.entries.clear()
    source = restarted(source, journal)
    assert source.read() == []
    journal.write(b"two", at=2)
    assert source.read() == [(NOON + 2, b"two")]


def test_one_read_is_bounded(journal: FakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    for number in range(12):
        journal.write(b"%d" % number, at=number)
    source = follow(journal)
    assert [len(source.read()) for _read in range(4)] == [5, 5, 2, 0]


def test_an_error_is_a_problem_and_nothing_is_lost_or_counted_twice(
    journal: FakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    journal.write(b"one", at=1)
    source = follow(journal)
    assert len(source.read()) == 1
    journal.write(b"two", at=2)
    journal.error = OSError(errno.EIO, "Input/output error")
    assert source.read() == []
    assert source.problem == "the journal cannot be read: Input/output error"
    opened, journal.error = journal.opened, None
    assert source.read() == []  # not before its time
    now += 1
    assert source.read() == [(NOON + 2, b"two")]
    assert journal.opened == opened + 1
    assert source.problem == ""


def test_what_was_read_before_an_error_is_given_out(journal: FakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    journal.write(b"one", at=1)
    source = follow(journal)
    step = FakeReader._next

    def fails_then(self: FakeReader) -> bool:
        if self._entry is not None:
            raise OSError(errno.EBADMSG, "Bad message")
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(FakeReader, "_next", fails_then)
        assert source.read() == [(NOON + 1, b"one")]
    assert source.problem == "the journal cannot be read: Bad message"
    now += 1
    assert source.read() == []


def test_waits_get_longer_and_end_with_the_first_success(journal: FakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    journal.error = OSError(errno.EACCES, "Permission denied")
    source = follow(journal)
    tries = []
    while now < 200:
        before = journal.opened
        source.read()
        tries += [now] if journal.opened > before else []
        now += 1
    assert tries == [0, 1, 6, 36, 96, 156]


def test_bh17_without_the_package_the_problem_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "systemd":
            raise ModuleNotFoundError("No module named 'systemd'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    source = JournalInput(sshd=True)
    assert source.read() == []
    assert source.problem == "the journal cannot be read: install the package python3-systemd"


def test_a_quiet_journal_is_searched_once_a_second(journal: FakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    source = follow(journal)
    source.read()
    before = journal.searches
    for _poll in range(40):  # four seconds
        now += 0.1
        source.read()
    assert 3 <= journal.searches - before <= 5
    journal.write(b"one")
    assert source.read() == [(NOON, b"one")]


def test_nothing_was_given_out_nothing_is_remembered(journal: FakeJournal) -> None:
    source = follow(journal)
    source.read()
    assert source.position() is None
    assert source.behind() == 0
