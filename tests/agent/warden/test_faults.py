# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full or broken, kernels that refuse, clocks that jump: the documented answer, and bans that hold."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv6Network
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from wardenprocess import GROUP, WARDEN_UID, Machine, eventually, needs_machine
from wardenprocess import machine as new_machine

from stockade.client import WardenUnavailable
from stockade.protocol import ProtocolError

pytestmark = needs_machine

NFT = "/usr/sbin/nft"
REFUSING = "#!/bin/sh\necho 'netlink: Error: cache initialization failed' >&2\nexit 1\n"


@pytest.fixture
def machine() -> Iterator[Machine]:
    with new_machine(state_size="16m") as made:
        yield made


def refusal(machine: Machine, *networks: str) -> str:
    """What the warden says to a ban of which one half is missing."""
    with pytest.raises(ProtocolError) as caught:
        machine.ban(*networks)
    assert caught.value.code == "unavailable", caught.value
    return str(caught.value)


def check_degraded(machine: Machine, word: str) -> None:
    """Status, its exit code and the unit's own line all say that something is wrong, and what."""
    status = machine.ask("status")
    assert status["state"] == "degraded"
    assert any(word in problem for problem in status["problems"]), status
    shown = machine.stockade("status")
    assert shown.returncode == 1
    assert word in shown.stdout
    assert eventually(lambda: machine.status_text().startswith("degraded: ")), machine.told


def check_recovers(machine: Machine) -> None:
    assert eventually(lambda: machine.ask("status")["state"] == "enforcing"), machine.ask("status")
    assert machine.ask("status")["problems"] == []
    assert machine.stockade("status").returncode == 0
    assert eventually(lambda: machine.status_text().startswith("enforcing"))


# the disk


def fill(machine: Machine) -> Path:
    """Leave no free byte where the registry is."""
    ballast = machine.state / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            while file.write(b"\0" * size) == size:
                pass
    return ballast


def unrecorded(machine: Machine) -> str:
    """Ban until the registry's last free page is used up; the first network that could not be recorded."""
    for number in range(256):
        try:
            machine.ban(f"203.0.113.{number}", reason="x" * 200)
        except ProtocolError as error:
            assert error.code == "unavailable"
            assert str(error).startswith("in force, NOT recorded: "), error
            return f"203.0.113.{number}"
    raise AssertionError("the disk never was full")


def test_on_a_full_disk_a_ban_is_in_force_and_said_not_to_be_recorded(machine: Machine) -> None:
    machine.start()
    machine.ban("198.51.100.99")
    ballast = fill(machine)
    network = unrecorded(machine)
    assert {network, "198.51.100.99"} <= machine.kernel().keys()
    assert network not in {row["network"] for row in machine.listed()}
    check_degraded(machine, "full")
    ballast.unlink()
    machine.ban(network)
    check_recovers(machine)
    machine.kill()
    assert (network, "operator") in machine.recorded()


def test_release_gets_everybody_out_on_a_full_disk(machine: Machine) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    fill(machine)
    unrecorded(machine)
    machine.stockade("release")
    assert machine.kernel() == {}


def test_a_full_disk_at_the_start_takes_no_ban_out_of_force(machine: Machine) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    machine.ban("198.51.100.99", duration="permanent")
    ballast = fill(machine)
    machine.kill()
    machine.run("nft", "flush", "ruleset")
    machine.start()
    assert machine.kernel().keys() == {"203.0.113.9", "198.51.100.99"}
    ballast.unlink()

    def recorded() -> bool:
        try:
            return bool(machine.ban("203.0.113.10"))
        except ProtocolError:
            return False

    assert eventually(recorded), "once there is room again nobody has to restart anything"
    check_recovers(machine)
    machine.kill()
    assert ("203.0.113.10", "operator") in machine.recorded()


def test_a_disk_that_is_read_only_at_the_start_takes_no_ban_out_of_force(machine: Machine) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    machine.kill()
    machine.run("nft", "flush", "ruleset")
    machine.run("mount", "-o", "remount,ro", "/var/lib/stockade")
    machine.start()
    assert machine.kernel().keys() == {"203.0.113.9"}
    assert refusal(machine, "203.0.113.10").startswith("in force, NOT recorded: ")
    assert "203.0.113.10" in machine.kernel()
    check_degraded(machine, "cannot be written")
    machine.run("mount", "-o", "remount,rw", "/var/lib/stockade")
    machine.kill()
    machine.start()
    machine.ban("203.0.113.10")
    check_recovers(machine)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_a_disk_that_fails_while_it_is_written(machine: Machine) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    assert machine.warden is not None
    size = (machine.state / "registry.db-wal").stat().st_size
    limit = ["setpriv", "--reuid", str(WARDEN_UID), "--regid", str(GROUP), "--clear-groups"]
    limit += ["prlimit", "--pid", str(machine.warden.pid)]
    subprocess.run([*limit, f"--fsize={size}:"], check=True)
    network = unrecorded(machine)
    assert {network, "203.0.113.9"} <= machine.kernel().keys()
    check_degraded(machine, "")
    subprocess.run([*limit, "--fsize=unlimited:"], check=True)
    machine.ban(network)
    check_recovers(machine)


# the registry's file

Damage = Callable[[Path], object]


def _overwrite(file: Path, first: float, last: float) -> None:
    """Noise over a part of the file."""
    size = file.stat().st_size
    with file.open("r+b") as content:
        content.seek(int(size * first) & ~4095)
        content.write(os.urandom(int(size * (last - first))))


DAMAGES: dict[str, Damage] = {
    "no database": lambda file: file.write_text("hello\n" * 1000),
    "header": lambda file: _overwrite(file, 0, 0.02),
    "pages": lambda file: _overwrite(file, 0.2, 0.9),
    "half": lambda file: os.truncate(file, file.stat().st_size // 2),
    "empty": lambda file: os.truncate(file, 0),
    "gone": lambda file: file.unlink(),
}


KEEP_COPY = """
import sys
from pathlib import Path
sys.path.insert(0, "/run/source")
from stockade.warden import recovery
from stockade.warden.registry import Registry
registry = Registry(recovery_path := Path("/var/lib/stockade/registry.db"))
registry.changed = True
recovery.keep_copy(registry, recovery_path.parent)
registry.close()
"""


def keep_copy(machine: Machine) -> None:
    """What the warden does once an hour, while none runs."""
    subprocess.run(machine.python("-c", KEEP_COPY, uid=WARDEN_UID), check=True)


def fill_registry(machine: Machine) -> set[str]:
    """Bans of every kind; their networks."""
    machine.ban(*(f"203.0.113.{number}" for number in range(100)), reason="x" * 100)
    machine.ban(*(f"2001:db8:5:{number:x}::/64" for number in range(100)), duration="permanent", source="fail2ban/sshd")
    listed = [{"network": f"198.18.{number}.0/24", "reason": "scanner"} for number in range(100)]
    machine.ask("permanent_bans", list="site", entries=listed)
    machine.ask("whitelist_set", list="site", entries=[{"network": "192.0.2.0/24", "comment": "office"}])
    return {row["network"] for row in machine.listed()}


def damages(*smoke: str) -> list[Any]:
    """Every damage, those not named only in the long campaign."""
    return [pytest.param(name, marks=() if name in smoke else pytest.mark.slow) for name in DAMAGES]


@pytest.mark.parametrize("damage", damages("no database", "pages", "empty"))
def test_ch10_a_damaged_registry_is_rebuilt_from_the_kernel(machine: Machine, damage: str) -> None:
    machine.start()
    banned = fill_registry(machine)
    before = machine.kernel()
    assert banned == before.keys() and len(banned) == 300
    assert machine.stop() == 0
    DAMAGES[damage](machine.state / "registry.db")
    machine.start()
    after = machine.kernel()
    assert after.keys() == banned
    assert {network for network, left in after.items() if left is None} == {
        network for network, left in before.items() if left is None
    }
    assert {row["network"] for row in machine.listed()} == banned
    assert machine.passes("192.0.2.0/24")
    status = machine.ask("status")
    assert status["state"] == "enforcing"
    assert any("rebuilt" in warning for warning in status["warnings"]), status
    if damage not in ("empty", "gone"):
        assert list(machine.state.glob("registry.db.corrupt-*")), "the damaged file is kept for whoever wants to look"
    machine.ban("203.0.113.200")
    machine.kill()
    machine.start()
    assert {row["network"] for row in machine.listed()} == banned | {"203.0.113.200"}


@pytest.mark.parametrize("damage", damages("half", "gone"))
def test_without_the_kernels_table_the_last_copy_is_taken(machine: Machine, damage: str) -> None:
    """After a reboot: what the copy knows is in force again, with who and why."""
    machine.start()
    banned = fill_registry(machine)
    rows = {(row["network"], row["source"], row["reason"]) for row in machine.listed()}
    assert machine.stop() == 0
    keep_copy(machine)
    DAMAGES[damage](machine.state / "registry.db")
    machine.run("nft", "flush", "ruleset")
    machine.start()
    assert machine.kernel().keys() == banned
    assert {(row["network"], row["source"], row["reason"]) for row in machine.listed()} == rows
    assert machine.passes("192.0.2.0/24")
    assert any("rebuilt" in warning for warning in machine.ask("status")["warnings"])


@pytest.mark.parametrize("damage", damages("header"))
def test_what_changed_after_the_copy_is_taken_from_the_kernel(machine: Machine, damage: str) -> None:
    """No acknowledged ban is lost, no whitelisted address refused, nothing lifted comes back."""
    machine.start()
    fill_registry(machine)
    assert machine.stop() == 0
    keep_copy(machine)
    machine.start()
    assert machine.ask("status")["copied_at"] is not None
    machine.ban("203.0.113.200", "198.51.100.96/27")
    machine.ask("unban", networks=["203.0.113.1"])
    machine.ask("whitelist_set", list="late", entries=[{"network": "198.51.100.99"}])
    before = {row["network"] for row in machine.listed()}
    assert machine.stop() == 0
    DAMAGES[damage](machine.state / "registry.db")
    machine.start()
    assert machine.kernel().keys() == before == {row["network"] for row in machine.listed()}
    assert machine.passes("192.0.2.0/24") and machine.passes("198.51.100.99")


def test_registry_and_copy_both_damaged_is_a_start_all_the_same(machine: Machine) -> None:
    machine.start()
    banned = fill_registry(machine)
    assert machine.stop() == 0
    for name in ("registry.db", "registry.copy.db"):
        (machine.state / name).write_bytes(os.urandom(8192))
        os.chown(machine.state / name, *((machine.state.stat().st_uid, machine.state.stat().st_gid)))
    machine.start()
    assert machine.kernel().keys() == banned
    machine.ban("203.0.113.200")


def test_pages_damaged_under_a_running_warden_take_no_ban_out_of_force(machine: Machine) -> None:
    machine.start()
    banned = fill_registry(machine)
    assert machine.stop() == 0
    machine.start()
    _overwrite(machine.state / "registry.db", 0.2, 0.9)
    assert machine.warden is not None
    for _attempt in range(3):
        try:
            machine.ban("203.0.113.200")
        except ProtocolError as error:
            assert error.code == "unavailable", error
        except WardenUnavailable:
            break
    assert banned <= machine.kernel().keys()
    if not machine.alive:  # it may ask for a new start, which systemd gives it
        assert machine.warden is not None and machine.warden.returncode == 1
        machine.start()
    assert banned <= machine.kernel().keys()
    machine.kill()
    machine.start()
    assert banned <= machine.kernel().keys()


@contextmanager
def copied(machine: Machine) -> Iterator[sqlite3.Connection]:
    """The registry's file on a way that SQLite can follow; what is committed goes back."""
    original = machine.state / "registry.db"
    with TemporaryDirectory() as directory:
        copy = shutil.copy(original, directory)
        with closing(sqlite3.connect(copy)) as registry:
            yield registry
        original.write_bytes(Path(copy).read_bytes())


def make_newer(machine: Machine) -> None:
    """The registry as an agent of the future leaves it: a column and a table more, a higher version."""
    with copied(machine) as registry:
        registry.execute("ALTER TABLE bans ADD COLUMN country TEXT")
        registry.execute("CREATE TABLE future (key TEXT)")
        registry.execute("PRAGMA user_version = 99")
        registry.commit()


def test_the_registry_of_a_newer_agent_is_enforced_and_not_changed(machine: Machine) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    machine.ask("whitelist_set", entries=[{"network": "192.0.2.7"}])
    assert machine.stop() == 0
    make_newer(machine)
    machine.run("nft", "flush", "ruleset")
    machine.start()
    assert machine.kernel().keys() == {"203.0.113.9"}
    assert machine.passes("192.0.2.7")
    assert "newer" in refusal(machine, "203.0.113.10")
    for op, fields in (("unban", {"all": True}), ("whitelist_set", {"prune": True}), ("permanent_bans", {})):
        with pytest.raises(ProtocolError) as caught:
            machine.ask(op, **fields)
        assert caught.value.code == "unavailable"
    assert "203.0.113.10" not in machine.kernel()
    status = machine.ask("status")
    assert status["state"] == "enforcing"
    assert any("newer" in warning for warning in status["warnings"])
    assert machine.stop() == 0
    with copied(machine) as registry:
        assert registry.execute("PRAGMA user_version").fetchone() == (99,)
        assert registry.execute("SELECT country FROM bans").fetchall() == [(None,)]
    assert not list(machine.state.glob("*corrupt*"))


# the kernel


MISSING = pytest.param(None, id="missing")
STUBBORN = pytest.param(REFUSING, id="refusing")
MISSING_SLOW = pytest.param(None, id="missing", marks=pytest.mark.slow)
STUBBORN_SLOW = pytest.param(REFUSING, id="refusing", marks=pytest.mark.slow)


@pytest.mark.parametrize("stand_in", [MISSING_SLOW, STUBBORN])
def test_ch12_without_nft_a_ban_is_recorded_and_said_not_to_be_in_force(machine: Machine, stand_in: str | None) -> None:
    """BH7, CH12: whether the program that enforces worked is looked at, and its absence ends nothing."""
    machine.start()
    machine.ban("203.0.113.9")
    machine.cover(NFT, stand_in)
    network = "198.51.100.96/28"  # of a length that the kernel has no set for yet
    assert refusal(machine, network).startswith("recorded, NOT in force: nft")
    assert {row["network"] for row in machine.listed()} == {"203.0.113.9", network}
    check_degraded(machine, "nft")
    assert refusal(machine, network).startswith("recorded, NOT in force: "), "asking again is no success"
    assert machine.kernel().keys() == {"203.0.113.9"}
    machine.uncover(NFT)
    check_recovers(machine)
    assert machine.kernel().keys() == {"203.0.113.9", network}


@pytest.mark.parametrize("stand_in", [MISSING, STUBBORN_SLOW])
def test_ch12_a_warden_starts_without_nft_and_is_loud(machine: Machine, stand_in: str | None) -> None:
    machine.start()
    machine.ban("203.0.113.9")
    machine.kill()
    machine.run("nft", "flush", "ruleset")
    machine.cover(NFT, stand_in)
    machine.start()
    check_degraded(machine, "nft")
    assert "nft" in machine.journal()
    assert [row["network"] for row in machine.listed()] == ["203.0.113.9"]
    machine.uncover(NFT)
    check_recovers(machine)
    assert machine.kernel().keys() == {"203.0.113.9"}


def test_without_the_capability_a_ban_is_recorded_and_said_not_to_be_in_force(machine: Machine) -> None:
    machine.start(capable=False)
    assert refusal(machine, "203.0.113.9").startswith("recorded, NOT in force: ")
    check_degraded(machine, "")
    machine.kill()
    machine.start()
    assert machine.kernel().keys() == {"203.0.113.9"}


def test_ten_thousand_at_once_fit_through_the_small_buffers_of_an_unprivileged_container() -> None:
    with new_machine(unprivileged=True) as machine:
        networks = [str(net) for net in islice(IPv6Network("2001:db8::/48").subnets(new_prefix=64), 10_000)]
        elements = ", ".join(network.partition("/")[0] for network in networks)
        script = machine.path("/run/at-once.nft")
        script.write_text(f"table inet t {{\nset s {{\ntype ipv6_addr\nelements = {{ {elements} }}\n}}\n}}\n")
        limits = machine.run("nft", "-f", "/run/at-once.nft", check=False)
        assert "too long" in limits.stderr, "this container's buffers are not small: nothing would be shown"
        machine.start()
        machine.ban("203.0.113.0/24")  # the kernel's set has to grow beside what is there
        assert machine.ban(*networks)["changed"]
        assert machine.kernel().keys() == {*networks, "203.0.113.0/24"}
        machine.run("nft", "flush", "ruleset")
        assert eventually(lambda: len(machine.kernel()) == 10_001), "drift is repaired in pieces as well"
        machine.ask("unban", all=True)
        assert machine.kernel() == {}


# the clock

CLOCK = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, id, now);
    FILE *file = id == CLOCK_REALTIME ? fopen("/run/clock", "r") : NULL;
    long offset = 0;
    if (file) { if (fscanf(file, "%ld", &offset) == 1) now->tv_sec += offset; fclose(file); }
    return done;
}
"""


@pytest.fixture(scope="module")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler to move one process's clock; test_core.py moves it in-process")
    directory = tmp_path_factory.mktemp("clock")
    library = directory / "clock.so"
    (directory / "clock.c").write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(directory / "clock.c")], check=True)
    return library


class Clock:
    """The wall clock of one warden."""

    def __init__(self, machine: Machine, library: Path) -> None:
        self._machine = machine
        shutil.copy(library, machine.path("/run/clock.so"))
        self.set(0)
        machine.start(preload="/run/clock.so")

    def set(self, offset: int) -> None:
        """Seconds beside the true time."""
        file = self._machine.path("/run/clock.new")
        file.write_text(str(offset))
        file.rename(self._machine.path("/run/clock"))


def test_a_clock_that_goes_back_an_hour_and_forth_again_moves_no_end(machine: Machine, clock_library: Path) -> None:
    clock = Clock(machine, clock_library)
    machine.ban("203.0.113.9", duration="2h")
    machine.ban("203.0.113.10", duration="permanent")
    end = machine.ask("bans", covering="203.0.113.9")["bans"][0]["expires_at"]
    for offset, left in ((-3600, 3 * 3600), (0, 2 * 3600), (3600, 3600), (0, 2 * 3600)):
        clock.set(offset)

        def follows(left: int = left) -> bool:
            held = machine.kernel()
            seconds = held.get("203.0.113.9")
            return held.get("203.0.113.10", 0) is None and seconds is not None and abs(seconds - left) < 60

        assert eventually(follows), (offset, machine.kernel())
        assert machine.ask("bans", covering="203.0.113.9")["bans"][0]["expires_at"] == end
        assert {row["network"] for row in machine.listed()} == {"203.0.113.9", "203.0.113.10"}


def test_a_ban_that_ended_stays_ended_and_one_that_runs_is_not_lost_by_a_step(
    machine: Machine, clock_library: Path
) -> None:
    clock = Clock(machine, clock_library)
    machine.ban("203.0.113.9", duration="30m")
    clock.set(3600)
    assert eventually(lambda: "203.0.113.9" not in machine.kernel())
    assert machine.listed() == []
    clock.set(0)  # the step was a mistake: the ban still has its half hour
    assert eventually(lambda: "203.0.113.9" in machine.kernel())
    machine.ask("unban", networks=["203.0.113.9"])
    clock.set(-3600)  # what was lifted does not come back
    assert eventually(lambda: machine.ask("status")["state"] == "enforcing")
    machine.ban("203.0.113.10")
    assert machine.kernel().keys() == {"203.0.113.10"}


def test_a_start_with_a_clock_that_is_behind_loses_nothing(machine: Machine, clock_library: Path) -> None:
    """A board without a battery boots in the past and is set right later."""
    clock = Clock(machine, clock_library)
    machine.ban("203.0.113.9", duration="2h")
    machine.ask("whitelist_set", entries=[{"network": "192.0.2.7", "duration": "2h"}])
    machine.kill()
    machine.run("nft", "flush", "ruleset")
    clock.set(-10 * 365 * 86400)
    machine.start(preload="/run/clock.so")
    assert machine.kernel().keys() == {"203.0.113.9"}
    clock.set(0)
    assert eventually(lambda: (machine.kernel()["203.0.113.9"] or 0) <= 7200)
    assert machine.passes("192.0.2.7")
