# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a file when rotations, truncations and copies happen between two looks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from watcherlab import append, drain, follow

from stockade.watcher.inputs.neighbours import is_rotated


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


LONG = b"".join(b"%d a line that was read before\n" % number for number in range(100, 140))


def later(path: Path, seconds: int) -> None:
    """Give a file a last change in the future: rotations are not a tick of the clock apart."""
    os.utime(path, (time.time() + seconds, time.time() + seconds))


def test_ch6_copytruncate_with_unread_lines_finds_them_in_the_copy(path: Path) -> None:
    path.write_bytes(LONG)
    source = follow(path)
    drain(source)
    append(path, b"200 unread\n")
    shutil.copy(path, path.with_name("access.log.1"))
    os.truncate(path, 0)
    append(path, b"201 new\n")
    assert drain(source) == [b"200 unread", b"201 new"]
    assert drain(source) == []


def test_truncated_and_grown_with_the_same_beginning(path: Path) -> None:
    path.write_bytes(LONG + b"200 the end of the first\n")
    source = follow(path)
    drain(source)
    os.truncate(path, 0)
    append(path, LONG + b"300 another end, longer than the first\n")
    assert drain(source) == (LONG + b"300 another end, longer than the first\n").splitlines()


def test_truncated_and_grown_with_the_same_lines_before_the_end(path: Path) -> None:
    path.write_bytes(b"1 the first log\n" + LONG)
    source = follow(path)
    drain(source)
    os.truncate(path, 0)
    append(path, b"2 the other log\n" + LONG + b"300 x\n")
    assert len(drain(source)) == 42


def test_truncated_and_grown_to_the_very_same_size(path: Path) -> None:
    path.write_bytes(b"1 a\n2 b\n")
    source = follow(path)
    drain(source)
    path.write_bytes(b"3 c\n4 d\n")
    later(path, 1)
    assert drain(source) == [b"3 c", b"4 d"]


def test_ah10_two_rotations_between_two_looks(path: Path) -> None:
    path.write_bytes(b"1 a\n")
    path.with_name("access.log.1").write_bytes(b"0 read long ago\n")
    path.with_name("access.log.txt").write_bytes(b"9 no rotated log\n")
    source = follow(path)
    assert drain(source) == [b"1 a"]
    append(path, b"2 tail\n")
    path.with_name("access.log.1").rename(path.with_name("access.log.3"))
    later(path.with_name("access.log.3"), -60)
    path.rename(path.with_name("access.log.2"))
    path.with_name("access.log.1").write_bytes(b"3 never opened\n")
    path.write_bytes(b"4 d\n")
    later(path.with_name("access.log.txt"), 60)
    assert drain(source) == [b"2 tail", b"3 never opened", b"4 d"]
    assert source.problem == ""


@pytest.mark.parametrize("extension", ["", ".gz"])
def test_c1_two_rotations_while_nobody_looked(path: Path, extension: str) -> None:
    path.write_bytes(b"1 a\n")
    source = follow(path)
    drain(source)
    position = json.loads(json.dumps(source.position()))
    source.close()
    append(path, b"2 tail\n")
    path.rename(path.with_name("access-20261125.log"))
    middle = path.with_name("access-20261126.log" + extension)
    middle.write_bytes(b"3 never opened\n")
    later(middle, 5)
    path.write_bytes(b"4 d\n")
    source = follow(path, position=position)
    if extension:
        assert drain(source) == [b"2 tail", b"4 d"]
        assert source.problem == f"{middle}: compressed before all of it was read"
    else:
        assert drain(source) == [b"2 tail", b"3 never opened", b"4 d"]
        assert source.problem == ""


def test_a_log_that_was_read_before_it_was_compressed_is_no_problem(path: Path) -> None:
    path.write_bytes(b"1 a\n")
    source = follow(path)
    drain(source)
    position, changed = source.position(), path.stat().st_mtime_ns
    source.close()
    packed = path.with_name("access.log.1.gz")
    packed.write_bytes(b"compressed")
    os.utime(packed, ns=(changed, changed))  # the time of the original, as compressors do
    path.rename(path.with_name("access.log.2"))
    half = path.with_name("access.log.2.gz")  # being written, what it is made of is still there
    half.write_bytes(b"compr")
    later(half, 60)
    path.write_bytes(b"2 b\n")
    source = follow(path, position=position)
    assert drain(source) == [b"2 b"]
    assert source.problem == ""


def test_old_neighbours_that_somebody_touched_are_not_read(path: Path) -> None:
    path.write_bytes(b"5 a\n")
    for name, text in (("access.log.7", b"1 old\n"), ("access.log.bak", b"5 a\n")):
        path.with_name(name).write_bytes(text)
        later(path.with_name(name), 60)
    source = follow(path)
    assert drain(source) == [b"5 a"]
    path.rename(path.with_name("access.log.1"))
    path.write_bytes(b"6 b\n")
    assert drain(source) == [b"6 b"]


def test_a_log_rewritten_by_an_editor_goes_on_where_it_was(path: Path) -> None:
    path.write_bytes(LONG)
    source = follow(path)
    drain(source)
    fresh = path.with_name("temporary")
    fresh.write_bytes(LONG + b"200 new\n")
    fresh.rename(path)
    assert drain(source) == [b"200 new"]


def test_a_log_whose_device_has_another_number_after_a_boot_goes_on_where_it_was(path: Path) -> None:
    path.write_bytes(LONG)
    source = follow(path)
    drain(source)
    position = source.position()
    assert position is not None
    append(path, b"200 new\n")
    assert drain(follow(path, position={**position, "device": 99})) == [b"200 new"]


def test_an_inode_that_is_used_again_is_another_log(path: Path) -> None:
    path.write_bytes(LONG)
    source = follow(path)
    drain(source)
    position = source.position()
    source.close()
    path.write_bytes(LONG.replace(b"read", b"said"))  # the same inode and size
    assert len(drain(follow(path, position=position))) == 40


def test_a_symlink_swapped_back_after_its_file_was_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    first.write_bytes(b"1\n")
    second.write_bytes(b"2\n")
    link.symlink_to(first)
    source = follow(link)
    drain(source)
    monkeypatch.setattr("stockade.watcher.inputs.rotated.DRAIN", -1.0)
    link.unlink()
    link.symlink_to(second)
    assert drain(source) == [b"2"]
    link.unlink()
    link.symlink_to(first)
    append(first, b"3\n")
    assert drain(source) == [b"3"]


def test_a_rotated_file_that_is_overwritten_before_it_is_deleted_is_let_go(path: Path) -> None:
    path.write_bytes(LONG)
    source = follow(path)
    drain(source)
    rotated = path.with_name("access.log.1")
    path.rename(rotated)
    path.write_bytes(b"200 new\n")
    assert drain(source) == [b"200 new"]
    rotated.write_bytes(b"\n" * len(LONG))
    assert drain(source) == []
    assert len(source.identities()) == 1


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("access.log.1", True),
        ("access.log.12", True),
        ("access.log-20261126", True),
        ("access.log-2026-11-26T03:00", True),
        ("access.log.old", True),
        ("access.1.log", True),
        ("access-20261126.log", True),
        ("access.log", False),
        ("access.log.json", False),
        ("access.log.1.txt", False),
        ("access-api.log", False),
        ("access_ssl.log", False),
        ("xaccess.log.1", False),
    ],
)
def test_names_of_rotated_logs(name: str, is_one: bool) -> None:
    assert is_rotated(name, "access.log") is is_one


def test_c2_a_log_without_permission_is_told_and_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"1\n")
    source = follow(path)

    def refused(*_arguments: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("stockade.watcher.inputs.neighbours.os.open", refused)
        assert drain(source) == []
        assert source.problem == f"{path}: Permission denied"
    assert drain(source) == [b"1"]
    assert source.problem == ""
