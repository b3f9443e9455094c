# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose sshd is changed, and the record of what became of each case."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conftest import FLEET, REPOSITORY, Operator

RECORD = REPOSITORY / "build/lockout.json"
CONTROLLER = "198.18.77.1"  # the machine itself, as the hosts see it
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

    def reread(self) -> None:
        """Have sshd read its files; one that a socket started cannot bind anew, so the next connection starts it."""
        stop = "systemctl stop ssh.service; systemctl reset-failed ssh.service"
        self.shell(stop if self.name == "gate" else "systemctl reload ssh.service")

    def takes_a_correct_run(self) -> None:
        """What is right is done, is nothing to do the second time, and goes without a trace."""
        done = self.harden()
        assert not done["failed"] and done["changed"] and done["verified"], done
        assert not self.is_armed() and self.lets_in()
        again = self.harden()
        assert not again["failed"] and not again["changed"], again
        gone = self.harden(state="absent")
        assert not gone["failed"] and gone["changed"], gone

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
    def banned_controller(self) -> Iterator[None]:
        """The machine that runs Ansible is cut off: answers to it go nowhere."""
        self.shell(f"ip route add unreachable {CONTROLLER}/32")
        try:
            yield
        finally:
            self.shell(f"ip route del unreachable {CONTROLLER}/32")

    @contextmanager
    def penalties(self) -> Iterator[None]:
        """One wrong login is enough for sshd to refuse an address for half a minute."""
        foreign = "/etc/ssh/sshd_config.d/20-penalties.conf"
        self.shell(f"echo 'PerSourcePenalties authfail:30s min:1s' > {foreign}")
        try:
            self.reread()
            yield
        finally:  # with the files read anew, the penalties are forgotten as well
            self.shell(f"rm {foreign}")
            self.reread()

    @contextmanager
    def wrong_logins(self) -> Iterator[None]:
        """Meanwhile the machine that runs Ansible tries to log in with a key that nobody knows, again and again."""
        with tempfile.TemporaryDirectory() as folder:
            key = f"{folder}/wrong"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            over = threading.Event()
            words = ["ssh", "-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
            words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=2"]

            def attempts() -> None:
                while not over.wait(0.1):
                    subprocess.run(
                        [*words, f"operator@{ADDRESSES[self.name][0]}", "true"], capture_output=True, check=False
                    )

            threads = [threading.Thread(target=attempts) for _number in range(3)]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                over.set()
                for thread in threads:
                    thread.join()

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


@dataclass
class Outcome:
    """What became of one case: whether check mode said it, what happened, whether the old means got in afterwards."""

    predicted: bool = False
    outcome: str = "none"
    recovered: bool = False

    def of(self, done: dict[str, Any]) -> None:
        """Take the outcome from a module's result."""
        self.outcome = "rolled back" if done.get("rolled_back") else "refused" if done["failed"] else "kept"


class Record:
    """`build/lockout.json`: what became of each case."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    @contextmanager
    def case(self, name: str, host: Host) -> Iterator[Outcome]:
        """One case on one host; what stands in its outcome in the end is recorded, with the seconds it took."""
        began, found = time.monotonic(), Outcome()
        try:
            yield found
        finally:
            row = {"case": name, "host": host.name, **asdict(found), "seconds": round(time.monotonic() - began, 1)}
            self._rows.append(row)
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(json.dumps(self._rows, indent=1) + "\n")
