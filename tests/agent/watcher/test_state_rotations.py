# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations of one moment: files of equal times or of equal lines, servers that go on writing to the old file."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from watcherlab import append, drain, follow

from stockade.watcher.inputs.file import FileInput

SECOND = 1_700_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def one_time(*paths: Path) -> None:
    """All of them changed in the same second, on a file system that keeps no more."""
    for path in paths:
        os.utime(path, (SECOND, SECOND))


def restarted(path: Path, text: bytes) -> Any:
    """The position of a watcher that has read so much and was stopped."""
    path.write_bytes(text)
    one_time(path)
    source = follow(path)
    assert drain(source) == text.splitlines()
    position = json.loads(json.dumps(source.position()))
    source.close()
    return position


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("access.log.2", "access.log.1"),
        ("access.log.10", "access.log.9"),
        ("access.2.log", "access.1.log"),
        ("access.log-20261125", "access.log-20261126"),
        ("access.log-2026-11-26T09", "access.log-2026-11-26T10"),
        ("access.log-1795651199", "access.log-1795651200"),
        ("access-20261125.log", "access-20261126.log"),
        ("access.log.20261126", "access.log.20261126-2"),
    ],
)
@pytest.mark.parametrize("same_lines", [False, True])
@pytest.mark.parametrize("read_before", [False, True])
def test_two_rotations_within_a_second_lose_no_line(
    path: Path, older: str, newer: str, same_lines: bool, read_before: bool
) -> None:
    first, second, third = (b"1 a\n" if same_lines else b"%d a\n" % number for number in (2, 3, 4))
    before = b"1 x\n" if read_before else b""
    position = restarted(path, before)
    append(path, first)
    path.rename(path.with_name(older))
    path.with_name(newer).write_bytes(second)
    path.write_bytes(third)
    one_time(path, path.with_name(older), path.with_name(newer))
    source = follow(path, position=position)
    found = drain(source)
    assert found == (first + second + third).splitlines()
    assert drain(source) == []


def test_a_flood_whose_lines_are_all_the_same_is_no_copy_of_itself(path: Path) -> None:
    """More of them than what tells one file from another."""
    flood = b"1 GET / of one client, again and again\n" * 50
    position = restarted(path, flood)
    append(path, flood)
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(flood * 2)
    one_time(path, path.with_name("access.log.1"))
    assert len(drain(follow(path, position=position))) == 150


def test_the_same_while_it_is_watched(path: Path) -> None:
    flood = b"1 GET / of one client, again and again\n" * 50
    path.write_bytes(flood)
    source = follow(path)
    drain(source)
    path.rename(path.with_name("access.log.2"))
    path.with_name("access.log.1").write_bytes(flood)
    path.write_bytes(flood)
    assert len(drain(source)) == 100


def test_a_server_that_writes_to_the_old_file_after_a_second_rotation(path: Path) -> None:
    position = restarted(path, b"1 a\n")
    path.rename(path.with_name("access.log.2"))
    path.with_name("access.log.1").write_bytes(b"3 c\n")
    os.utime(path.with_name("access.log.1"), (SECOND + 1, SECOND + 1))
    path.write_bytes(b"4 d\n")
    append(path.with_name("access.log.2"), b"2 b\n")
    os.utime(path.with_name("access.log.2"), (SECOND + 2, SECOND + 2))
    assert drain(follow(path, position=position)) == [b"2 b", b"3 c", b"4 d"]


def test_a_rotated_file_in_which_there_was_nothing_yet(path: Path) -> None:
    path.write_bytes(b"1 a\n")
    source = follow(path)
    drain(source)
    path.rename(path.with_name("access.log.2"))
    path.write_bytes(b"")
    assert drain(source) == []
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(b"2 b\n")
    assert drain(source) == [b"2 b"]
    position = json.loads(json.dumps(source.position()))
    source.close()
    append(path.with_name("access.log.1"), b"3 late\n")
    one_time(path.with_name("access.log.1"))
    assert drain(follow(path, position=position)) == [b"3 late"]


@pytest.mark.parametrize("name", ["access.log.bak", "access.log.old"])
def test_a_copy_that_somebody_made_of_the_log_is_not_read(path: Path, name: str) -> None:
    position = restarted(path, b"1 a\n")
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(b"2 b\n")
    path.with_name(name).write_bytes(b"2 b\n")
    assert drain(follow(path, position=position)) == [b"2 b"]


# -- any order of things --


class Site:
    """A log of numbered lines, or of equal ones, whose times are those of a coarse clock that hardly moves."""

    def __init__(self, folder: Path, dated: bool, equal: bool) -> None:
        self.path = folder / "access.log"
        self.path.write_bytes(b"")
        self.written: list[bytes] = []
        self.given: list[bytes] = []
        self.late = False
        self._dated, self._equal = dated, equal
        self._number = itertools.count(1)
        self._rotations = itertools.count(10)
        self._ticks = 0
        self._touch(self.path)
        self._follow(None)
        self.look()

    def _follow(self, position: Any) -> None:
        self.source = FileInput(str(self.path), time_of=lambda line: int(line.split()[1]), position=position)

    def _touch(self, path: Path) -> None:
        self._ticks += 1
        os.utime(path, (SECOND + self._ticks // 4, SECOND + self._ticks // 4))

    def write(self, path: Path | None = None) -> None:
        line = b"%d %d" % (1 if self._equal else next(self._number), SECOND + self._ticks // 4)
        append(path or self.path, line + b"\n")
        self.written.append(line)
        self._touch(path or self.path)

    def write_late(self) -> None:
        """To the file that was rotated last, if there is a line in it that tells when it began."""
        olds = sorted((path for path in self.path.parent.iterdir() if path != self.path), reverse=self._dated)
        if olds and olds[0].stat().st_size and not self._equal:
            self.late = True
            self.write(olds[0])

    def look(self) -> None:
        self.given += drain(self.source)

    def restart(self) -> None:
        position = json.loads(json.dumps(self.source.position()))
        self.source.close()
        self._follow(position)

    def rotate(self) -> None:
        if self._dated:
            self.path.rename(self.path.with_name(f"access.log-20261126{next(self._rotations)}"))
        else:
            for old in sorted(self.path.parent.glob("access.log.*"), key=lambda old: -int(old.suffix[1:])):
                old.rename(old.with_suffix(f".{int(old.suffix[1:]) + 1}"))
            self.path.rename(self.path.with_name("access.log.1"))
        self.path.write_bytes(b"")
        self._touch(self.path)


STEPS = st.sampled_from(["write", "write", "write", "look", "restart", "rotate", "rotate", "write_late"])


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=16), dated=st.booleans(), equal=st.booleans())
@example(steps=["rotate", "write", "rotate", "write"], dated=False, equal=True)
@example(steps=["write", "restart", "write", "rotate", "write", "rotate"], dated=False, equal=False)
@example(
    steps=["write", "rotate", "write", "write_late", "restart", "rotate", "write_late", "restart", "write"],
    dated=False,
    equal=False,
)
def test_every_line_once_whatever_the_times_say(steps: list[str], dated: bool, equal: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), dated, equal)
        for step in [*steps, "look", "look"]:
            getattr(site, step)()
        site.source.close()
        if site.late:
            assert sorted(site.given) == sorted(site.written)
        else:
            assert site.given == site.written
