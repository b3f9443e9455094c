# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calling podman and other programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

from .definition import FLEET_DIR, FleetError

ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(FLEET_DIR / "containers.conf")}
_STARTED = time.monotonic()
_PRINTING = threading.Lock()


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    with _PRINTING:
        print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", flush=True)


def run(*command: str, check: bool = True, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal and return what it said.

    Raises FleetError if it is missing, takes longer than `timeout` seconds or, with `check`, exits non-zero.
    """
    try:
        done = subprocess.run(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise FleetError(f"{command[0]} is missing: install the packages in {FLEET_DIR / 'packages.txt'}") from error
    except subprocess.TimeoutExpired as error:
        raise FleetError(f"no answer within {timeout:.0f} s from: {' '.join(command)}") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise FleetError(f"exit code {done.returncode} from: {' '.join(command)}\n{said}")
    return done


def podman(*arguments: str, check: bool = True, timeout: float = 120.0) -> str:
    """Run podman with the fleet's containers.conf and return its standard output."""
    return run("podman", *arguments, check=check, timeout=timeout).stdout.strip()


def succeeds(*arguments: str) -> bool:
    """Whether this podman command exits 0."""
    return run("podman", *arguments, check=False).returncode == 0


def query(*arguments: str) -> list[dict[str, Any]]:
    """Run a podman command that prints JSON objects, as a list."""
    found = json.loads(podman(*arguments) or "[]")
    return found if isinstance(found, list) else [found]


def become_root() -> None:
    """Run this program again under sudo unless it already is root's."""
    if os.geteuid() != 0:
        kept = "--preserve-env=" + ",".join(name for name in os.environ if name.startswith("STOCKADE_FLEET_"))
        os.execvp("sudo", ["sudo", *([kept] if kept != "--preserve-env=" else []), sys.executable, *sys.argv])
