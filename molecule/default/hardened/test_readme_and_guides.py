# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of README and guides does what it says there, typed as it stands there, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from documented import ELSEWHERE, ROOT, Command, commands, documents, name

PAGES = [page for page in documents() if any(command.text not in ELSEWHERE for command in commands(page))]
# They take the longest, and make the hosts what they are or look at all of them: once is enough, whoever names them.
ONCE = re.compile(r".* stockade\.fleet\.(harden|report|audit)\b.*")


class Desk:
    """Where the reader types: a directory with an inventory and a site.yml, and root shells on the hosts."""

    def __init__(self, operator: Any, directory: Path) -> None:
        self._operator = operator
        self.directory = directory
        self._done: set[str] = set()
        shutil.copy(ROOT / "build" / "fleet" / "inventory.yml", directory)
        shutil.copytree(ROOT / "docs" / "examples", directory, dirs_exist_ok=True)

    def type(self, command: Command) -> str:
        """What is wrong with the command or its answer, empty if nothing is."""
        if command.text in self._done and ONCE.fullmatch(command.text):
            return ""
        self._done.add(command.text)
        words = ["bash", "-o", "pipefail", "-c", command.typed]
        done = self._operator.shell(command.host, *words) if command.host else self._controller(words)
        output = done.stdout + done.stderr
        wrong = [f"it exits with {done.returncode}"] if done.returncode != command.exits_with else []
        wrong += ["it found no host"] if "No hosts matched" in output else []
        wrong += [f"it does not say: {line}" for line in command.missing(output)]
        return f"{command.block}: {command.typed}\n{'; '.join(wrong)}\n{output}" if wrong else ""

    def _controller(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "COLUMNS": "10000"}
        environment.pop("ANSIBLE_CONFIG", None)
        return subprocess.run(
            words, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def state(self, host: str) -> tuple[Any, ...]:
        """What a page must not leave different. Lists are what its site.yml says, bans of services come and go."""
        entries = self._operator.ask(host, "whitelist")["entries"]
        return (
            self._operator.ask(host, "status")["state"],
            [ban["network"] for ban in self._operator.ask(host, "bans", "--source", "operator")["bans"]],
            [entry["network"] for entry in entries if entry["list"] == "operator"],
            self._operator.shell(host, "ls", "/etc/ssh/sshd_config.d").stdout,
        )


@pytest.fixture(scope="module")
def desk(operator: Any, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(operator, tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_commands_of(page: Path, desk: Desk) -> None:
    todo = [command for command in commands(page) if command.text not in ELSEWHERE]
    hosts = sorted({command.host for command in todo if command.host})
    before = [desk.state(host) for host in hosts]
    wrong = [found for found in map(desk.type, todo) if found]
    assert not wrong, "\n\n".join(wrong)
    assert [desk.state(host) for host in hosts] == before


def test_the_report_is_where_the_readme_says(desk: Desk) -> None:
    written = {path.name for path in (desk.directory / "report").iterdir()}
    assert written >= {"index.html", "bans.json", "bans.csv", "bans.md", "proposals.yml", "audit.html", "audit.json"}


def test_the_example_of_the_readme_is_the_example_file() -> None:
    example = (ROOT / "docs" / "examples" / "site.yml").read_text(encoding="utf-8")
    files = 'stockade_bans_files:\n  - name: scanners\n    src: "{{ inventory_dir }}/files/scanners.txt"\n'
    for line in ("  - network: 198.51.100.0/24\n    comment: office\n", "  - 203.0.113.128/25\n", files):
        assert line in example
        assert line in (ROOT / "README.md").read_text(encoding="utf-8")
