# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that keeps knocking at hosts; and, as a program, while these hosts reboot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

FLEET = [sys.executable, str(Path(__file__).parents[2] / "tests" / "fleet" / "fleet.py")]
ADDRESSES = {"web1": ("198.18.77.11", "2001:db8:77::11"), "web2": ("198.18.77.12", "2001:db8:77::12")}
PORTS = (22, 80)

# Runs on the client until its standard input ends. A connection that opens is an answer, and so is an echo.
_KNOCK = r"""
import json, socket, subprocess, sys, threading

over, attempts, answers = threading.Event(), [], []

def connect(address, port):
    while not over.is_set():
        attempts.append(1)
        try:
            socket.create_connection((address, port), timeout=0.25).close()
            answers.append(f"TCP {address} port {port}")
        except TimeoutError:
            pass
        except OSError:
            over.wait(0.05)  # nobody is there at all

def echo(address):
    while not over.is_set():
        with subprocess.Popen(["ping", "-n", "-i", "0.02", address], stdout=subprocess.PIPE, text=True) as ping:
            threading.Thread(target=lambda: (over.wait(), ping.kill()), daemon=True).start()
            for line in ping.stdout:
                if " bytes from " in line:
                    answers.append(line.strip())
        over.wait(0.1)

addresses, ports, pinging = json.loads(sys.argv[1])
threads = [threading.Thread(target=connect, args=(a, p)) for a in addresses for p in ports for _copy in range(2)]
threads += [threading.Thread(target=echo, args=(address,)) for address in addresses if pinging]
for thread in threads:
    thread.start()
print("knocking", flush=True)
sys.stdin.read()
over.set()
for thread in threads:
    thread.join()
print(json.dumps({"attempts": len(attempts), "answers": answers[:20]}))
"""


class Siege:
    """While the context is open, a client tries to connect to every address of `hosts`; `result` holds what came."""

    def __init__(self, *hosts: str, client: str = "attacker", pinging: bool = True) -> None:
        addresses = [address for host in hosts for address in ADDRESSES[host]]
        wanted = json.dumps([addresses, PORTS, pinging])
        self._words = [*FLEET, "exec", client, "python3", "-c", _KNOCK, wanted]
        self.result: dict[str, Any] = {}

    def __enter__(self) -> Siege:
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "knocking\n", self._process.communicate()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        out, said = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, said
        self.result = json.loads(out)


def main() -> int:
    """Reboot the hosts under siege; what was answered goes into the file of the first argument."""
    # Not by echoes: a container's network is up before its systemd is, and nothing could refuse them then.
    with Siege(*ADDRESSES, pinging=False) as siege:
        subprocess.run([*FLEET, "restart", *ADDRESSES], check=True)
    Path(sys.argv[1]).write_text(json.dumps(siege.result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
