# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody can know beforehand: the host goes back by itself, and a correct run succeeds afterwards."""

from __future__ import annotations

import os

import pytest
from conftest import Operator
from lockouthosts import DROPIN, SOON, Host, Record, kill

_PATIENCE = SOON + 15.0  # seconds until the host is back at the latest


def test_a_correct_run_is_kept(host: Host) -> None:
    """A45, E19: a second login proves the change, and the first one was never needed."""
    host.takes_a_correct_run()


def test_a_new_login_that_fails(host: Host, record: Record) -> None:
    """A46, E17, AH29: the files of before are back, byte for byte."""
    before = host.files()
    with record.case("a new login fails", host) as case:
        with host.closed():
            done = host.harden(rollback_after=60)
            went_back = host.files() == before and not host.is_armed()
        case.of(done)
        case.recovered = host.lets_in()
    assert done["failed"] and not done["changed"] and done["rolled_back"], done
    assert "a new login with the new configuration failed" in done["msg"] and "was restored" in done["msg"]
    assert went_back and case.recovered
    host.takes_a_correct_run()


@pytest.mark.parametrize("restarted", [False, True], ids=["", "and the host restarted"])
def test_the_controller_is_killed(host: Host, operator: Operator, record: Record, restarted: bool) -> None:
    before = host.files()
    name = "controller killed between apply and commit" + (", host restarted" if restarted else "")
    with record.case(name, host) as case:
        with host.closed(), host.controller(rollback_after=SOON if not restarted else 600) as run:
            assert operator.eventually(host.is_armed, 60)
            assert operator.eventually(lambda: host.files() != before, 10)
            kill(run)
        if restarted:
            operator.fleet("restart", host.name)
            assert host.files() == before and not host.is_armed()  # it went back before sshd came up
        else:
            host.eventually_back(before, _PATIENCE)
        case.outcome = "rolled back"
        case.recovered = operator.eventually(host.lets_in, 20)
    assert case.recovered
    host.takes_a_correct_run()


def test_the_controller_is_banned(host: Host, operator: Operator, record: Record) -> None:
    """As fail2ban's action `route` bans: the open session is dead as well, so that only the host can go back."""
    before = host.files()
    with record.case("controller banned during the change", host) as case:
        with host.closed(), host.controller() as run:
            assert operator.eventually(lambda: host.is_armed() and host.files() != before, 60)
            with host.banned_controller():
                host.eventually_back(before, _PATIENCE)
                kill(run)
        case.outcome = "rolled back"
        case.recovered = operator.eventually(host.lets_in, 20)
    assert case.recovered
    host.takes_a_correct_run()


def test_the_controller_is_penalised(host: Host, operator: Operator, record: Record) -> None:
    """sshd forgets its penalties when it reads its files anew, so the login races with whoever earns new ones."""
    if host.name == "web1":
        pytest.skip("OpenSSH 9.2 has no penalties")
    with record.case("controller penalised during the change", host) as case:
        with host.penalties():
            before = host.files()
            host.come_in()
            with host.wrong_logins():
                assert operator.eventually(lambda: not host.lets_in(), 20)
                done = host.harden()
            case.of(done)
            assert done.get("rolled_back") or done.get("verified"), done
            if done["failed"]:
                host.eventually_back(before, _PATIENCE)
        case.recovered = operator.eventually(host.lets_in, 20)
    gone = host.harden(state="absent")
    assert not gone["failed"] and case.recovered, gone
    host.takes_a_correct_run()


def test_two_controllers(host: Host, operator: Operator, record: Record) -> None:
    before = host.files()
    with record.case("two controllers at once", host) as case:
        with host.closed(), host.controller(rollback_after=30):
            assert operator.eventually(host.is_armed, 60)
            second = host.harden(profile="intermediate")
            shown = host.change(state="shown")
            over = host.change(state="rolled_back")
        case.of(second)
        case.recovered = host.lets_in()
    assert second["failed"] and "nothing was changed" in second["msg"] and shown["armed"]["run"] in second["msg"]
    assert not over["failed"] and host.files() == before and case.recovered


def test_the_operator_edits_meanwhile(host: Host, operator: Operator, record: Record) -> None:
    before = host.files()
    with record.case("an operator's edit during the armed time", host) as case:
        with host.closed(), host.controller() as run:
            assert operator.eventually(lambda: host.is_armed() and host.files() != before, 60)
            kill(run)
            host.shell(f"echo '# by hand' >> {DROPIN}")
            assert operator.eventually(lambda: not host.is_armed(), _PATIENCE)
            shown = host.change(state="shown")
        kept = host.shell(f"tail -n 1 {DROPIN}")
        host.shell(f"rm {DROPIN} && systemctl reset-failed ssh.service && systemctl restart ssh.service")
        case.outcome = "left alone"
        case.recovered = operator.eventually(host.lets_in, 20)
    assert kept == "# by hand\n" and DROPIN in shown["result"], shown
    assert case.recovered


def test_a_disk_that_is_full(host: Host, record: Record) -> None:
    before = host.files()
    directory = os.path.dirname(DROPIN)
    with record.case("disk full while writing", host) as case:
        host.shell(f"mount -t tmpfs -o size=4k tmpfs {directory} && echo x > {directory}/full")
        try:
            done = host.harden()
            left = host.shell(f"ls -A {directory}")
            armed = host.is_armed()
        finally:
            host.shell(f"umount {directory}")
        case.of(done)
        case.recovered = host.lets_in()
    assert done["failed"] and "No space left" in done["msg"], done
    assert left == "full\n" and not armed
    assert host.files() == before and case.recovered


def test_the_privilege_separation_directory_is_missing(host: Host, record: Record) -> None:
    with record.case("/run/sshd missing", host) as case:
        host.come_in()
        host.shell("rm -rf /run/sshd")
        host.takes_a_correct_run()
        case.outcome = "kept"
        case.recovered = host.lets_in()
    assert case.recovered


def test_without_sftp(host: Host, record: Record) -> None:
    """Ansible has another way to send files, so this is no reason to refuse; it is said."""
    host.come_in()
    with record.case("sftp removed", host) as case:
        host.shell("sed -i 's/^Subsystem/#Subsystem/' /etc/ssh/sshd_config")
        try:
            host.reread()
            predicted, done = host.harden(check=True), host.harden()
            gone = host.harden(state="absent")
        finally:
            host.shell("sed -i 's/^#Subsystem/Subsystem/' /etc/ssh/sshd_config")
            host.reread()
        case.predicted = "no Subsystem sftp" in str(predicted.get("warnings"))
        case.of(done)
        case.recovered = host.lets_in()
    assert case.predicted and predicted["changed"], predicted
    assert not done["failed"] and done["verified"] and not gone["failed"], (done, gone)
    assert case.recovered
    host.takes_a_correct_run()
