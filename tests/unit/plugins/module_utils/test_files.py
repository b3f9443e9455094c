# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _files


def test_content_mode_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    _files.replace(str(path), b"one", mode=0o600)
    _files.replace(str(path), b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.listdir(tmp_path) == ["x.conf"]


def test_owner_and_mode_of_the_file_that_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"theirs")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    about = path.stat()
    _files.replace(str(path), b"ours", mode=0o600)
    assert path.stat().st_mode & 0o7777 == 0o600
    _files.replace(str(path), b"theirs", like=about)
    again = path.stat()
    assert (again.st_mode, again.st_uid, again.st_gid) == (about.st_mode, about.st_uid, about.st_gid)


def test_removal_also_of_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.touch()
    _files.replace(str(path), None)
    _files.replace(str(path), None)
    _files.replace(str(tmp_path / "no" / "directory"), None)
    assert os.listdir(tmp_path) == []


def test_file_and_directory_are_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened = []
    fsync, rename = os.fsync, os.replace

    def flushed(handle: int) -> None:
        happened.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def renamed_(old: str, new: str) -> None:
        happened.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed_)
    _files.replace(str(tmp_path / "x.conf"), b"x")
    file, renamed, directory = happened
    assert (renamed, directory) == ("rename", str(tmp_path))
    # neither fail2ban (*.conf, *.local) nor sshd (*.conf) reads it in between
    assert os.path.dirname(file) == str(tmp_path)
    assert file.endswith(".new")


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _files.replace(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.conf"]
