# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's package: the same bytes wherever and whenever it is built."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

from ansible_collections.stockade.fleet.plugins.plugin_utils._package import SOURCE, build


def test_two_builds_of_two_checkouts_are_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(SOURCE, copy)
    for number, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (number, number))
        os.chmod(path, 0o700)
    (copy / "stockade" / "__pycache__").mkdir(exist_ok=True)
    (copy / "stockade" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    assert build(copy) == build(SOURCE)


def test_another_byte_is_another_version(tmp_path: Path) -> None:
    copy = tmp_path / "src"
    shutil.copytree(SOURCE, copy)
    with (copy / "stockade" / "text.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert build(copy).name != build(SOURCE).name


def test_the_package_holds_what_a_host_needs_and_nothing_that_differs() -> None:
    with tarfile.open(fileobj=io.BytesIO(build().content)) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert {"bin/stockade", "stockade/__init__.py", "systemd/stockade-warden.service", "sysusers/stockade.conf"} <= set(
        names
    )
    assert names == sorted(names)
    assert not [name for name in names if "__pycache__" in name]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
