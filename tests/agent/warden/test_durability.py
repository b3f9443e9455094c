# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was acknowledged is never lost: the real warden and its writers, killed at random moments under load."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wardenprocess import SOURCE, Machine, eventually, needs_machine, seeded
from wardenprocess import machine as new_machine

pytestmark = needs_machine

# Writes down what the warden acknowledged, and before an unban that the ban's fate is open from now on.
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stockade.client import Client, WardenUnavailable
path, log, kind, number = sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
client = Client(path, timeout=60)

def ask(op, **fields):
    while True:
        try:
            return client.call(op, **fields)
        except WardenUnavailable:
            client.close()

with open(log, "a", buffering=1) as written:
    while True:
        if kind == "batch":
            networks = [f"2001:db8:5::{number + part:x}" for part in range(5)]
            wanted = [{"network": net, "source": "fail2ban/sshd", "id": f"sshd:{net}"} for net in networks]
        else:
            networks = [f"198.{18 if kind == 'single' else 19}.{number >> 8}.{number & 255}"]
            wanted = [{"network": networks[0], "duration": "permanent", "reason": kind}]
        ask("ban", bans=wanted)
        written.write("".join(f"banned {network}\\n" for network in networks))
        if kind == "lifting" and number % 2:
            written.write(f"lifting {networks[0]}\\n")
            ask("unban", networks=networks)
            written.write(f"lifted {networks[0]}\\n")
        number += len(networks)
"""
KINDS = ("single", "batch", "lifting")
ROUNDS = [pytest.param(20, id="smoke"), pytest.param(200, id="campaign", marks=pytest.mark.slow)]


class Writer:
    """One process that bans without end, as fast as the warden answers."""

    def __init__(self, machine: Machine, log: Path, kind: str) -> None:
        self._words = [sys.executable, "-I", "-c", WRITER, str(SOURCE), machine.socket, str(log), kind]
        self._log = log
        self._kills = 0
        log.touch()
        self.start()

    def start(self) -> None:
        """Go on behind what was acknowledged and what each killed one may have asked for."""
        number = 1 + self.acknowledged() + 5 * self._kills
        self.process = subprocess.Popen([*self._words, str(number)], stderr=subprocess.PIPE, text=True)

    def kill(self) -> None:
        """SIGKILL; a writer that had ended by itself is a failure, with its own words."""
        self.process.kill()
        said = self.process.communicate()[1]
        self._kills += 1
        assert self.process.returncode == -signal.SIGKILL, said

    def acknowledged(self) -> int:
        """How many networks are banned by the warden's word."""
        return self._log.read_text().count("banned ")

    def fates(self) -> dict[str, str]:
        """The last acknowledged word about each network: banned, lifting, lifted."""
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        return {network: word for word, _space, network in (line.partition(" ") for line in whole)}


@pytest.fixture
def machine() -> Iterator[Machine]:
    with new_machine() as made:
        yield made


@pytest.fixture
def writers(machine: Machine, tmp_path: Path) -> Iterator[list[Writer]]:
    machine.start()
    started = [Writer(machine, tmp_path / kind, kind) for kind in KINDS]
    yield started
    for writer in started:
        if writer.process.poll() is None:
            writer.kill()


def fates(writers: list[Writer], word: str) -> set[str]:
    found: dict[str, str] = {}
    for writer in writers:
        found |= writer.fates()
    return {network for network, fate in found.items() if fate == word}


def acknowledged(writers: list[Writer]) -> int:
    return sum(writer.acknowledged() for writer in writers)


def check_recorded(machine: Machine, writers: list[Writer]) -> None:
    """While no warden runs: file and kernel hold what was acknowledged, and nothing that was lifted."""
    banned, lifted = fates(writers, "banned"), fates(writers, "lifted")
    rows = Counter(network for network, _source in machine.recorded())
    kernel = machine.kernel().keys()
    assert not banned - rows.keys(), "acknowledged and not in the registry"
    assert not banned - kernel, "acknowledged and not in the kernel"
    assert not lifted & rows.keys(), "lifted and still in the registry"
    assert not lifted & kernel, "lifted and still in the kernel"
    assert not [network for network, count in rows.items() if count > 1], "recorded twice"


def check_in_force(machine: Machine, writers: list[Writer]) -> None:
    """While the warden runs and nobody writes: it tells what was acknowledged, and the kernel holds what it tells.

    What the killed asked for last may still be carried out meanwhile.
    """
    assert eventually(lambda: machine.kernel().keys() == {row["network"] for row in machine.listed()})
    banned, lifted = fates(writers, "banned"), fates(writers, "lifted")
    told = Counter(row["network"] for row in machine.listed())
    assert not banned - told.keys()
    assert not lifted & told.keys()
    assert set(told.values()) == {1}
    assert machine.ask("status")["state"] == "enforcing"


def random_moment(chance: Random) -> None:
    """Wait a random time: the moment is what the test tries."""
    time.sleep(chance.uniform(0, 0.06))


@pytest.mark.parametrize("rounds", ROUNDS)
def test_ch10_a_killed_warden_loses_nothing_it_acknowledged(
    machine: Machine, writers: list[Writer], rounds: int
) -> None:
    """A13, CH10: what is called banned stays banned, whatever happens to the program."""
    chance = seeded()
    for number in range(rounds):
        before = acknowledged(writers)
        if number % 4:  # every fourth dies at some moment of its start
            assert eventually(lambda: acknowledged(writers) > before)  # noqa: B023
        random_moment(chance)
        machine.kill()
        check_recorded(machine, writers)
        machine.start(wait=bool((number + 1) % 4))
    assert eventually(lambda: machine.says("READY=1"))
    before = acknowledged(writers)
    assert eventually(lambda: acknowledged(writers) > before + 10)
    for writer in writers:
        writer.kill()
    check_in_force(machine, writers)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_killed_writers_leave_nothing_half_done(machine: Machine, writers: list[Writer], rounds: int) -> None:
    chance = seeded()
    for _number in range(rounds):
        before = acknowledged(writers)
        assert eventually(lambda: acknowledged(writers) > before)  # noqa: B023
        random_moment(chance)
        writer = chance.choice(writers)
        writer.kill()
        writer.start()
    for writer in writers:
        writer.kill()
    check_in_force(machine, writers)
    batches = Counter(row["network"] for row in machine.listed() if row["source"] == "fail2ban/sshd")
    assert len(batches) % 5 == 0, "a batch is one commit: all of it or nothing"
    machine.kill()
    check_recorded(machine, writers)


REQUESTS: list[dict[str, Any]] = [
    {"op": "ban", "bans": [{"network": "203.0.113.9"}]},
    {"op": "unban", "networks": ["203.0.113.9"]},
    {"op": "permanent_bans", "list": "scanners", "entries": [{"network": "203.0.113.10"}]},
    {"op": "whitelist_set", "entries": [{"network": "203.0.113.11"}]},
    {"op": "release"},
    {"op": "resume"},
]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_the_disk_has_it_before_the_answer_is_sent(machine: Machine, tmp_path: Path) -> None:
    machine.start()
    assert machine.warden is not None
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-y", "-s", "200", "-e", "trace=recvfrom,sendto,fdatasync,fsync", "-o", str(trace)]
    tracer = subprocess.Popen([*words, "-p", str(machine.warden.pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    if "attached" not in (said := tracer.stderr.readline()):
        tracer.wait()
        pytest.skip(f"this machine does not let strace attach: {said.strip()}")
    for request in REQUESTS:
        machine.ask(**request)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    calls = trace.read_text().splitlines()
    for request in REQUESTS:
        op = request["op"]
        asked = next(n for n, call in enumerate(calls) if "recvfrom(" in call and f'\\"op\\":\\"{op}\\"' in call)
        sent = next(n for n, call in enumerate(calls[asked:], asked) if "sendto(" in call and '\\"ok\\":true' in call)
        synced = [call for call in calls[asked:sent] if "sync(" in call and "registry.db" in call]
        assert synced and all(call.endswith("= 0") for call in synced), (op, calls[asked : sent + 1])
