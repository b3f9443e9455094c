# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Application and the way back, with a server that is played."""

from __future__ import annotations

from pathlib import Path

import pytest
from fail2banlab import HEADER, Host, jail, plan, verdict, wish, written

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _daemon
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import apply, drifted


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "jail.d").mkdir()
    monkeypatch.setattr(_daemon, "SETTLE_SECONDS", 0.0)
    host = Host({"a": jail("a"), "b": jail("b")}, tmp_path)
    monkeypatch.setattr(host.daemon, "running", lambda: None if host.jails is None else host.jails_())
    monkeypatch.setattr(_daemon.Daemon.settle, "__kwdefaults__", {"seconds": 0.0})
    return host


def test_only_what_changed_is_loaded(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    told = apply(
        wish(plan(tmp_path, {"name": "a"})), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert host.ran == ["reload --if-exists a"]
    assert told == {"reloaded": ["a"], "stopped": [], "started": False, "jails": ["a", "b"]}


def test_a_new_action_needs_a_restart_of_the_jail(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", action="stockade")
    apply(
        wish(plan(tmp_path, {"name": "a"})), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert host.ran == ["reload --if-exists --restart a"]


def test_a_jail_that_lost_its_action_is_repaired(tmp_path: Path, host: Host) -> None:
    assert host.jails is not None
    host.jails["a"] = host.jails["a"][:-1]
    unchanged = wish(plan(tmp_path, {"name": "a", "enabled": True}))
    assert drifted(unchanged, host.daemon, ["a", "b"])
    same = verdict(live=host.configured, wanted=host.configured)
    told = apply(unchanged, same, host.daemon, running=["a", "b"])
    assert told["reloaded"] == ["a"]
    assert not drifted(unchanged, host.daemon, ["a", "b"])


def test_removed_jails_stop_and_foreign_ones_stay(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    del host.configured["a"]
    assert host.jails is not None
    host.jails["by-hand"] = jail("by-hand")
    told = apply(
        wish(plan(tmp_path)), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b", "by-hand"]
    )
    assert told["stopped"] == ["a"]
    assert told["jails"] == ["b", "by-hand"]


def test_a_jail_that_does_not_load_is_taken_back(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["new"] = jail("new")
    host.broken = {"new"}
    with pytest.raises(StockadeError, match=r"did not load jail new: NOK: \('boom',\); files and jails are as before"):
        apply(
            wish(plan(tmp_path, {"name": "new"})),
            verdict(live=live, wanted=host.configured),
            host.daemon,
            running=["a", "b"],
        )
    assert written(tmp_path / "jail.d") == {}
    assert host.jails_() == ["a", "b"]


def test_an_existing_jail_that_breaks_comes_back_with_its_old_file(tmp_path: Path, host: Host) -> None:
    old = HEADER + "\n[a]\nmaxretry = 9\n"
    (tmp_path / "jail.d" / "zz-stockade-a.local").write_text(old)
    live = dict(host.configured)
    host.configured["a"] = jail("a", action="boom")
    host.broken = {"a"}
    run = host.run

    def mended(argv: list[str]) -> tuple[int, str, str]:
        if (tmp_path / "jail.d" / "zz-stockade-a.local").read_text() == old:  # what is read at that moment
            host.broken, host.configured = set(), live
        return run(argv)

    host.daemon._run = mended
    with pytest.raises(StockadeError, match="files and jails are as before"):
        apply(
            wish(plan(tmp_path, {"name": "a"})),
            verdict(live=live, wanted=dict(host.configured)),
            host.daemon,
            running=["a", "b"],
        )
    assert written(tmp_path / "jail.d") == {"zz-stockade-a.local": old}
    assert host.jails == live


def test_another_jail_that_vanishes_is_noticed_and_brought_back(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    host.vanishing = {"b"}
    run = host.run

    def once(argv: list[str]) -> tuple[int, str, str]:
        if not written(tmp_path / "jail.d"):  # what is read once the file is gone again
            host.configured = live
        answer = run(argv)
        host.vanishing = set()
        return answer

    host.daemon._run = once
    with pytest.raises(StockadeError, match="b does not run; files and jails are as before"):
        apply(
            wish(plan(tmp_path, {"name": "a"})),
            verdict(live=live, wanted=host.configured),
            host.daemon,
            running=["a", "b"],
        )
    assert host.jails == live


def test_what_cannot_be_brought_back_is_said(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    host.broken = {"a"}
    with pytest.raises(StockadeError, match="the files are as before, but fail2ban is not: .*fail2ban-client status"):
        apply(
            wish(plan(tmp_path, {"name": "a"})),
            verdict(live=live, wanted=host.configured),
            host.daemon,
            running=["a", "b"],
        )


def test_start_of_a_server_that_is_down(tmp_path: Path, host: Host) -> None:
    host.jails = None
    told = apply(
        wish(plan(tmp_path, {"name": "a"})), verdict(live={}, wanted=host.configured), host.daemon, running=None
    )
    assert told == {"reloaded": [], "stopped": [], "started": True, "jails": ["a", "b"]}
    assert "systemctl start fail2ban.service" in host.ran


def test_a_server_that_does_not_stay_up(tmp_path: Path, host: Host) -> None:
    host.jails = None
    host.broken = {"a"}
    with pytest.raises(
        StockadeError, match=r"did not stay up \(failed\): Failed during configuration: boom; the files"
    ):
        apply(wish(plan(tmp_path, {"name": "a"})), verdict(live={}, wanted=host.configured), host.daemon, running=None)
    assert written(tmp_path / "jail.d") == {}


def test_a_run_that_was_killed_is_finished_by_the_next_one(tmp_path: Path, host: Host) -> None:
    """The files say what the server was never told; nothing but the mark shows it."""
    host.configured["a"] = jail("a", regexes=2)
    finished = wish(plan(tmp_path))
    assert not drifted(finished, host.daemon, ["a", "b"])
    (tmp_path / "mark").touch()
    assert drifted(finished, host.daemon, ["a", "b"])
    same = verdict(live=host.configured, wanted=host.configured)
    assert apply(finished, same, host.daemon, running=["a", "b"])["reloaded"] == ["a"]
    assert not drifted(finished, host.daemon, ["a", "b"])


def test_the_mark_is_there_while_the_server_is_brought_along_and_not_after(tmp_path: Path, host: Host) -> None:
    seen = []
    run = host.run

    def looking(argv: list[str]) -> tuple[int, str, str]:
        seen.append((tmp_path / "mark").exists())
        return run(argv)

    host.daemon._run = looking
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    apply(
        wish(plan(tmp_path, {"name": "a"})), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert seen == [True] and not (tmp_path / "mark").exists()


def test_a_jail_that_answers_otherwise_after_its_reload_is_taken_back(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = jail("a", regexes=2)
    told = verdict(live=live, wanted=host.configured, expected={"a": {"failregex": ["^other <HOST>$"]}})
    with pytest.raises(StockadeError, match=r"jail a runs with failregex .* instead of \['\^other <HOST>\$'\]; "):
        apply(wish(plan(tmp_path, {"name": "a"})), told, host.daemon, running=["a", "b"])
    assert written(tmp_path / "jail.d") == {}


def test_logs_that_came_or_went_are_a_drift(tmp_path: Path, host: Host) -> None:
    """fail2ban looks for files only when it loads a jail."""
    (tmp_path / "one.log").touch()
    asked = wish(plan(tmp_path), logpaths={"a": [str(tmp_path / "*.log")]})
    host.logs = {"a": [str(tmp_path / "one.log")]}
    assert not drifted(asked, host.daemon, ["a", "b"])
    (tmp_path / "two.log").touch()
    assert drifted(asked, host.daemon, ["a", "b"])


def test_an_action_that_does_something_else_is_undone_by_what_it_was(tmp_path: Path, host: Host) -> None:
    live = dict(host.configured)
    host.configured["a"] = [*jail("a"), ["set", "a", "action", "nftables", "actionban", "other"]]
    apply(
        wish(plan(tmp_path, {"name": "a"})), verdict(live=live, wanted=host.configured), host.daemon, running=["a", "b"]
    )
    assert host.ran == ["reload --if-exists --restart a"]


def test_a_jail_that_is_to_have_no_action_is_no_drift(tmp_path: Path, host: Host) -> None:
    """Whether it is to have one is known once the configuration was read."""
    host.configured["a"] = jail("a")[:-1]
    assert host.jails is not None
    host.jails["a"] = host.configured["a"]
    unchanged = wish(plan(tmp_path, {"name": "a", "enabled": True, "action": []}))
    assert drifted(unchanged, host.daemon, ["a", "b"])
    assert not drifted(unchanged, host.daemon, ["a", "b"], wanted=host.configured)
    assert drifted(unchanged, host.daemon, ["a", "b"], wanted={"a": jail("a")})


def test_a_jail_of_ours_stops_although_the_live_files_cannot_be_read(tmp_path: Path, host: Host) -> None:
    """Somebody broke our file by hand: nothing tells which jails were declared, but this one is taken away."""
    (tmp_path / "jail.d" / "zz-stockade-a.local").write_text(HEADER + "\nenabled = true\n")
    del host.configured["a"]
    gone = wish(plan(tmp_path, {"name": "a"}, absent=True), absent=True)
    told = apply(gone, verdict(live={}, wanted=host.configured), host.daemon, running=["a", "b"])
    assert told["stopped"] == ["a"] and told["jails"] == ["b"]
