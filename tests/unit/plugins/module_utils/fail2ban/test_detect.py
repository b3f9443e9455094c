# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jails fitted to a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._detect import files, fit
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host as ssh_host


class Journal:
    """journalctl, with entries or without, or not there."""

    def __init__(self, *, there: bool = True, entry: bool = True) -> None:
        self.there, self.entry = there, entry
        self.asked: list[list[str]] = []

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        self.asked.append(argv)
        return (0, "one line\n", "") if self.entry else (1, "", "")

    def find(self, name: str) -> str | None:
        return "/usr/bin/" + name if self.there else None


def fitted(jail: dict[str, Any], journal: Journal | None = None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    journal = journal or Journal()
    return fit([{"name": "a", "enabled": True, **jail}], run=journal.run, find=journal.find)


@pytest.mark.parametrize(
    ("there", "entry", "file", "backend"),
    [
        (True, True, False, "systemd"),
        (True, True, True, "systemd"),  # an old auth.log that nobody writes any more
        (True, False, True, "auto"),
        (True, False, False, "systemd"),  # nothing has been logged yet
        (False, False, True, "auto"),
        (False, False, False, "auto"),  # which fail2ban refuses with the reason
    ],
)
def test_eh10_where_the_log_really_is(there: bool, entry: bool, file: bool, backend: str, tmp_path: Path) -> None:
    """EH10: Debian 12 has no auth.log; another host has one that nobody writes."""
    log = tmp_path / "auth.log"
    if file:
        log.touch()
    jail = {"backend": "detect", "logpath": [str(log)], "journalmatch": ["_COMM=sshd"]}
    [wanted], left_out = fitted(jail, Journal(there=there, entry=entry))
    assert not left_out
    kept, left = ("journalmatch", "logpath") if backend == "systemd" else ("logpath", "journalmatch")
    assert wanted["backend"] == backend and wanted[kept] == jail[kept] and wanted[left] is None


def test_alternatives_are_asked_for_as_alternatives(tmp_path: Path) -> None:
    journal, log = Journal(), tmp_path / "x"
    log.touch()
    fitted({"backend": "detect", "logpath": [str(log)], "journalmatch": ["_COMM=a PRIORITY=5", "_COMM=b"]}, journal)
    assert journal.asked[0][-5:] == ["--", "_COMM=a", "PRIORITY=5", "+", "_COMM=b"]


def test_detect_without_anything_to_look_for() -> None:
    with pytest.raises(StockadeError, match="jail 'a': backend detect needs logpath, or journalmatch and a journal"):
        fitted({"backend": "detect"})


def test_e12_ah26_a_jail_only_where_program_and_log_are(tmp_path: Path) -> None:
    """E12, AH26: a missing log would keep the whole of fail2ban from starting."""
    program, log = tmp_path / "nginx", tmp_path / "log" / "error.log"
    jail = {"if_present": [str(program)], "backend": "auto", "logpath": [str(tmp_path / "log" / "*error.log")]}
    assert fitted(jail) == ([], [{"name": "a", "reason": "none of these is there: %s" % program}])
    program.touch()
    assert fitted(jail) == ([], [{"name": "a", "reason": "no log is there: %s/log/*error.log" % tmp_path}])
    log.parent.mkdir()
    log.touch()
    [wanted], left_out = fitted(jail)
    assert "if_present" not in wanted and not left_out


def test_a_path_that_cannot_be_looked_for() -> None:
    with pytest.raises(StockadeError, match="write the path"):
        fitted({"if_present": ["/"], "logpath": ["%(nginx_error_log)s"]})
    [wanted], _skipped = fitted({"logpath": ["%(nginx_error_log)s"]})
    assert wanted["logpath"] == ["%(nginx_error_log)s"]


def test_a_jail_that_is_off_needs_nothing() -> None:
    [wanted], left_out = fitted({"enabled": False, "if_present": ["/nowhere"], "backend": "detect"})
    assert wanted == {"name": "a", "enabled": False} and not left_out


def test_files_as_fail2ban_looks_for_them(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    (tmp_path / "dangling.log").symlink_to(tmp_path / "gone")
    assert files(["%s/*.log tail" % tmp_path, "%s/a.log" % tmp_path]) == ["%s/a.log" % tmp_path]


class Daemon:
    """sshd with its files or its socket, or not there; systemd says which."""

    def __init__(self, *, socket: str = "", addresses: str = "", there: bool = True) -> None:
        self.socket, self.addresses, self.there = socket, addresses, there

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "systemctl":
            unit = "Id=ssh.socket\nLoadState=loaded\nActiveState=active\n" if self.socket else ""
            return 0, unit + "".join("Listen=%s (Stream)\n" % text for text in self.socket.split()), ""
        assert argv[:2] == ["/usr/sbin/sshd", "-T"]
        if not self.addresses:
            return 255, "", "bad line"
        return 0, "port 22\n" + "".join("listenaddress %s\n" % text for text in self.addresses.split()), ""

    def find(self, name: str) -> str | None:
        return "/usr/sbin/" + name if self.there else None


@pytest.fixture
def with_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_host.shutil, "which", lambda name, **_path: "/usr/bin/" + name)
    monkeypatch.setattr(ssh_host, "prepare_privsep_directory", lambda: None)


@pytest.mark.usefixtures("with_systemd")
@pytest.mark.parametrize(
    ("daemon", "ports"),
    [
        (Daemon(addresses="[::]:2200 0.0.0.0:2200 192.0.2.1:22"), ["80", "22", "2200"]),
        (Daemon(socket="[::]:2222 0.0.0.0:2222", addresses="0.0.0.0:22"), ["80", "2222"]),  # the socket listens
        (Daemon(socket="[::]:2222 0.0.0.0:2222"), ["80", "2222"]),  # sshd's files may be broken meanwhile
        (Daemon(there=False), ["80", "22"]),
    ],
)
def test_a47_eh13_a_port_that_only_the_host_knows(daemon: Daemon, ports: list[str]) -> None:
    """A47, EH13: bans count where sshd really listens, by its files or by its socket."""
    [wanted], _left_out = fit([{"name": "a", "port": ["80", "sshd", "80"]}], run=daemon.run, find=daemon.find)
    assert wanted["port"] == ports


@pytest.mark.usefixtures("with_systemd")
def test_an_sshd_that_does_not_tell_its_ports_is_an_error_where_it_is_asked() -> None:
    def of(jail: dict[str, Any]) -> dict[str, Any]:
        [wanted], _left_out = fit([{"name": "a", **jail}], run=Daemon().run, find=Daemon().find)
        return wanted

    with pytest.raises(StockadeError, match="jail 'a': cannot tell on which ports sshd listens, .*: .*bad line"):
        of({"port": ["sshd"]})
    assert of({"port": ["22", "ssh"]})["port"] == ["22", "ssh"]
    assert of({"port": ["sshd"], "enabled": False}) == {"name": "a", "enabled": False}


def test_a_match_that_is_none_is_named() -> None:
    with pytest.raises(StockadeError, match=r"jail 'a': journalmatch \"_COMM=it's\" cannot be read: No closing"):
        fitted({"backend": "detect", "journalmatch": ["_COMM=it's"]})
