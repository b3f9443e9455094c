# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, preflight, application and the way back, with a server that is played."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _daemon, _jails, _judge
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banRefused
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import HEADER, ManagedFiles

Commands = list[list[Any]]


def jail(name: str, *, action: str = "nftables", backend: str = "systemd", regexes: int = 1) -> Commands:
    """What fail2ban's reader makes of a jail."""
    commands: Commands = [["add", name, backend]]
    commands += [["set", name, "addfailregex", "^x <HOST>$"]] * regexes
    return [*commands, ["set", name, "addaction", action]]


class Host:
    """fail2ban as its command line, its socket and its service show it."""

    def __init__(self, configured: dict[str, Commands], tmp: Path) -> None:
        self.configured = configured  # what a reload reads
        self.jails: dict[str, Commands] | None = dict(configured)
        self.ran: list[str] = []
        self.broken: set[str] = set()
        self.vanishing: set[str] = set()
        self.clock = 0.0
        played: Any = self
        self.daemon = _daemon.Daemon(
            self.run, client=played, command="f2b", config_dir=str(tmp), systemctl="systemctl", sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        self.ran.append(" ".join(argv[3:]) if argv[0] == "f2b" else " ".join(argv))
        if argv[0] == "f2b":
            name = argv[-1]
            assert self.jails is not None
            if name in self.broken:
                self.jails.pop(name, None)  # as fail2ban does
                return 255, "", "ERROR  NOK: ('boom',)"
            self.jails[name] = self.configured[name]
            for gone in self.vanishing:
                self.jails.pop(gone, None)
        if argv[1:] == ["start", "fail2ban.service"]:
            self.jails = None if self.broken else dict(self.configured)
        if argv[1] == "is-active":
            return 0, "failed\n" if self.jails is None else "active\n", ""
        if argv[0] == "journalctl":
            return 0, "ERROR  Failed during configuration: boom", ""
        return 0, "", ""

    def jails_(self) -> list[str]:
        return sorted(self.jails or {})

    def call(self, command: list[str], *, timeout: float | None = None) -> Any:
        assert self.jails is not None
        name = command[1]
        if name not in self.jails:
            raise Fail2banRefused("no such jail", kind="UnknownJailException")
        if command[0] == "stop":
            self.ran.append("stop " + name)
            del self.jails[name]
            return None
        if command[2] == "actions":
            return sorted(_judge.actions(self.jails[name]))
        return ["x"] * _judge.regexes(self.jails[name])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(_daemon, "SETTLE_SECONDS", 0.0)
    host = Host({"a": jail("a"), "b": jail("b")}, tmp_path)
    monkeypatch.setattr(host.daemon, "running", lambda: None if host.jails is None else host.jails_())
    monkeypatch.setattr(_daemon.Daemon.settle, "__kwdefaults__", {"seconds": 0.0})
    return host


def verdict(*, live: dict[str, Commands], wanted: dict[str, Commands]) -> _judge.Verdict:
    return _judge.Verdict({"version": "1.1.0", "live": live, "wanted": wanted, "errors": []})


def plan(tmp_path: Path, *jails: dict[str, Any], absent: bool = False, prune: bool = False) -> _jails.Plan:
    return _jails.Plan(ManagedFiles(str(tmp_path)), list(jails), absent=absent, prune=prune)


def written(tmp_path: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in tmp_path.iterdir()}


# -- plan and files


def test_plan_writes_and_then_finds_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ManagedFiles, "untidy", lambda self, name: False)
    first = plan(tmp_path, {"name": "a", "enabled": True})
    assert first.diff()[0]["after"] == HEADER + "\n[a]\nenabled = true\n"
    first.files.apply(first.changes)
    assert written(tmp_path) == {"zz-stockade-a.local": HEADER + "\n[a]\nenabled = true\n"}
    assert (tmp_path / "zz-stockade-a.local").stat().st_mode & 0o7777 == 0o644
    assert plan(tmp_path, {"name": "a", "enabled": True}).changes == {}


def test_prune_takes_only_ours(tmp_path: Path) -> None:
    for name in ("zz-stockade-old.local", "zz-stockade-older.local"):
        (tmp_path / name).write_text(HEADER + "\n[x]\n")
    (tmp_path / "defaults-debian.conf").write_text("[sshd]\nenabled = true\n")
    assert plan(tmp_path).changes == {}
    assert plan(tmp_path, {"name": "old"}, absent=True).changes == {"old": None}
    pruned = plan(tmp_path, prune=True)
    pruned.files.apply(pruned.changes)
    assert list(written(tmp_path)) == ["defaults-debian.conf"]


def test_the_file_of_the_whitelist_is_no_jail(tmp_path: Path) -> None:
    (tmp_path / "zz-stockade-ignoreip.local").write_text("# Managed by stockade.fleet.whitelist\n[DEFAULT]\n")
    assert plan(tmp_path, prune=True).changes == {}
    with pytest.raises(StockadeError, match="belongs to the whitelist"):
        plan(tmp_path, {"name": "ignoreip"})


def test_a_file_of_somebody_else_under_our_name(tmp_path: Path) -> None:
    (tmp_path / "zz-stockade-a.local").write_text("[a]\nenabled = true\n")
    with pytest.raises(StockadeError, match="is not ours"):
        plan(tmp_path, {"name": "a"})
    (tmp_path / "zz-stockade-a.local").unlink()
    (tmp_path / "zz-stockade-a.local").symlink_to("/etc/passwd")
    with pytest.raises(StockadeError, match="no regular file"):
        plan(tmp_path, {"name": "a"})


def test_one_jail_twice(tmp_path: Path) -> None:
    with pytest.raises(StockadeError, match="jail a is declared twice"):
        plan(tmp_path, {"name": "a"}, {"name": "a"})


def test_wrong_mode_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "zz-stockade-a.local"
    path.write_text(HEADER + "\n[a]\n")
    path.chmod(0o600)
    assert list(plan(tmp_path, {"name": "a"}).changes) == ["a"]


# -- application


def test_only_what_changed_is_loaded(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    told = _jails.apply(
        plan(tmp_path, {"name": "a"}), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert host.ran == ["reload --if-exists a"]
    assert told == {"reloaded": ["a"], "stopped": [], "started": False, "jails": ["a", "b"]}


def test_a_new_action_needs_a_restart_of_the_jail(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", action="stockade")
    _jails.apply(
        plan(tmp_path, {"name": "a"}), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert host.ran == ["reload --if-exists --restart a"]


def test_a_jail_that_lost_its_action_is_repaired(tmp_path: Path, host: Host) -> None:
    assert host.jails is not None
    host.jails["a"] = host.jails["a"][:-1]
    unchanged = plan(tmp_path, {"name": "a", "enabled": True})
    assert _jails.drifted(unchanged, host.daemon, ["a", "b"])
    same = verdict(live=host.configured, wanted=host.configured)
    told = _jails.apply(unchanged, same, host.daemon, running=["a", "b"])
    assert told["reloaded"] == ["a"]
    assert not _jails.drifted(unchanged, host.daemon, ["a", "b"])


def test_removed_jails_stop_and_foreign_ones_stay(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    del host.configured["a"]
    assert host.jails is not None
    host.jails["by-hand"] = jail("by-hand")
    told = _jails.apply(
        plan(tmp_path), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b", "by-hand"]
    )
    assert told["stopped"] == ["a"]
    assert told["jails"] == ["b", "by-hand"]


def test_a_jail_that_does_not_load_is_taken_back(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["new"] = jail("new")
    host.broken = {"new"}
    with pytest.raises(StockadeError, match=r"did not load jail new: NOK: \('boom',\); files and jails are as before"):
        _jails.apply(
            plan(tmp_path, {"name": "new"}), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
        )
    assert written(tmp_path) == {}
    assert host.jails_() == ["a", "b"]


def test_an_existing_jail_that_breaks_comes_back_with_its_old_file(tmp_path: Path, host: Host) -> None:
    old = HEADER + "\n[a]\nmaxretry = 9\n"
    (tmp_path / "zz-stockade-a.local").write_text(old)
    live = dict(host.configured)
    host.configured["a"] = jail("a", action="boom")
    host.broken = {"a"}
    run = host.run

    def mended(argv: list[str]) -> tuple[int, str, str]:
        if (tmp_path / "zz-stockade-a.local").read_text() == old:  # what is read at that moment
            host.broken, host.configured = set(), live
        return run(argv)

    host.daemon._run = mended
    with pytest.raises(StockadeError, match="files and jails are as before"):
        _jails.apply(
            plan(tmp_path, {"name": "a"}),
            verdict(live=live, wanted=dict(host.configured)),
            host.daemon,
            running=["a", "b"],
        )
    assert written(tmp_path) == {"zz-stockade-a.local": old}
    assert host.jails == live


def test_another_jail_that_vanishes_is_noticed_and_brought_back(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    host.vanishing = {"b"}
    run = host.run

    def once(argv: list[str]) -> tuple[int, str, str]:
        if not written(tmp_path):  # what is read once the file is gone again
            host.configured = live
        answer = run(argv)
        host.vanishing = set()
        return answer

    host.daemon._run = once
    with pytest.raises(StockadeError, match="b does not run; files and jails are as before"):
        _jails.apply(
            plan(tmp_path, {"name": "a"}), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
        )
    assert host.jails == live


def test_what_cannot_be_brought_back_is_said(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    host.broken = {"a"}
    with pytest.raises(StockadeError, match="the files are as before, but fail2ban is not: .*fail2ban-client status"):
        _jails.apply(
            plan(tmp_path, {"name": "a"}), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
        )


def test_start_of_a_server_that_is_down(tmp_path: Path, host: Host) -> None:
    host.jails = None
    told = _jails.apply(
        plan(tmp_path, {"name": "a"}), verdict(live={}, wanted=host.configured), host.daemon, running=None
    )
    assert told == {"reloaded": [], "stopped": [], "started": True, "jails": ["a", "b"]}
    assert "systemctl start fail2ban.service" in host.ran


def test_a_server_that_does_not_stay_up(tmp_path: Path, host: Host) -> None:
    host.jails = None
    host.broken = {"a"}
    with pytest.raises(
        StockadeError, match=r"did not stay up \(failed\): Failed during configuration: boom; the files"
    ):
        _jails.apply(plan(tmp_path, {"name": "a"}), verdict(live={}, wanted=host.configured), host.daemon, running=None)
    assert written(tmp_path) == {}


# -- preflight


class Tried:
    """Answers fail2ban-client -t and the judge; looks into the copy while it exists."""

    def __init__(self, *, told: dict[str, Any] | None = None, test: tuple[int, str, str] = (0, "OK", "")) -> None:
        self.told = {"version": "1", "live": {}, "wanted": {}, "errors": [], **(told or {})}
        self.test = test
        self.seen: dict[str, str] = {}

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[-1] == "-t":
            shadow = argv[2]
            assert Path(shadow).parent.stat().st_mode & 0o7777 == 0o700
            self.seen = written(Path(shadow) / "jail.d")
            return self.test[0], self.test[1], self.test[2].replace("SHADOW", shadow)
        return 0, "noise\n" + json.dumps(self.told) + "\n", ""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    (etc / "jail.d").mkdir(parents=True)
    (etc / "jail.conf").write_text("[DEFAULT]\n")
    (etc / "client").write_text("#! /usr/bin/python3\n")
    return etc


def preflight(etc: Path, run: Tried, **options: Any) -> _judge.Verdict:
    declared = plan(etc / "jail.d", {"name": "a", "enabled": True, **options})
    scratch = str(etc.parent / "scratch")
    try:
        return _jails.preflight(
            declared, run=run, client=str(etc / "client"), config_dir=str(etc), scratch=scratch
        )  # fmt: skip
    finally:
        assert not os.path.exists(scratch)
        assert written(etc / "jail.d") == {}


def test_preflight_tries_a_copy(etc: Path) -> None:
    run = Tried(told={"wanted": {"a": jail("a")}})
    assert preflight(etc, run).changed() == {"a"}
    assert run.seen == {"zz-stockade-a.local": HEADER + "\n[a]\nenabled = true\n"}


def test_preflight_says_what_fail2ban_says(etc: Path) -> None:
    run = Tried(test=(255, "", "2026 fail2ban [1]: ERROR   No file SHADOW/x\nERROR: test configuration failed\n"))
    with pytest.raises(_jails.Refused, match="nothing was changed: No file %s/x$" % etc):
        preflight(etc, run)


def test_preflight_says_what_the_test_of_fail2ban_passes(etc: Path) -> None:
    error = {"jail": "a", "setting": "addfailregex", "error": "Unable to compile\nmissing )"}
    with pytest.raises(_jails.Refused, match=r"jail a, addfailregex: Unable to compile missing \)$"):
        preflight(etc, Tried(told={"wanted": {"a": jail("a")}, "errors": [error]}))


@pytest.mark.parametrize(
    ("options", "wanted", "why"),
    [
        ({}, {}, "another file turns it off"),
        ({"logpath": ["/x"]}, {"a": jail("a")}, "logpath is not read with backend systemd"),
        ({"journalmatch": ["_COMM=x"]}, {"a": jail("a", backend="auto")}, "journalmatch needs backend: systemd"),
        ({}, {"a": jail("a", backend="auto")}, "has no log to read"),
    ],
)
def test_preflight_refuses_a_jail_that_would_see_nothing(
    etc: Path, options: dict[str, Any], wanted: dict[str, Commands], why: str
) -> None:
    with pytest.raises(_jails.Refused, match=why):
        preflight(etc, Tried(told={"wanted": wanted}), **options)


# -- the judge's surroundings


@pytest.mark.parametrize(
    ("first", "command"),
    [
        ("#!/usr/bin/python3 -Es", ["/usr/bin/python3"]),
        ("#! /usr/bin/python3", ["/usr/bin/python3"]),
        ("#!/usr/bin/env python3", ["/usr/bin/env", "python3"]),
        ("#!/usr/bin/env -S python3 -E", ["/usr/bin/env", "python3"]),
    ],
)
def test_interpreter_of_fail2ban(first: str, command: list[str], tmp_path: Path) -> None:
    (tmp_path / "f").write_text(first + "\nimport sys\n")
    assert _judge.interpreter(str(tmp_path / "f")) == command


@pytest.mark.parametrize("first", ["", "#!/bin/sh", "\x7fELF", "#!"])
def test_interpreter_that_is_not_known(first: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(first + "\n")
    with pytest.raises(StockadeError, match="no Python script"):
        _judge.interpreter(str(tmp_path / "f"))


def test_a_judge_that_cannot_speak(etc: Path) -> None:
    with pytest.raises(StockadeError, match="cannot be asked .*: ModuleNotFoundError: No module named 'asynchat'"):
        _judge.judge(
            lambda argv: (1, "", "Traceback\n  x\nModuleNotFoundError: No module named 'asynchat'\n"),
            client=str(etc / "client"),
            live="/a",
            wanted="/b",
        )


def test_source_of_the_judge_compiles() -> None:
    compile(_judge._SOURCE, "judge", "exec")
