# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of scenario report in one inventory, runs of report and audit, and everything that is on a host."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from conftest import FLEET, REPOSITORY, Operator

# web1 and gate are hardened, web2 has fail2ban only, plain has nothing; nobody answers at the address of lost.
HARDENED = ("web1", "gate")
REACHABLE = ("web1", "web2", "gate", "plain")
LOST = "198.18.77.99"
# What the runs wrote stays here, so that one can look at it.
PLACE = REPOSITORY / "build" / "report" / "scenario"
_ON_HOST = REPOSITORY / "molecule" / "report" / "onhost.py"


def inventory() -> Path:
    """The hosts of the scenario, and no others, in one file."""
    found: dict[str, Any] = {}
    for name in ("inventory.yml", "clients.yml"):
        known = yaml.safe_load((FLEET / name).read_text(encoding="utf-8"))["all"]
        shared, found = known["vars"], {**found, **known["hosts"]}
    hosts = {name: found[name] for name in REACHABLE}
    # Each task logs in anew: what a login leaves behind is no secret of the connection that an earlier run left open.
    shared["ansible_ssh_args"] = "-o ControlMaster=no -o ControlPath=none"
    hosts["lost"] = {"ansible_host": LOST, "ansible_ssh_timeout": 1}
    path = FLEET / "report.yml"
    path.write_text(yaml.safe_dump({"all": {"vars": shared, "hosts": hosts}}), encoding="utf-8")
    return path


class Run:
    """A run of a playbook: its exit status, what it printed, and what it did on each host."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.rc = done.returncode
        self.text = done.stdout + done.stderr
        recap = done.stdout.partition("PLAY RECAP")[2].splitlines()
        lines = [line.split(":", 1) for line in recap if " : " in line]
        self.recap = {
            name.strip(): {key: int(value) for key, _sign, value in (word.partition("=") for word in rest.split())}
            for name, rest in lines
        }

    def lines(self, *words: str) -> list[str]:
        """The lines that hold all of these texts."""
        return [line for line in self.text.splitlines() if all(word in line for word in words)]

    def line(self, *words: str) -> str:
        """The one line that holds all of these texts."""
        found = self.lines(*words)
        assert len(found) == 1, f"{words}: {found}\n{self.text}"
        return found[0].strip()


def play(operator: Operator, name: str, *arguments: str, **variables: Any) -> Run:
    """Report or audit of the scenario's hosts."""
    inventory()
    given = {"stockade_report_dir": str(PLACE), **variables}
    return Run(operator.playbook(name, "-e", json.dumps(given), *arguments, inventory="report.yml"))


def look(operator: Operator, host: str) -> dict[str, str]:
    """Everything that is on a host now."""
    done = operator.shell(host, "python3", "-c", _ON_HOST.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def snapshot(*hosts: str) -> None:
    """Remember units, rules, listeners, accounts and what sshd reads, for the fixture `differences`."""
    words = [sys.executable, str(REPOSITORY / "tests/fleet/snapshot.py"), "take", *hosts]
    subprocess.run(words, capture_output=True, timeout=120, check=True)


def changed(before: dict[str, str], after: dict[str, str]) -> Iterable[str]:
    """One line for each thing that came, went or changed."""
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, "-"), after.get(name, "-")
        if was != now:
            yield f"{name}: {was} => {now}"
