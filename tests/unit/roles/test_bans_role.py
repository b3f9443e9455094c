# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role bans on the controller: a list file that is missing is said before anything of a host is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What harden.yml does first, and in the place of everything that follows a task that would be seen.
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: stockade.fleet.bans
        tasks_from: files
    - ansible.builtin.debug:
        msg: the host is changed now
"""


def play(place: Path, files: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """A run by somebody who has one list file, beside the playbook in `files/`."""
    collection = place / "collections" / "ansible_collections" / "stockade"
    collection.mkdir(parents=True)
    (collection / "fleet").symlink_to(ROOT)
    (place / "files").mkdir()
    (place / "files" / "scanners.txt").write_text("203.0.113.9\n", encoding="utf-8")
    (place / "site.yml").write_text(PLAYBOOK, encoding="utf-8")
    variables = {"stockade_bans_files": [{"name": "x", "src": src} for src in files], **more}
    words = ["-m", "ansible.cli.playbook", "-i", "localhost,", "site.yml", "-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(place / "collections"), "ANSIBLE_HOME": str(place)}
    return subprocess.run(
        [sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_files_are_found_as_the_module_finds_them(tmp_path: Path) -> None:
    done = play(tmp_path, ["scanners.txt", "files/scanners.txt", str(tmp_path / "files" / "scanners.txt")])
    assert done.returncode == 0 and "the host is changed now" in done.stdout, done.stdout


@pytest.mark.parametrize("more", [{}, {"stockade_bans_whitelist_src": "nowhere.txt"}])
def test_one_that_is_missing_is_named_before_anything_else(tmp_path: Path, more: dict[str, str]) -> None:
    done = play(tmp_path, ["scanners.txt"] if more else ["nowhere.txt"], **more)
    assert done.returncode == 2 and "the host is changed now" not in done.stdout
    said = " ".join((done.stdout + done.stderr).split())
    assert "no list file nowhere.txt on the controller, nothing was changed on this host: give its full path" in said


def test_a_list_that_goes_needs_no_file(tmp_path: Path) -> None:
    assert play(tmp_path, ["nowhere.txt"], stockade_bans_state="absent").returncode == 0
