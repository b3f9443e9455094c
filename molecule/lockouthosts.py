# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose sshd is changed, and the record of what became of each case."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conftest import FLEET, REPOSITORY, Operator

RECORD = REPOSITORY / "build/lockout.json"
HOSTS = ("web1", "web2", "gate")  # Debian 12; Debian 13; Debian 13 with ssh.socket
ADDRESSES = {
    "web1": ("198.18.77.11", "2001:db8:77::11"),
    "web2": ("198.18.77.12", "2001:db8:77::12"),
    "gate": ("198.18.77.13", "2001:db8:77::13"),
}
DROPIN = "/etc/ssh/sshd_config.d/00-stockade.conf"
TOKEN = "/var/lib/stockade-ssh/token"
SOON = 10  # seconds, the shortest time that a host waits for a new login
# The open session of a controller goes on after that, and hides that nobody gets in any more.
_DENY = "account requisite pam_deny.so"
_PAM = "/etc/pam.d/sshd"


class Host:
    """One of the fleet's servers."""

    def __init__(self, operator: Operator, name: str) -> None:
        self.name = name
        self._operator = operator

    def shell(self, script: str, *, check: bool = True) -> str:
        """What a script of root's prints, past the network."""
        done = self._operator.shell(self.name, "sh", "-c", script)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def harden(self, *, check: bool = False, inventory_port: int | None = None, **arguments: Any) -> dict[str, Any]:
        """One run of the module. The host waits as short as it can."""
        more = {} if inventory_port is None else {"ansible_port": inventory_port}
        wanted = {"rollback_after": SOON, **arguments}
        return self._operator.adhoc(self.name, "ssh_hardening", wanted, check=check, extra=more)

    def ports(self) -> set[int]:
        """The ports on which sshd, or systemd for it, listens."""
        lines = self.shell("ss -Hltnp").splitlines()
        ours = [line for line in lines if '"sshd"' in line or '"systemd"' in line]
        return {int(line.split()[3].rpartition(":")[2]) for line in ours}

    def has(self, program: str) -> bool:
        """Whether a program is there."""
        return bool(self.shell(f"command -v {program}", check=False))

    def come_in(self) -> None:
        """Open the session that runs share for a minute."""
        assert not self.change(state="shown")["failed"]

    def change(self, **arguments: Any) -> dict[str, Any]:
        """One run of ssh_change."""
        return self._operator.adhoc(self.name, "ssh_change", arguments)

    def files(self) -> str:
        """All that sshd reads, as one text."""
        return self.shell(
            'cd /etc/ssh && for f in sshd_config sshd_config.d/*; do echo "== $f"; cat "$f"; done', check=False
        )

    def is_armed(self) -> bool:
        """Whether a change waits for its login."""
        return self._operator.shell(self.name, "test", "-e", TOKEN).returncode == 0

    def lets_in(self, port: int = 22) -> bool:
        """Whether a login that is really a new one gets in, with the means of the inventory, and becomes root."""
        words = ["ansible", "-i", str(FLEET / "inventory.yml"), self.name, "-b", "-m", "ansible.builtin.ping"]
        words += ["-e", f"ansible_port={port}"]
        options = "-o ControlMaster=no -o ControlPath=none -o ConnectTimeout=5"
        done = subprocess.run(
            [*words, f"--ssh-extra-args={options}"],
            env={**os.environ, "ANSIBLE_SSH_ARGS": options},
            cwd=REPOSITORY,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody new gets in meanwhile, for a reason that no configuration of sshd tells; one session is open."""
        self.come_in()
        self.shell(f"sed -i '1i {_DENY}' {_PAM}")
        try:
            yield
        finally:
            self.shell(f"sed -i '/^{_DENY}$/d' {_PAM}")

    @contextmanager
    def controller(self, **arguments: Any) -> Iterator[subprocess.Popen[str]]:
        """A run in the background, which is killed in the end if it still lives."""
        words = ["ansible", "-i", str(FLEET / "inventory.yml"), self.name, "-b", "-m", "stockade.fleet.ssh_hardening"]
        running = subprocess.Popen(
            [*words, "-a", json.dumps({"rollback_after": SOON, **arguments})],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield running
        finally:
            kill(running)
            running.wait(30)

    def eventually_back(self, before: str, seconds: float) -> float:
        """Seconds until the files are what they were and nothing waits any more."""
        began = time.monotonic()
        assert self._operator.eventually(lambda: not self.is_armed() and self.files() == before, seconds), self.files()
        return time.monotonic() - began


def kill(controller: subprocess.Popen[str]) -> None:
    """SIGKILL a run with everything it started: Ansible's workers have sessions of their own and would go on."""
    parents = {int(path.name): path for path in Path("/proc").iterdir() if path.name.isdigit()}
    children: dict[int, list[int]] = {}
    for pid, path in parents.items():
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(pid)
    doomed = [controller.pid] if controller.poll() is None else []
    for pid in doomed:
        doomed += children.get(pid, [])
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Record:
    """`build/lockout.json`: what became of each case."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def add(self, case: str, host: str, *, predicted: bool, outcome: str, recovered: bool, seconds: float) -> None:
        """One case. `outcome` is refused, rolled back, or warned."""
        row = {"case": case, "host": host, "predicted": predicted, "outcome": outcome, "recovered": recovered}
        self._rows.append({**row, "seconds": round(seconds, 1)})
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(self._rows, indent=1) + "\n")
