# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a file: rotation, truncation, restarts, odd bytes."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from watcherlab import append, drain, follow, time_of

from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.formats.access import AccessFormat
from stockade.watcher.inputs import source as module
from stockade.watcher.inputs.lines import MAX_LINE
from stockade.watcher.inputs.start import offset_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def test_only_complete_lines(path: Path) -> None:
    path.write_bytes(b"one\ntwo\nthr")
    source = follow(path)
    assert drain(source) == [b"one", b"two"]
    append(path, b"ee\nfour\r\n")
    assert drain(source) == [b"three", b"four\r"]


def test_ah10_rename_and_create_reads_the_old_tail_first(path: Path) -> None:
    path.write_bytes(b"1\n")
    source = follow(path)
    assert drain(source) == [b"1"]
    writer = path.open("ab", buffering=0)
    writer.write(b"2\n")
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(b"4\n")
    writer.write(b"3\n")
    assert drain(source) == [b"2", b"3", b"4"]
    writer.write(b"late\n")  # servers write to the old file until they reopen their logs
    append(path, b"5\n")
    assert drain(source) == [b"late", b"5"]


def test_the_path_may_be_gone_for_a_while(path: Path) -> None:
    path.write_bytes(b"1\n")
    source = follow(path)
    drain(source)
    path.rename(path.with_name("access.log.1"))
    assert drain(source) == []
    assert "No such file" in source.problem
    path.write_bytes(b"2\n")
    assert drain(source) == [b"2"]
    assert source.problem == ""


def test_ah10_copytruncate(path: Path) -> None:
    path.write_bytes(b"1\n2\n3\n")
    source = follow(path)
    drain(source)
    os.truncate(path, 0)
    append(path, b"4\n")
    assert drain(source) == [b"4"]


def test_copytruncate_and_grown_beyond_the_old_size_between_two_looks(path: Path) -> None:
    path.write_bytes(b"1\n2\n")
    source = follow(path)
    drain(source)
    os.truncate(path, 0)
    append(path, b"5 and more\n6\n")
    assert drain(source) == [b"5 and more", b"6"]


def test_a_file_that_appears_later_is_read_from_its_start(path: Path) -> None:
    source = follow(path, not_before=100)
    assert drain(source) == []
    assert str(path) in source.problem
    path.write_bytes(b"100 a\n")
    assert drain(source) == [b"100 a"]


def test_a_swapped_symlink(tmp_path: Path) -> None:
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    first.write_bytes(b"1\n")
    second.write_bytes(b"2\n")
    link.symlink_to(first)
    source = follow(link)
    assert drain(source) == [b"1"]
    link.unlink()
    link.symlink_to(second)
    assert drain(source) == [b"2"]
    append(first, b"3\n")
    link.unlink()
    link.symlink_to(first)
    assert drain(source) == [b"3"]


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_regular_file_is_a_problem(path: Path, kind: str) -> None:
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    source = follow(path)
    assert source.read() == []
    assert source.problem == f"{path}: not a regular file"


def test_long_lines_are_skipped_and_counted_however_they_come(path: Path) -> None:
    longest, longer = b"x" * MAX_LINE, b"y" * (MAX_LINE + 1)
    data = b"a\n" + longest + b"\n" + longer + b"\nb\n" + b"z" * 1_000_000 + b"\nc\n"
    for step in (len(data), 100_000, 65_536, 50_001):
        path.write_bytes(b"")
        source = follow(path)
        lines: list[bytes] = []
        for start in range(0, len(data), step):
            append(path, data[start : start + step])
            lines += drain(source)
            assert source._current is not None
            assert len(source._current._splitter.tail) <= MAX_LINE  # memory is bounded whatever comes
        assert lines == [b"a", longest, b"b", b"c"]
        assert source.skipped == 2


def test_any_bytes_and_any_split(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    data = bytes(rng.choice([0, 10, 13, 34, 65, 255, 0xC3]) for _byte in range(5000)) + b"\n"
    wanted = data.split(b"\n")[:-1]
    for seed in range(20):
        rng = random.Random(seed)
        monkeypatch.setattr(module, "CHUNK", rng.randrange(1, 700))
        path.write_bytes(b"")
        source = follow(path)
        lines, rest = drain(source), data
        while rest:
            size = rng.randrange(1, 900)
            append(path, rest[:size])
            rest = rest[size:]
            lines += drain(source)
            if rng.random() < 0.3:  # a restart
                position = source.position()
                source.close()
                source = follow(path, position=position)
        assert lines == wanted


def test_a_restart_goes_on_where_it_was_across_a_rotation(path: Path) -> None:
    path.write_bytes(b"1\n2\n3")
    source = follow(path)
    assert drain(source) == [b"1", b"2"]
    position = source.position()
    source.close()
    append(path, b"\n4\n")
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(b"5\n")
    assert drain(follow(path, position=position)) == [b"3", b"4", b"5"]


def test_a_restart_after_truncation_reads_from_the_start(path: Path) -> None:
    path.write_bytes(b"1\n2\n3\n")
    source = follow(path)
    drain(source)
    position = source.position()
    path.write_bytes(b"7\n8\n9\n0\n")  # same inode, longer, other content
    assert drain(follow(path, position=position)) == [b"7", b"8", b"9", b"0"]


@pytest.mark.parametrize("not_before", [0, 1, 5_000, 19_999, 20_000, 30_000])
def test_a2_the_first_look_starts_at_the_look_back(path: Path, not_before: int) -> None:
    path.write_bytes(b"".join(b"%d some text that makes the line longer\n" % number for number in range(20_000)))
    source = follow(path, not_before=not_before)
    lines = drain(source)
    assert len(lines) <= 20_000
    first = time_of(lines[0]) if lines else 20_000
    assert first is not None
    assert first <= not_before
    assert not_before - first < 3000 or not_before == 30_000  # not the whole log was read
    wanted = [line for line in lines if (time_of(line) or 0) >= not_before]
    assert len(wanted) == max(0, 20_000 - not_before)


def test_the_search_for_a_start_gives_up_where_no_line_has_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"no time\n" * 2_000_000)
    asked = 0

    def count(_line: bytes) -> None:
        nonlocal asked
        asked += 1

    with path.open("rb") as file:
        assert offset_of(file.fileno(), 100, count) == 0
    assert asked < 1_100_000  # 8 halvings, 131,072 lines each at most


def test_time_of_an_access_line(log: Any) -> None:
    parser = AccessFormat(Clients(own=()), Input("web", path="/x"))
    assert parser.time_of(log.line(log.noon, offset=480)) == log.noon
    assert parser.time_of(b"garbage") is None
