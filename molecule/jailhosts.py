# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts jail12 and jail13, and a client of its own for each test, so that tests do not count each other's
failures."""

from __future__ import annotations

import functools
import inspect
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import FLEET, REPOSITORY, Operator

ADDRESSES = {"jail12": ("198.18.77.21", "2001:db8:77::21"), "jail13": ("198.18.77.22", "2001:db8:77::22")}
CLIENTS = range(100, 250)
# Runs on a host as long as the tests do, so that a question does not cost a process of the container's each time. A
# request is a command, or questions to the socket of fail2ban's server.
_SHELL = """
import json, pickle, socket, subprocess, sys

END = b"<F2B_END_COMMAND>"

def run(words):
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=100
        )
    except subprocess.TimeoutExpired:
        return [124, "", "still running after 100 s"]
    return [done.returncode, done.stdout, done.stderr]

def ask(words):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect("/run/fail2ban/fail2ban.sock")
        sock.sendall(pickle.dumps(words, 2) + END)
        answer = b""
        while not answer.endswith(END):
            part = sock.recv(65536)
            if not part:
                raise OSError("fail2ban hung up")
            answer += part
    code, value = pickle.loads(answer[: -len(END)])
    return [code, value]

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = run(request["run"]) if "run" in request else [ask(words) for words in request["ask"]]
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer, default=str), flush=True)
"""


class Shell:
    """Root's shell on a host, past its network."""

    def __init__(self, host: str) -> None:
        words = [sys.executable, str(REPOSITORY / "tests/fleet/fleet.py"), "exec", host, "python3", "-c", _SHELL]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _request(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, dict):
            raise OSError(answer["error"])
        return answer

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        code, out, said = self._request({"run": words})
        return subprocess.CompletedProcess(words, code, out, said)

    def ask(self, *questions: list[str]) -> list[Any]:
        """What fail2ban's server answers to each question: error code and value. OSError if it does not answer."""
        found: list[Any] = self._request({"ask": questions})
        return found


@functools.cache
def shell(host: str, _whose: str) -> Shell:
    """One shell for each pair: two tests at once must not wait for each other."""
    return Shell(host)


_taking = threading.Lock()


def _number() -> int:
    """The next client's. They go round, across steps and runs: when one is back, hosts remember nothing of it."""
    with _taking:
        place = FLEET / "client"
        number = int(place.read_text()) if place.exists() else CLIENTS[0]
        place.write_text(str(number + 1 if number + 1 in CLIENTS else CLIENTS[0]))
        return number


class Client:
    """Somebody at the host `attacker`, who has addresses that no other test uses."""

    def __init__(self, whose: str, number: int) -> None:
        self._shell = shell("attacker", whose)
        self.ipv4, self.ipv6 = f"198.18.77.{number}", f"2001:db8:77::{number}"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the attacker's host."""
        return self._shell.run(*words)

    def request(self, target: Target, *paths: str, port: int = 80, family: int = 4, options: str = "") -> list[int]:
        """The status of each of these requests, in order; 0 for one that got no answer within two seconds."""
        own, its = (self.ipv4, target.ipv4) if family == 4 else (self.ipv6, f"[{target.ipv6}]")
        each = [f"curl -s -m 2 -g -o /dev/null -w '%{{http_code}}\\n' --interface {own} {options}"
                f" {shlex.quote(f'http://{its}:{port}{path}')}" for path in paths]  # fmt: skip
        return [int(line) for line in self.run("sh", "-c", "; ".join([*each, "true"])).stdout.split()]

    def reaches(self, target: Target, port: int = 80, family: int = 4) -> bool:
        """Whether a TCP connection is answered within a second."""
        own, its = (self.ipv4, target.ipv4) if family == 4 else (self.ipv6, target.ipv6)
        return self.run("nc", "-z", "-w", "1", "-s", own, its, str(port)).returncode == 0

    def greeting(self, target: Target, port: int = 22) -> str:
        """The first line of a server that speaks first; empty for one that hangs up or does not answer."""
        return self.run("sh", "-c", f"nc -d -w 3 -s {self.ipv4} {target.ipv4} {port} | head -n 1").stdout.strip()

    def login(self, target: Target, tries: int, *, user: str = "bob", port: int = 22) -> None:
        """Try a wrong password over SSH so many times, on one connection: sshd of Debian 13 delays the next one."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no"
        self.run(
            "sh",
            "-c",
            "printf '#!/bin/sh\\necho wrong\\n' >/run/askpass; chmod 755 /run/askpass;"
            f" SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=/run/askpass ssh {options} -b {self.ipv4} -p {port}"
            f" -o ConnectTimeout=3 -o NumberOfPasswordPrompts={tries} {user}@{target.ipv4} true",
        )

    def ftp(self, target: Target, *, user: str = "bob", password: str = "wrong", times: int = 1) -> str:
        """Log in by FTP so many times; what the server said to the last one."""
        words = f"curl -sv -m 8 --interface {self.ipv4} -u {user}:{password} ftp://{target.ipv4}/ 2>&1"
        return self.run("sh", "-c", f"for _n in $(seq {times}); do {words}; done | grep '^[<*]'").stdout


class Target:
    """One of the hosts, seen by root on it."""

    def __init__(self, operator: Operator, name: str) -> None:
        self.operator = operator
        self.name = name
        self.ipv4, self.ipv6 = ADDRESSES[name]
        self.old = name == "jail12"
        self._shell = shell(name, name)
        self.client = Client(name, _number())

    def shell(self, *words: str, check: bool = True) -> str:
        """What a command of root prints; it has to succeed."""
        done = self._shell.run(*words)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def script(self, text: str, *, check: bool = True) -> str:
        """The same for lines of shell."""
        return self.shell("sh", "-euc", text, check=check)

    def write(self, path: str, text: str) -> None:
        """Put a file on the host."""
        self.shell("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, text)

    def log(self, path: str, *lines: str) -> None:
        """Append lines with the time of now, as a program does."""
        self.shell(
            "python3",
            "-c",
            "import sys, time\nwith open(sys.argv[1], 'a') as file:\n for line in sys.argv[2:]:\n"
            "  print(time.strftime('%Y-%m-%d %H:%M:%S'), line, file=file)",
            path,
            *lines,
        )

    def socket(self, *questions: list[str]) -> list[Any]:
        """What fail2ban's server answers to each; it has to be no error."""
        said = self._shell.ask(*questions)
        assert all(code == 0 for code, _value in said), said
        return [value for _code, value in said]

    def jails(self) -> set[str]:
        """The names of the jails that run."""
        [status] = self.socket(["status"])
        return set(dict(status)["Jail list"].replace(",", " ").split())

    def get(self, jail: str, what: str) -> Any:
        """One property of a jail."""
        return self.socket(["get", jail, what])[0]

    def banned(self, jail: str, address: str = "") -> bool:
        """Whether a jail holds a client, by default this test's."""
        return (address or self.client.ipv4) in self.get(jail, "banned")

    def held(self) -> set[str]:
        """Whom the warden holds."""
        return {row["network"] for row in self.operator.ask(self.name, "bans", "--limit", "1000")["bans"]}

    def module(self, module: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """The result of an ad-hoc module run."""
        return self.operator.adhoc(self.name, module, arguments, inventory="jails.yml", check=check)

    def lift(self, *addresses: str) -> None:
        """Forget all bans of these addresses, by default of this test's client."""
        given = " ".join(addresses or (self.client.ipv4, self.client.ipv6))
        self.script(f"fail2ban-client unban {given} || true; stockade unban {given} || true")

    def eventually(self, condition: Callable[[], bool], seconds: float = 15.0) -> bool:
        """Whether the condition comes true before the deadline."""
        return self.operator.eventually(condition, seconds)


def both(check: Callable[..., None]) -> Callable[..., None]:
    """Make a test of a function of a host: it runs on both hosts at once, each time with a client of its own."""

    @functools.wraps(check)
    def test(**arguments: Any) -> None:
        operator = Operator()

        def on(name: str) -> Exception | None:
            target = Target(operator, name)
            try:
                if not target.client.reaches(target):  # fail2ban's memory of an earlier step, which a new jail restores
                    target.lift()
                check(target, **arguments)
            except Exception as error:
                error.add_note(f"on {name}, client {target.client.ipv4}")
                return error
            finally:
                target.lift()
            return None

        with ThreadPoolExecutor(max_workers=len(ADDRESSES)) as pool:
            found = [error for error in pool.map(on, ADDRESSES) if error]
        if len(found) > 1:
            raise ExceptionGroup("on both hosts", found)
        if found:
            raise found[0]

    # pytest looks at the signature for fixtures and parameters: all but the host are its business.
    del test.__wrapped__
    signature = inspect.signature(check)
    test.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return test


def clients(operator: Operator, *, there: bool) -> None:
    """Give the attacker the addresses of all clients, or take them away. They are nobody's choice unless asked for."""
    word, life = ("add", "nodad preferred_lft 0") if there else ("del", "")
    lines = [f"addr {word} 198.18.77.{number}/24 dev eth0" for number in CLIENTS]
    lines += [f"addr {word} 2001:db8:77::{number}/64 dev eth0 {life}" for number in CLIENTS]
    # -force: some may be there, or gone, after a run that was killed
    operator.shell("attacker", "sh", "-c", f"printf '%s\\n' {shlex.join(lines)} | ip -force -batch -")


@pytest.fixture(scope="session", autouse=True)
def many_clients(operator: Operator) -> Iterator[None]:
    """The attacker has many addresses while the tests of a scenario run whose conftest imports this."""
    clients(operator, there=True)
    yield
    clients(operator, there=False)


def role(*arguments: str, playbook: str, scenario: str = "fail2ban") -> subprocess.CompletedProcess[str]:
    """One run of a playbook of this scenario."""
    words = ["ansible-playbook", "-i", str(FLEET / "jails.yml"), f"molecule/{scenario}/{playbook}", *arguments]
    return subprocess.run(
        words, cwd=REPOSITORY, env=dict(os.environ), capture_output=True, text=True, timeout=300, check=False
    )
