# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody can know beforehand: the host goes back by itself, and a correct run succeeds afterwards."""

from __future__ import annotations

import os
import time

import pytest
from conftest import Operator
from lockouthosts import DROPIN, SOON, Host, Record, kill

_PATIENCE = SOON + 15.0  # seconds until the host is back at the latest


def _correct_run_succeeds(host: Host) -> None:
    done = host.harden()
    assert not done["failed"] and done["changed"] and done["verified"], done
    assert not host.is_armed() and host.lets_in()
    again = host.harden()
    assert not again["failed"] and not again["changed"], again
    gone = host.harden(state="absent")
    assert not gone["failed"] and gone["changed"], gone


def test_a_correct_run_is_kept(host: Host) -> None:
    _correct_run_succeeds(host)


def test_a_new_login_that_fails(host: Host, record: Record) -> None:
    before, began = host.files(), time.monotonic()
    with host.closed():
        done = host.harden(rollback_after=60)
        went_back = host.files() == before and not host.is_armed()
    recovered = host.lets_in()
    record.add(
        "a new login fails", host.name, predicted=False,
        outcome="rolled back" if done.get("rolled_back") else "kept", recovered=recovered,
        seconds=time.monotonic() - began,
    )  # fmt: skip
    assert done["failed"] and not done["changed"] and done["rolled_back"], done
    assert "a new login with the new configuration failed" in done["msg"] and "was restored" in done["msg"]
    assert went_back and recovered
    _correct_run_succeeds(host)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "and the host restarted"])
def test_the_controller_is_killed(host: Host, operator: Operator, record: Record, restarted: bool) -> None:
    before, began = host.files(), time.monotonic()
    with host.closed(), host.controller(rollback_after=SOON if not restarted else 600) as run:
        assert operator.eventually(host.is_armed, 60)
        assert operator.eventually(lambda: host.files() != before, 10)
        kill(run)
    if restarted:
        operator.fleet("restart", host.name)
        assert host.files() == before and not host.is_armed()  # it went back before sshd came up
    else:
        host.eventually_back(before, _PATIENCE)
    recovered = operator.eventually(host.lets_in, 20)
    record.add(
        "controller killed between apply and commit" + (", host restarted" if restarted else ""), host.name,
        predicted=False, outcome="rolled back", recovered=recovered, seconds=time.monotonic() - began,
    )  # fmt: skip
    assert recovered
    _correct_run_succeeds(host)


def test_two_controllers(host: Host, operator: Operator, record: Record) -> None:
    before, began = host.files(), time.monotonic()
    with host.closed(), host.controller(rollback_after=30):
        assert operator.eventually(host.is_armed, 60)
        second = host.harden(profile="intermediate")
        shown = host.change(state="shown")
        over = host.change(state="rolled_back")
    recovered = host.lets_in()
    record.add(
        "two controllers at once", host.name, predicted=False, outcome="refused" if second["failed"] else "changed",
        recovered=recovered, seconds=time.monotonic() - began,
    )  # fmt: skip
    assert second["failed"] and "nothing was changed" in second["msg"] and shown["armed"]["run"] in second["msg"]
    assert not over["failed"] and host.files() == before and recovered


def test_the_operator_edits_meanwhile(host: Host, operator: Operator, record: Record) -> None:
    before, began = host.files(), time.monotonic()
    with host.closed(), host.controller() as run:
        assert operator.eventually(lambda: host.is_armed() and host.files() != before, 60)
        kill(run)
        host.shell(f"echo '# by hand' >> {DROPIN}")
        assert operator.eventually(lambda: not host.is_armed(), _PATIENCE)
        shown = host.change(state="shown")
    kept = host.shell(f"tail -n 1 {DROPIN}")
    host.shell(f"rm {DROPIN} && systemctl reset-failed ssh.service && systemctl restart ssh.service")
    recovered = operator.eventually(host.lets_in, 20)
    record.add(
        "an operator's edit during the armed time", host.name, predicted=False, outcome="left alone",
        recovered=recovered, seconds=time.monotonic() - began,
    )  # fmt: skip
    assert kept == "# by hand\n" and DROPIN in shown["result"], shown
    assert recovered


def test_a_disk_that_is_full(host: Host, record: Record) -> None:
    before, began = host.files(), time.monotonic()
    directory = os.path.dirname(DROPIN)
    host.shell(f"mount -t tmpfs -o size=4k tmpfs {directory} && echo x > {directory}/full")
    try:
        done = host.harden()
        left = host.shell(f"ls -A {directory}")
        armed = host.is_armed()
    finally:
        host.shell(f"umount {directory}")
    record.add(
        "disk full while writing", host.name, predicted=False, outcome="refused" if done["failed"] else "changed",
        recovered=host.lets_in(), seconds=time.monotonic() - began,
    )  # fmt: skip
    assert done["failed"] and "No space left" in done["msg"], done
    assert left == "full\n" and not armed
    assert host.files() == before


def test_the_privilege_separation_directory_is_missing(host: Host) -> None:
    host.come_in()
    host.shell("rm -rf /run/sshd")
    _correct_run_succeeds(host)
