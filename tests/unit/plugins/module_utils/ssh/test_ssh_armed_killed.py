# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any step of arming, of committing or of going back: the host goes back, or nothing had happened yet."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from armedlab import Lab

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import armed, rollback

LINES = rollback.SCRIPT_TEXT.splitlines(keepends=True)
STEPS = ("link", "rename", "replace", "unlink", "fsync", "symlink", "makedirs", "chmod")
OLD = {"kept": "old\n", "gone": "old\n"}


class Killed(BaseException):
    """Nothing catches it, and after it nothing happens any more."""


class Killer:
    """Lets so many changes of the host happen; then one fails, or with ``for_good`` all of them from there on."""

    def __init__(self, lab: Lab, patch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.for_good = True
        self.on = False
        for name in STEPS:
            patch.setattr(os, name, self._wrap(getattr(os, name)))
        patch.setattr(lab.armed, "_run", self._wrap(lab.run))

    def _wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            if self.on:
                self.left -= 1
                if self.left < 0 and self.for_good:
                    raise Killed
                if self.left == -1:
                    raise OSError(28, "No space left on device")
            return real(*args, **options)

        return step

    def after(self, steps: int, action: Callable[[], None], *, for_good: bool = True) -> bool:
        """Whether the action was stopped on its way."""
        self.left, self.for_good, self.on = steps, for_good, True
        try:
            action()
        except (Killed, StockadeError):
            return True
        finally:
            self.on = False
        return False


def writes(lab: Lab) -> list[armed.Write]:
    return [
        lab.write("kept", "old\n", "new\n"),
        lab.write("gone", "old\n", None),
        lab.write("added", None, "new\n"),
    ]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize("leftovers", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("for_good", [True, False])
def test_arming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, for_good: bool, leftovers: bool) -> None:
    stopped, steps = True, -1
    while stopped:
        steps += 1
        lab = Lab(tmp_path / str(steps))
        if leftovers:
            lab.arm(*writes(lab), run_id="r0")
            lab.fire()
        planned = writes(lab)
        with monkeypatch.context() as patch:
            killer = Killer(lab, patch)
            stopped = killer.after(steps, partial(lab.arm, *planned, apply=False), for_good=for_good)
        assert {name: text for name, text in lab.files().items() if name[0] != "."} == OLD
        if lab.armed.holder() is not None:
            assert for_good or not stopped
            assert (lab.place / "timer").exists(), steps
            lab.fire()
            assert lab.armed.outcome("r1") == "rolled back"
            assert lab.files() == OLD, steps
        elif not for_good:
            assert lab.files() == OLD, steps
        lab.arm(*writes(lab), run_id="r2")
        lab.fire()
        assert lab.files() == OLD, steps
        assert lab.armed.outcome("r2") == "rolled back"
    assert steps > 25


def test_committing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, steps = True, -1
    while stopped:
        steps += 1
        lab = Lab(tmp_path / str(steps))
        lab.arm(*writes(lab))
        with monkeypatch.context() as patch:
            stopped = Killer(lab, patch).after(steps, partial(lab.armed.commit, "r1"))
        committed = lab.armed.outcome("r1") == "committed"
        assert committed or steps == 0
        lab.fire()
        shown = {name: text for name, text in lab.files().items() if name[0] != "."}
        assert shown == ({"kept": "new\n", "added": "new\n"} if committed else OLD)
        lab.arm(run_id="r2")
        assert not [name for name in lab.files() if name[0] == "."]
    assert steps > 5


def lines_to_die_after() -> list[int]:
    """Every line after which a command can stand."""
    found = []
    for number in range(len(LINES)):
        text = "".join([*LINES[: number + 1], "kill -9 $$\n", *LINES[number + 1 :]])
        if subprocess.run(["/bin/sh", "-n"], input=text, text=True, capture_output=True, check=False).returncode == 0:
            found.append(number)
    return found


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_going_back(lab: Lab, every: int) -> None:
    died = 0
    (lab.etc / "systemd").mkdir()
    for number in lines_to_die_after()[::every]:
        lab.arm(*writes(lab))
        deadly = "".join([*LINES[: number + 1], "kill -9 $$\n", *LINES[number + 1 :]])
        (lab.state / "deadly.sh").write_text(deadly)
        process = lab.script(name="deadly.sh")
        process.communicate()
        died += process.returncode == -9
        lab.fire()
        assert lab.files() == OLD, LINES[number]
        assert lab.armed.outcome("r1") == "rolled back"
        assert lab.told()[-1] == "reload-or-restart ssh.service"
        (lab.place / "told").unlink()
    assert died > 40 // every


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck on this machine")
def test_shellcheck(lab: Lab) -> None:
    lab.arm()
    subprocess.run(["shellcheck", str(lab.state / rollback.SCRIPT)], check=True)
