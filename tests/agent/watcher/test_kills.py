# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program killed at any moment, while it reads, while it saves, across rotations: no ban is lost, no line counts
twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from watcherlab import SOURCE, FakeWarden, add

# The real program, but it saves ten times a second, so that kills meet saves.
PROGRAM = """
import sys
from stockade.watcher import service
service.SAVE = 0.1
sys.exit(service.main(sys.argv[1:]))
"""
THRESHOLD = 30
RULE = f"""
max_bans_per_minute = 0
[[rule]]
name = "r"
type = "rate"
maxretry = {THRESHOLD}
findtime = "1h"
duration = "1d"
[[input]]
name = "web"
path = "{{path}}"
"""


class Program:
    """The watcher as a process that is killed and started again."""

    def __init__(self, directory: Path, config: Path) -> None:
        self._words = [sys.executable, "-c", PROGRAM, "--config", str(config)]
        self._words += ["--socket", str(directory / "warden.sock")]
        self._words += ["--state-dir", str(directory), "--runtime-dir", str(directory)]
        self._status = directory / "status.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        self._process = subprocess.Popen(self._words, env=environment, stderr=subprocess.DEVNULL)

    def wait_for(self) -> None:
        """Until it has read what there is and said so."""
        assert self._process is not None
        deadline = time.monotonic() + 10
        while f'"pid": {self._process.pid},' not in (self._status.read_text() if self._status.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def program(tmp_path: Path, access: Path, warden: FakeWarden) -> Iterator[Program]:
    config = tmp_path / "killed.toml"
    config.write_text(RULE.format(path=access), encoding="ascii")
    running = Program(tmp_path, config)
    running.start()
    add(access, [b"a first line, so that there is something to save"])
    deadline = time.monotonic() + 10
    while not (tmp_path / "state.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield running
    running.kill()


def killed(program: Program, access: Path, warden: FakeWarden, log: Any, kills: int, seed: int) -> None:
    """Attackers send 30 requests, everybody else 29, in any order, while the program is killed so often."""
    rng = random.Random(seed)
    attackers = [f"203.0.113.{number}" for number in range(kills)]
    others = [f"198.51.100.{number}" for number in range(kills)]
    lines = [address for address in attackers for _n in range(THRESHOLD)]
    lines += [address for address in others for _n in range(THRESHOLD - 1)]
    rng.shuffle(lines)
    portion = len(lines) // kills
    for turn in range(kills):
        part = lines[turn * portion :] if turn == kills - 1 else lines[turn * portion : (turn + 1) * portion]
        for begin in range(0, len(part), 7):
            add(access, [log.line(int(time.time()), address) for address in part[begin : begin + 7]])
            time.sleep(rng.random() * 0.02)  # the moment of the kill is what is drawn here
        rotated = rng.random() < 0.2
        if rotated:
            access.rename(access.with_name(f"access.log.{turn}"))
            access.touch()
        program.kill()
        program.start()
        if rotated or rng.random() < 0.7:  # otherwise the next kill may meet it while it starts
            program.wait_for()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and set(warden.networks) < set(attackers):
        time.sleep(0.05)
    assert sorted(set(warden.networks)) == sorted(attackers)
    ids = {(ban["network"], ban["id"]) for ban in warden.asked}
    assert len(ids) == len(attackers), "asked twice, but once with one id"


def test_c11_b26_killed_eight_times(program, access, warden, log) -> None:
    killed(program, access, warden, log, kills=8, seed=3)


@pytest.mark.slow
def test_c11_b26_killed_two_hundred_times(program, access, warden, log) -> None:
    killed(program, access, warden, log, kills=200, seed=int(os.environ.get("STOCKADE_SEED", "7")))
