# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every scenario's tests share: commands on the test hosts, and Ansible as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
FLEET = REPOSITORY / "build" / "fleet"
WEB1, WEB2, GATE, ATTACKER = "198.18.77.11", "198.18.77.12", "198.18.77.13", "198.18.77.66"


class Operator:
    """Somebody at the controller, with Ansible and a root shell on every host."""

    def shell(self, host: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as root on a host, past its network."""
        words = [sys.executable, str(REPOSITORY / "tests/fleet/fleet.py"), "exec", host, *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    def ask(self, host: str, *words: str) -> Any:
        """The JSON answer of `stockade … --json` on a host."""
        done = self.shell(host, "stockade", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def adhoc(
        self,
        host: str,
        module: str,
        arguments: dict[str, Any],
        *,
        become: bool = True,
        check: bool = False,
        inventory: str = "inventory.yml",
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The result of one ad-hoc module run, failed or not; its warnings are what Ansible shows of them."""
        words = ["ansible", "-i", str(FLEET / inventory), host, "-m", f"stockade.fleet.{module}"]
        words += ["-a", json.dumps(arguments)] if arguments else []
        words += ["-b"] if become else []
        words += ["--check"] if check else []
        words += ["-e", json.dumps(extra)] if extra else []
        done = subprocess.run(
            words,
            env={
                **os.environ,
                "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "COLUMNS": "10000",
            },
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        head, arrow, answer = done.stdout.partition(" => ")
        assert arrow, done.stdout + done.stderr
        warnings = [line for line in done.stderr.splitlines() if line.startswith("[WARNING]: ")]
        return {"failed": "FAILED" in head, **json.loads(answer), "warnings": warnings}

    def playbook(
        self, name: str, *arguments: str, inventory: str = "inventory.yml"
    ) -> subprocess.CompletedProcess[str]:
        """One run of a playbook of the checkout."""
        words = ["ansible-playbook", "-i", str(FLEET / inventory), f"playbooks/{name}", *arguments]
        return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)

    def fleet(self, *words: str) -> None:
        """One command of fleet.py."""
        command = [sys.executable, str(REPOSITORY / "tests/fleet/fleet.py"), *words]
        subprocess.run(command, capture_output=True, timeout=120, check=True)

    def status_code(self, client: str, address: str, port: int = 80) -> int:
        """What a client's HTTP request gets; 0 if no packet comes back within two seconds."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{port}/"
        done = self.shell(client, "curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url)
        return int(done.stdout.strip() or 0)

    def connects(self, client: str, address: str, port: int) -> bool:
        """Whether a TCP connection of a client is answered within two seconds."""
        return self.shell(client, "nc", "-z", "-w", "2", address, str(port)).returncode == 0

    def eventually(self, condition: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Whether the condition comes true before the deadline."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


@pytest.fixture(scope="session")
def operator() -> Operator:
    return Operator()


@pytest.fixture(scope="session")
def differences() -> Callable[..., list[str]]:
    """Every difference between the hosts now and before the scenario."""

    def compare(*hosts: str) -> list[str]:
        words = [sys.executable, str(REPOSITORY / "tests/fleet/snapshot.py"), "compare", *hosts]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return done.stdout.splitlines()

    return compare
