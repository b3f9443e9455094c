# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the README does what it says, typed as it stands there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
# Not here: what runs this test, what needs the published collection, and what has a step of its own in this scenario.
ELSEWHERE = ("make", "ansible-galaxy", "ansible-playbook -i inventory.yml stockade.fleet.remove")


def commands() -> Iterator[str]:
    """The lines behind `$` in the README's console blocks, in their order."""
    for line in (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("$ ") and not line[2:].startswith(ELSEWHERE):
            yield line[2:]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as the README's reader has it: an inventory and a site.yml."""
    directory: Path = tmp_path_factory.mktemp("desk")
    shutil.copy(REPOSITORY / "build" / "fleet" / "inventory.yml", directory)
    shutil.copytree(REPOSITORY / "docs" / "examples", directory, dirs_exist_ok=True)
    return directory


@pytest.mark.parametrize("command", list(commands()))
def test_the_readmes_command(operator: Any, desk: Path, command: str) -> None:
    words = shlex.split(command, comments=True)
    if words[0] == "stockade":
        done = operator.shell("web2", *words)
    else:
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".collections")}
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(
            words, cwd=desk, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    if words[:2] == ["stockade", "release"]:
        assert operator.shell("web2", "stockade", "resume").returncode == 0


def test_the_report_is_where_the_readme_says(desk: Path) -> None:
    assert {path.name for path in (desk / "report").iterdir()} >= {"index.html", "bans.json", "bans.csv"}


def test_the_example_of_the_readme_is_the_example_file() -> None:
    example = (REPOSITORY / "docs" / "examples" / "site.yml").read_text(encoding="utf-8")
    files = 'stockade_bans_files:\n  - name: scanners\n    src: "{{ inventory_dir }}/files/scanners.txt"\n'
    for line in ("  - network: 198.51.100.0/24\n    comment: office\n", "  - 203.0.113.128/25\n", files):
        assert line in example
        assert line in (REPOSITORY / "README.md").read_text(encoding="utf-8")
