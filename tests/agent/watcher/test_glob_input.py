# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following every file of a pattern: new ones, gone ones, rotated ones that match too."""

from __future__ import annotations

import glob
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stockade.watcher.inputs import glob as module
from stockade.watcher.inputs.glob import GlobInput


def time_of(line: bytes) -> int | None:
    return int(line.split()[0]) if line[:1].isdigit() else None


class Watch:
    """A glob input and its clock."""

    def __init__(self, pattern: Path, position: Any = None, **options: Any) -> None:
        self.now = 1000.0
        self.input = GlobInput(str(pattern), time_of=time_of, position=position, clock=lambda: self.now, **options)

    def __call__(self, seconds: float = 0.0) -> list[bytes]:
        """What there is to read `seconds` later."""
        self.now += seconds
        lines: list[bytes] = []
        while new := self.input.read():
            lines += new
        return lines

    def again(self) -> Watch:
        """The same after a restart."""
        position = json.loads(json.dumps(self.input.position()))
        self.input.close()
        return Watch(Path(self.input.path), position)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


LONG = b"".join(b"%d a line that was read before\n" % number for number in range(100, 140))


@pytest.mark.parametrize("pattern", ["*.log", "[ab].log", "?.log"])
def test_c1_every_file_that_matches_is_followed(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "a.log").write_bytes(b"1 a\n")
    (tmp_path / "b.log").write_bytes(b"1 b\n")
    (tmp_path / "other").write_bytes(b"1 no\n")
    (tmp_path / "d.log").mkdir()
    watch = Watch(tmp_path / pattern)
    assert watch() == [b"1 a", b"1 b"]
    append(tmp_path / "b.log", b"2 b\n3")
    append(tmp_path / "a.log", b"2 a\n")
    assert sorted(watch()) == [b"2 a", b"2 b"]
    assert watch.input.problem == ""
    assert watch.input.behind() == 0


def test_a_pattern_of_directories(tmp_path: Path) -> None:
    for site in ("one", "two"):
        (tmp_path / site / "logs").mkdir(parents=True)
        (tmp_path / site / "logs" / "access.log").write_bytes(site.encode() + b"\n")
    assert Watch(tmp_path / "*" / "logs" / "access.log")() == [b"one", b"two"]


def test_a_new_file_is_found_within_five_seconds_and_read_from_its_start(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "*.log", not_before=5)
    assert watch() == []
    assert watch.input.problem == f"{tmp_path}/*.log: no file matches"
    (tmp_path / "a.log").write_bytes(b"1 older than the watcher looks back\n5 x\n")
    assert watch(4.9) == []
    assert watch(0.1) == [b"1 older than the watcher looks back", b"5 x"]
    assert watch.input.problem == ""


def test_the_directory_is_not_searched_more_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = 0
    search = glob.iglob

    def count(pattern: str) -> Any:
        nonlocal searches
        searches += 1
        return search(pattern)

    monkeypatch.setattr(glob, "iglob", count)
    watch = Watch(tmp_path / "*.log")
    for _turn in range(100):
        watch(0.1)
    assert searches <= 3


def test_a2_files_there_at_the_first_start_count_from_the_look_back_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%d some text that makes the line longer\n" % number for number in range(20_000)))
    lines = Watch(tmp_path / "*.log", not_before=19_000)()
    assert lines[-1].startswith(b"19999 ")
    assert len(lines) < 4000


def test_bh13_a_restart_reads_nothing_again_and_finds_files_that_came_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1 a\n")
    watch = Watch(tmp_path / "*.log")
    assert watch() == [b"1 a"]
    (tmp_path / "b.log").write_bytes(b"1 b\n")
    append(tmp_path / "a.log", b"2 a\n")
    watch = watch.again()
    assert watch() == [b"2 a", b"1 b"]
    assert watch.again()() == []


def test_a_file_that_is_gone_is_finished_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1 a\n")
    watch = Watch(tmp_path / "*.log")
    watch()
    append(path, b"2 a\n")
    path.unlink()
    assert watch(5) == [b"2 a"]
    assert watch.input.problem == ""
    assert watch(70) == []
    assert watch(5) == []
    assert watch.input.position() is None


@pytest.mark.parametrize("pattern", ["access.log*", "*.log"])
def test_ah10_rotation_by_rename_counts_every_line_once(tmp_path: Path, pattern: str) -> None:
    path, first, second = (tmp_path / name for name in ("access.log", "access.log.1", "access.log.2"))
    path.write_bytes(b"2 a\n")
    if pattern == "access.log*":
        first.write_bytes(b"1 older\n")
    watch = Watch(tmp_path / pattern)
    assert watch() == ([b"2 a", b"1 older"] if pattern == "access.log*" else [b"2 a"])
    for round_number in (3, 5, 7):
        append(path, b"%d tail\n" % round_number)
        if first.exists():
            first.rename(second)
        path.rename(first)
        path.write_bytes(b"%d new\n" % (round_number + 1))
        wanted = [b"%d tail" % round_number, b"%d new" % (round_number + 1)]
        assert watch() == wanted  # at once, not at the next search
        assert watch(6) == []
        append(first, b"late %d\n" % round_number)
        assert watch(6) == [b"late %d" % round_number]
    assert watch.again()() == []
    assert watch.input.problem == ""


@pytest.mark.parametrize("looks", [True, False])
def test_ah10_copytruncate_where_the_copy_matches_too(tmp_path: Path, looks: bool) -> None:
    path, copy = tmp_path / "access.log", tmp_path / "access.log.1"
    path.write_bytes(LONG)
    watch = Watch(tmp_path / "access.log*")
    watch()
    append(path, b"200 unread\n")
    shutil.copy(path, copy)
    unread = watch(6) if looks else []  # it may find the copy before the log is truncated
    os.truncate(path, 0)
    append(path, b"201 new\n")
    assert unread + watch(6) == [b"200 unread", b"201 new"]
    assert watch(70) == []
    assert watch(6) == []


def test_a_copy_that_grows_while_it_is_looked_at_is_not_read(tmp_path: Path) -> None:
    path, copy = tmp_path / "access.log", tmp_path / "access.log.1"
    path.write_bytes(LONG)
    watch = Watch(tmp_path / "access.log*")
    watch()
    for start in range(0, len(LONG), 100):
        append(copy, LONG[start : start + 100])
        assert watch(6) == []


def test_ah27_rotated_while_nobody_looked(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"1 a\n")
    watch = Watch(tmp_path / "access.log*")
    assert watch() == [b"1 a"]
    watch.input.close()
    append(path, b"2 tail\n")
    path.rename(tmp_path / "access.log.2")
    (tmp_path / "access.log.1").write_bytes(b"3 between\n")
    path.write_bytes(b"4 new\n")
    watch = watch.again()
    assert sorted(watch()) == [b"2 tail", b"3 between", b"4 new"]
    assert watch.again()() == []


@pytest.mark.parametrize("extension", [".gz", ".xz", ".bz2", ".zst"])
def test_compressed_files_never_match(tmp_path: Path, extension: str) -> None:
    (tmp_path / "access.log").write_bytes(b"1 a\n")
    (tmp_path / f"access.log.1{extension}").write_bytes(b"0 no\n")
    assert Watch(tmp_path / "access.log*")() == [b"1 a"]


def test_two_logs_that_begin_alike_are_two_logs(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(LONG)
    (tmp_path / "two.log").write_bytes(LONG)
    assert len(Watch(tmp_path / "*.log")()) == 80


def test_an_inode_that_is_used_again_is_a_new_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARK", -1.0)  # closed at the next search
    path = tmp_path / "a.log"
    path.write_bytes(LONG)
    watch = Watch(tmp_path / "*.log")
    watch()
    watch(6)
    path.write_bytes(LONG.replace(b"read", b"seen"))
    assert len(watch(6)) == 40


def test_a_log_nobody_writes_to_is_closed_until_somebody_does(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1 a\n")
    watch = Watch(tmp_path / "*.log")
    watch()
    watch(3601)
    watch(6)
    assert not any(Path(f"/proc/self/fd/{fd}").resolve() == path for fd in os.listdir("/proc/self/fd"))
    append(path, b"2 a\n")
    assert watch(5) == [b"2 a"]
    assert watch.again()() == []


def test_more_files_than_are_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 3)
    for name in "abcd":
        (tmp_path / f"{name}.log").write_bytes(name.encode() + b"\n")
    watch = Watch(tmp_path / "*.log")
    assert watch() == [b"a", b"b", b"c"]
    assert watch.input.problem == f"{tmp_path}/*.log: more than 3 files match, the rest is not read"


def test_a_busy_file_does_not_keep_the_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockade.watcher.inputs.source.CHUNK", 4)
    (tmp_path / "a.log").write_bytes(b"1 a\n" * 5)
    (tmp_path / "b.log").write_bytes(b"1 b\n" * 2)
    assert Watch(tmp_path / "*.log")()[:4] == [b"1 a", b"1 b", b"1 a", b"1 b"]


def test_long_lines_of_all_files_are_counted(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.log").write_bytes(b"x" * 70_000 + b"\n1 " + name.encode() + b"\n")
    watch = Watch(tmp_path / "*.log")
    assert watch() == [b"1 a", b"1 b"]
    assert watch.input.skipped == 2
