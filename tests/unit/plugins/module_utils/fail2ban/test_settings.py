# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of fail2ban's server, with a server that is played."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fail2banlab import written

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _daemon, _settings
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banRefused,
    Fail2banUnavailable,
)
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import Host
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import DAEMON, ManagedFiles

DEFAULTS: dict[str, Any] = {
    "loglevel": "INFO", "syslogsocket": "auto", "logtarget": "/var/log/fail2ban.log", "dbmaxmatches": 10,
    "dbpurgeage": 86400,
}  # fmt: skip


class Server:
    """fail2ban: its files, its socket and its service."""

    def __init__(self, etc: Path) -> None:
        self.etc = etc
        self.has: dict[str, Any] | None = dict(DEFAULTS)
        self.refusing = ""
        self.broken = False
        self.restarts = 0

    def configured(self, etc: Path) -> dict[str, str]:
        lines = [line for text in written(etc / "fail2ban.d").values() for line in text.splitlines() if " = " in line]
        return {**DEFAULTS, **dict(line.split(" = ") for line in lines)}

    # the command line
    def run(self, argv: list[str]) -> tuple[int, str, str]:
        if "-c" in argv and argv[0].endswith("python3"):
            job = json.loads(argv[-1])
            told = {"version": "1", "live": {}, "wanted": {"sshd": []}, "errors": [], "expected": {}, "reads": []}
            return 0, json.dumps({**told, "server": self.configured(Path(job["wanted"]))}), ""
        if argv[1] in ("restart", "start"):
            self.restarts += 1
            broken = self.broken and written(self.etc / "fail2ban.d")
            self.has = None if broken else self.configured(self.etc)
        if argv[1] == "is-active":
            return 0, "active\n" if self.has else "failed\n", ""
        return 0, "", ""

    # the socket
    def jails(self) -> list[str]:
        if self.has is None:
            raise Fail2banUnavailable("not running") from FileNotFoundError()
        return ["sshd"]

    def call(self, command: list[str], *, timeout: float | None = None) -> Any:
        assert self.has is not None
        if command[0] == "get":
            return self.has[command[1]]
        if command[1] == self.refusing:
            raise Fail2banRefused("fail2ban refused: boom", kind="ValueError")
        self.has[command[1]] = command[2]
        return command[2]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    etc = tmp_path / "etc"
    (etc / "fail2ban.d").mkdir(parents=True)
    (etc / "client").write_text("#!/usr/bin/python3\n")
    server = Server(etc)
    monkeypatch.setattr(_settings, "Fail2banClient", lambda: server)
    monkeypatch.setattr(ManagedFiles, "untidy", lambda self, name: False)
    monkeypatch.setattr(_daemon, "START_SECONDS", 1.0)
    return server


def converge(server: Server, *, check: bool = False, **params: Any) -> dict[str, Any]:
    host = Host(
        run=server.run,
        find=lambda name: str(server.etc / "client") if name == "fail2ban-client" else "/bin/" + name,
        config_dir=str(server.etc),
        scratch=str(server.etc.parent / "scratch"),
    )
    empty = dict.fromkeys(_settings.SETTINGS)
    wanted = _settings.Settings({**empty, "state": "present", "start": False, **params}, host)
    return wanted.converge(check=check, diff=False)


def test_what_the_server_takes_is_set_at_once(server: Server) -> None:
    told = converge(server, loglevel="NOTICE", dbpurgeage="30d")
    assert told["changed"] and not told["restarted"] and server.restarts == 0
    assert server.has == {**DEFAULTS, "loglevel": "NOTICE", "dbpurgeage": "30d"}
    text = DAEMON.header + "\n[Definition]\nloglevel = NOTICE\ndbpurgeage = 30d\n"
    assert written(server.etc / "fail2ban.d") == {"zz-stockade.local": text}
    assert not converge(server, loglevel="NOTICE", dbpurgeage="30d")["changed"]


def test_what_it_does_not_take_needs_a_restart(server: Server) -> None:
    assert converge(server, allowipv6="no", stacksize=64)["restarted"] and server.restarts == 1
    assert not converge(server, allowipv6="no", stacksize=64)["changed"]
    assert converge(server, allowipv6="no", stacksize=64, loglevel="ERROR")["restarted"] is False
    assert converge(server, state="absent")["restarted"] and server.restarts == 2


def test_check_mode_touches_nothing(server: Server) -> None:
    assert converge(server, check=True, loglevel="ERROR", dbfile="None")["changed"]
    assert written(server.etc / "fail2ban.d") == {} and server.has == DEFAULTS and server.restarts == 0


def test_a_level_that_somebody_set_by_hand_is_set_again(server: Server) -> None:
    converge(server, loglevel="NOTICE")
    assert server.has is not None
    server.has["loglevel"] = "DEBUG"
    assert converge(server, loglevel="NOTICE")["changed"] and server.has["loglevel"] == "NOTICE"


def test_a_refusal_takes_everything_back(server: Server) -> None:
    server.refusing = "dbpurgeage"
    with pytest.raises(StockadeError, match="boom; the file is as before"):
        converge(server, loglevel="NOTICE", dbpurgeage="30d")
    assert server.has == DEFAULTS and written(server.etc / "fail2ban.d") == {}


def test_a_restart_that_fails_is_followed_by_one_with_the_old_file(server: Server) -> None:
    server.broken = True
    with pytest.raises(StockadeError, match="the file is as before, and fail2ban runs as before"):
        converge(server, stacksize=64)
    assert server.has == DEFAULTS and server.restarts == 2


def test_a_server_that_is_down_is_left_down_unless_asked(server: Server) -> None:
    server.has = None
    assert converge(server, loglevel="NOTICE")["changed"] and server.restarts == 0
    assert converge(server, loglevel="NOTICE", start=True)["changed"] and server.restarts == 1


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "no setting is given"),
        ({"dbpurgeage": "xx"}, "dbpurgeage is 'xx': not a duration"),
        ({"dbpurgeage": "\u0661d"}, "not a duration"),
        ({"dbmaxmatches": -1}, "must not be negative"),
        ({"stacksize": 8}, "at least 32 KiB"),
        ({"logtarget": "relative.log"}, "neither one of STDOUT"),
        ({"logtarget": "/nowhere/at/all.log"}, "directory that exists"),
        ({"dbfile": "/nowhere/db"}, "neither None nor :memory:"),
        ({"syslogsocket": "a\nb"}, "control characters"),
    ],
)
def test_settings_that_cannot_be(server: Server, params: dict[str, Any], why: str) -> None:
    with pytest.raises(StockadeError, match=why):
        converge(server, **params)
    assert written(server.etc / "fail2ban.d") == {}


def test_a_target_with_options_is_the_same_the_next_time(server: Server) -> None:
    """fail2ban tells the target without its options, and takes others for this target only when it starts."""
    assert server.has is not None
    assert converge(server, logtarget="SYSLOG[facility=local0]")["restarted"]
    server.has["logtarget"] = "SYSLOG"
    assert not converge(server, logtarget="SYSLOG[facility=local0]")["changed"]
    assert converge(server, logtarget="SYSLOG[facility=local1]")["restarted"]
    assert server.restarts == 2


def test_what_a_server_without_database_does_not_tell_is_no_drift(server: Server) -> None:
    converge(server, dbfile="None", dbmaxmatches=5)
    assert server.has is not None
    server.has["dbmaxmatches"] = None
    assert not converge(server, dbfile="None", dbmaxmatches=5)["changed"]
