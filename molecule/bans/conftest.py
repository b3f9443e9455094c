# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share: two hosts, what reaches them, and nobody banned afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from siege import ADDRESSES

ATTACKER, ATTACKER6 = "198.18.77.66", "2001:db8:77::66"
MANY, MANY6 = "198.18.77.64/26", "2001:db8:77::60/123"  # attacker and visitor, and neither server nor machine

# Tries every target at once; a connection that opens within the time is reached.
_REACH = """
import select, socket, sys, time
waiting = {}
for target in sys.argv[1:]:
    address, _space, port = target.partition(" ")
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setblocking(False)
    sock.connect_ex((address, int(port)))
    waiting[sock] = target
end = time.monotonic() + 1
while waiting and (left := end - time.monotonic()) > 0:
    for sock in select.select([], list(waiting), [], left)[1]:
        target = waiting.pop(sock)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            print(target)
"""


class Target:
    """One of the two hosts, seen by root on it and by the others."""

    def __init__(self, operator: Any, name: str) -> None:
        self.operator = operator
        self.name = name
        self.ipv4, self.ipv6 = ADDRESSES[name]

    def shell(self, *words: str) -> str:
        """What a command of root prints; it has to succeed."""
        done = self.operator.shell(self.name, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def script(self, text: str) -> str:
        """The same for lines of shell."""
        return self.shell("sh", "-euc", text)

    def ask(self, *words: str) -> Any:
        """The JSON answer of `stockade … --json`."""
        return self.operator.ask(self.name, *words)

    def module(self, module: str, **arguments: Any) -> dict[str, Any]:
        """The result of an ad-hoc module run."""
        found: dict[str, Any] = self.operator.adhoc(self.name, module, arguments)
        return found

    def reached(self, client: str, *ports: int) -> set[str]:
        """What a client reaches: "4 80" is port 80 over IPv4."""
        families = {"4": self.ipv4, "6": self.ipv6}
        wanted = {f"{address} {port}": f"{key} {port}" for key, address in families.items() for port in ports or (80,)}
        done = self.operator.shell(client, "python3", "-c", _REACH, *wanted)
        assert done.returncode == 0, done.stderr
        return {wanted[line] for line in done.stdout.splitlines()}

    def reaches(self, *targets: str) -> set[str]:
        """Which of these targets ("address port") the host itself reaches."""
        return set(self.shell("python3", "-c", _REACH, *targets).splitlines())


@pytest.fixture(params=list(ADDRESSES))
def target(operator: Any, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A host on which nobody of the test network is banned or whitelisted, before and after; each test on both."""
    found = Target(operator, request.param)
    yield found
    clean(found)


@pytest.fixture
def one(operator: Any) -> Iterator[Target]:
    """The same, for what does not depend on the distribution."""
    found = Target(operator, "web2")
    yield found
    clean(found)


def clean(target: Target) -> None:
    """Forget what a test may have left, in the warden and in fail2ban; the declared lists stay."""
    ours = f"{ATTACKER} {ATTACKER6} {MANY} {MANY6} 0.0.0.0/0 ::/0"
    target.script(
        f"stockade unban {ours}; stockade whitelist remove {ATTACKER} {ATTACKER6}"
        f"; if systemctl -q is-active fail2ban; then fail2ban-client unban {ATTACKER} {ATTACKER6}; fi"
    )
