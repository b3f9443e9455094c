# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of the agent side by side: unpacking, noticing damage, refusing foreign archives."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import build


def run(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tree, "BASE", str(tmp_path / "lib"))
    monkeypatch.setattr(tree, "CURRENT", str(tmp_path / "lib" / "current"))
    monkeypatch.setattr(tree, "PYTHON", sys.executable)
    return tmp_path / "lib"


def archive(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.linkname = "/etc/passwd"
        packed.addfile(member)
    return buffer.getvalue()


def test_a_version_is_unpacked_compiled_and_whole(base: Path) -> None:
    package = build()
    tree.unpack(package.name, package.content, run)
    assert tree.is_intact(package.name)
    assert (base / package.name / "bin" / "stockade").stat().st_mode & 0o777 == 0o755
    assert list((base / package.name / "stockade" / "__pycache__").glob("client.*.pyc"))
    assert [path.name for path in base.iterdir()] == [package.name]


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_version_is_noticed(base: Path, damage: str) -> None:
    package = build()
    tree.unpack(package.name, package.content, run)
    victim = base / package.name / "stockade" / "client.py"
    victim.write_text("") if damage == "change" else victim.unlink()
    assert not tree.is_intact(package.name)
    assert tree.damaged(package.name) == [str(victim)]


@pytest.mark.parametrize(
    "content",
    [
        archive("../../etc/cron.d/x"),
        archive("/etc/cron.d/x"),
        archive("link", tarfile.SYMTYPE),
        archive("p", tarfile.FIFOTYPE),
    ],
    ids=["parent", "absolute", "link", "fifo"],
)
def test_an_archive_that_reaches_out_is_refused_and_leaves_nothing(base: Path, content: bytes) -> None:
    with pytest.raises(StockadeError, match="no plain file below it"):
        tree.unpack("1-x", content, run)
    assert list(base.iterdir()) == []


def test_a_version_that_does_not_compile_is_no_version(base: Path) -> None:
    def broken(command: list[str]) -> tuple[int, str, str]:
        return 1, "", "SyntaxError"

    with pytest.raises(StockadeError, match="SyntaxError"):
        tree.unpack("1-x", build().content, broken)
    assert list(base.iterdir()) == []


def test_switching_and_pruning_keep_what_runs_and_what_ran(base: Path) -> None:
    for name in ("1-a", "2-b", "3-c"):
        (base / name).mkdir(parents=True)
    tree.switch("2-b")
    tree.switch("3-c")
    assert tree.current() == "3-c"
    tree.prune({"3-c", "2-b"})
    assert sorted(path.name for path in base.iterdir()) == ["2-b", "3-c", "current"]
