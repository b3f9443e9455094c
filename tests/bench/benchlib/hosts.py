# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the test fleet, as its operator reaches it and as root on it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent.parent
INVENTORY = REPOSITORY / "build/fleet/inventory.yml"
PLACE = "/var/tmp/stockade-bench"  # on the host, as what follows
PROGRAM = "/usr/local/bin/stockade"
ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".collections"),
    **os.environ,
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline",
}
BIN = Path(sys.executable).parent
_STARTED = time.monotonic()


class BenchError(Exception):
    """A measurement could not be made; the text says which and why."""


def say(text: str) -> None:
    """One line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def _run(*command: str, sent: bytes = b"", seconds: float = 1800.0, code: int = 0) -> str:
    try:
        done = subprocess.run(
            command, input=sent, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"no end within {seconds:.0f} s: {' '.join(command)[:300]}") from None
    said = done.stdout.decode(errors="replace")
    if done.returncode != code:
        raise BenchError(f"{' '.join(command)[:300]}:\n{(done.stderr.decode(errors='replace') or said)[-3000:]}")
    return said


class Host:
    """A host that runs, with this checkout's login key on it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def shell(self, *command: str, sent: bytes = b"") -> str:
        """What a command prints, run as root past the network. Raises BenchError if it fails."""
        return _run(sys.executable, "tests/fleet/fleet.py", "exec", self.name, *command, sent=sent)

    def installed(self) -> bool:
        """Whether it has the agent."""
        return self.shell("sh", "-c", f"test -e {PROGRAM} && echo yes || echo no").strip() == "yes"

    def place(self) -> None:
        """Put the measurements on the host."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted((BENCH / "onhost").glob("*.py")):
                archive.add(path, arcname=f"onhost/{path.name}")
        script = f"rm -rf {PLACE} && mkdir -m 0700 {PLACE} && tar -x -C {PLACE} --no-same-owner"
        self.shell("sh", "-c", script, sent=packed.getvalue())

    def displace(self) -> None:
        """Take them away."""
        self.shell("rm", "-rf", PLACE)

    def measure(self, name: str, **arguments: Any) -> Any:
        """The answer of one measurement made on the host itself, which ends with this call. Raises BenchError."""
        script = f'cd {PLACE} && echo $$ >running && exec python3 -B -m onhost "$1"'
        try:
            said = self.shell("sh", "-c", script, "sh", name, sent=json.dumps(arguments).encode())
        except BaseException:
            self._end_measurement()
            raise
        return json.loads(said)

    def _end_measurement(self) -> None:
        """If this end was interrupted, or does not wait any longer, the other one still runs: let it clean up."""
        alive = "grep -qz '^onhost$' /proc/$pid/cmdline"
        script = f"cd {PLACE} && pid=$(cat running) && {alive} || exit 0; kill $pid; while {alive}; do sleep 0.1; done"
        try:
            self.shell("sh", "-c", f"{{ {script}; }} 2>/dev/null")
        except BenchError as error:
            say(f"a measurement on {self.name} may still run: {error}")

    def play(self, playbook: str | Path, **variables: Any) -> str:
        """What one run on this host prints, of a playbook of the collection or another one. Raises BenchError."""
        words = [str(BIN / "ansible-playbook"), "-i", str(INVENTORY), "-l", self.name, "-e", json.dumps(variables)]
        return _run(*words, str(REPOSITORY / "playbooks" / playbook))

    def timed(self, module: str, arguments: str = "", *, fails: bool = False) -> tuple[float, dict[str, Any]]:
        """Seconds and result of one ad-hoc call, as an operator types it. Raises BenchError unless it does as told."""
        words = [str(BIN / "ansible"), "-i", str(INVENTORY), self.name, "-b", "-m", module]
        began = time.monotonic()
        said = _run(*words, *(("-a", arguments) if arguments else ()), code=2 if fails else 0)
        took = time.monotonic() - began
        line = next((line for line in said.splitlines() if " => " in line), "")
        if not line:
            raise BenchError(f"{module} on {self.name} says nothing: {said[-1000:]}")
        result: dict[str, Any] = json.loads(line.split(" => ", 1)[1])
        return took, result
