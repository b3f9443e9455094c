# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh-audit says from outside: its own policies for these distributions, and no algorithm that it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lockouthosts import ADDRESSES, CONTROLLER, HOSTS, Host

DEBIAN_12, DEBIAN_13 = ("web1",), ("web2", "gate")
SSH_AUDIT = str(Path(sys.executable).with_name("ssh-audit"))
SCANNER = "/etc/ssh/sshd_config.d/20-scanner.conf"
_KINDS = ("kex", "enc", "mac", "key")


def ssh_audit(*words: str) -> subprocess.CompletedProcess[str]:
    """One run of it. Without its measuring of how fast a host can be knocked at, which is about the machine."""
    command = [SSH_AUDIT, "--skip-rate-test", "--no-colors", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def newest(distribution: str) -> str:
    """The newest of the policies for a distribution."""
    names = re.findall(rf'"(Hardened {distribution} \(version (\d+)\))"', ssh_audit("-L").stdout)
    assert names
    return str(max(names, key=lambda name: int(name[1]))[0])


def failures(host: Host) -> list[str]:
    """The algorithms that ssh-audit marks as failures."""
    done = ssh_audit("-j", ADDRESSES[host.name][0])
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert all(report[kind] for kind in _KINDS), report
    return [one["algorithm"] for kind in _KINDS for one in report[kind] if one["notes"].get("fail")]


@pytest.fixture
def scanned(guest: Host) -> Iterator[Host]:
    """sshd from 9.8 on turns away who knocks that often and never logs in: the scanner is spared."""
    if guest.name in DEBIAN_13:
        guest.shell(f"echo 'PerSourcePenaltyExemptList {CONTROLLER}' > {SCANNER}")
        guest.reread()
    yield guest
    guest.shell(f"rm -f {SCANNER}")
    guest.reread()
    assert guest.lets_in()


@pytest.fixture
def passes(scanned: Host) -> Callable[[str], Any]:
    """Whether a policy's own verdict is good, with what ssh-audit said."""

    def check(distribution: str) -> tuple[bool, str]:
        done = ssh_audit("-P", newest(distribution), ADDRESSES[scanned.name][0])
        assert done.returncode in (0, 3), done.stdout + done.stderr  # 1: nobody answered
        return done.returncode == 0, done.stdout

    return check


@pytest.mark.parametrize("host", DEBIAN_13, indirect=True)
def test_pq_only_passes_the_policy_for_debian_13(scanned: Host, passes: Callable[[str], Any]) -> None:
    """And as the distribution made it, the host does not."""
    good, told = passes("Debian 13")
    assert not good and "Key exchanges did not match" in told, told

    done = scanned.harden(profile="pq_only")
    assert not done["failed"] and done["changed"], done
    good, told = passes("Debian 13")
    assert good, told


@pytest.mark.parametrize("host", DEBIAN_12, indirect=True)
def test_intermediate_passes_the_policy_for_debian_12(scanned: Host, passes: Callable[[str], Any]) -> None:
    """With the RSA host key of 4096 bits that it asks for. As the distribution made it, the host does not."""
    good, told = passes("Debian 12")
    assert not good and "Host key (rsa-sha2-512) sizes did not match" in told, told

    done = scanned.harden(profile="intermediate", host_key_rsa_bits=4096)
    assert not done["failed"] and done["changed"], done
    good, told = passes("Debian 12")
    assert good, told


@pytest.mark.parametrize("host", HOSTS, indirect=True)
def test_eh21_the_default_has_no_algorithm_that_fails(scanned: Host) -> None:
    """EH21, E15: as the distribution made it, the host has some."""
    assert failures(scanned)
    done = scanned.harden()
    assert not done["failed"] and done["changed"], done
    assert failures(scanned) == []
