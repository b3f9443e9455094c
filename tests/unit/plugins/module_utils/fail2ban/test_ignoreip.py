# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban follows the whitelist: the file, the running jails and their bans, with a server that is played."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _ignoreip
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banRefused,
    Fail2banUnavailable,
)
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._ignoreip_files import others

LOOPBACK = ["127.0.0.0/8", "::1"]


class Fail2ban:
    """fail2ban-client's socket and fail2ban's own reader, over a real directory of configuration."""

    def __init__(self, etc: Path, jails: list[str]) -> None:
        self.etc = etc
        self.enabled = jails
        self.ignored: dict[str, list[str]] | None = {jail: self.read(etc)[jail] for jail in jails}
        self.held: dict[str, list[str]] = {}
        self.called: list[list[str]] = []
        self.errors: list[str] = []
        self.refusing = ""
        self.reloaded: list[str] = []

    # what fail2ban would make of a directory
    def read(self, etc: Path) -> dict[str, list[str]]:
        parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), default_section="DEFAULT", strict=False)
        for pattern in ("jail.conf", "jail.d/*.conf", "jail.local", "jail.d/*.local"):
            parser.read(sorted(map(str, etc.glob(pattern))))
        for jail in self.enabled:
            if not parser.has_section(jail):
                parser.add_section(jail)
        return {j: re.split(r"[\s,]+", parser.get(j, "ignoreip", fallback="").strip() or "x")[:] for j in self.enabled}

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        if "reload" in argv:
            self.reloaded.append(argv[-1])
            assert self.ignored is not None
            self.ignored[argv[-1]] = self.read(self.etc)[argv[-1]]
            return 0, "OK", ""
        job = json.loads(argv[-1])
        live, wanted = Path(job["live"]), Path(job["wanted"])

        def commands(etc: Path) -> dict[str, list[Any]]:
            return {
                jail: [["add", jail, "systemd"], ["set", jail, "addignoreip", *words]]
                for jail, words in self.read(etc).items()
            }

        ours = (wanted / "jail.d" / "zz-stockade-ignoreip.local").exists()
        errors = [why for why in self.errors if ours or "ours" not in why]
        told = {"version": "1.1.0", "live": commands(live), "wanted": commands(wanted), "expected": {}, "reads": []}
        return 0, json.dumps({**told, "errors": [{"jail": None, "setting": None, "error": e} for e in errors]}), ""

    # the socket
    def jails(self) -> list[str]:
        if self.ignored is None:
            raise Fail2banUnavailable("not running") from FileNotFoundError()
        return sorted(self.ignored)

    def banned(self) -> dict[str, list[str]]:
        return self.held

    def call(self, command: list[str], *, timeout: float | None = None) -> Any:
        assert self.ignored is not None
        if command[0] == "unban":
            self.called.append(command)
            return len(command) - 1
        jail, setting = command[1:3]
        if setting == "actions":
            return []
        if command[0] == "get":
            return list(self.ignored[jail])
        self.called.append(command)
        if jail == self.refusing:
            raise Fail2banRefused("boom", kind="RuntimeError")
        if setting == "addignoreip":
            self.ignored[jail] += command[3:]
        else:
            self.ignored[jail].remove(command[3])
        return self.ignored[jail]


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    etc = tmp_path / "fail2ban"
    (etc / "jail.d").mkdir(parents=True)
    (etc / "client").write_text("#!/usr/bin/python3\n")
    (etc / "jail.conf").write_text("[DEFAULT]\n# ignoreip = 192.0.2.1\nbantime = 1h\n\n[sshd]\nport = ssh\n")
    return etc


@pytest.fixture(autouse=True)
def _anybodys_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ignoreip.ManagedFiles, "untidy", lambda self, name: False)


def follow(
    host: Fail2ban, *unlimited: str, timed: tuple[str, ...] = (), check: bool = False
) -> tuple[list[str], list[str]]:
    client: Any = host
    told = _ignoreip.IgnoreIp(host.run, command=str(host.etc / "client"), config_dir=str(host.etc), client=client)
    networks = [ipaddress.ip_network(text) for text in unlimited]
    outcome = told.follow(networks, networks + [ipaddress.ip_network(text) for text in timed], check=check)
    return outcome.lines, outcome.warnings


def ours(host: Fail2ban) -> Path:
    return host.etc / "jail.d" / "zz-stockade-ignoreip.local"


def test_ah13_file_and_every_running_jail_ignore_the_whitelist(etc: Path) -> None:
    """A10 B31: networks as well, IPv4 and IPv6, loopback always; the second time there is nothing to do."""
    host = Fail2ban(etc, ["nginx", "sshd"])
    lines, warnings = follow(host, "198.51.100.0/24", "2001:db8:7::/64")
    assert lines == ["fail2ban ignores " + text for text in [*LOOPBACK, "198.51.100.0/24", "2001:db8:7::/64"]]
    assert warnings == []
    assert host.read(etc)["sshd"] == [*LOOPBACK, "198.51.100.0/24", "2001:db8:7::/64"]
    assert host.ignored is not None
    assert set(host.ignored["nginx"]) >= {"198.51.100.0/24", "2001:db8:7::/64"}
    assert host.reloaded == []
    host.called = []
    assert follow(host, "198.51.100.0/24", "2001:db8:7::/64") == ([], [])
    assert host.called == []


def test_check_mode_predicts_and_touches_nothing(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    host.held = {"sshd": ["198.51.100.4"]}
    lines, _warnings = follow(host, "198.51.100.0/24", check=True)
    assert lines[-2:] == ["fail2ban ignores 198.51.100.0/24", "fail2ban's jail sshd gives up its ban of 198.51.100.4"]
    assert (host.called, ours(host).exists()) == ([], False)


def test_what_leaves_the_whitelist_leaves_file_and_jails(etc: Path) -> None:
    """B31: removal takes effect; without any unlimited entry there is no file."""
    host = Fail2ban(etc, ["sshd"])
    follow(host, "198.51.100.0/24", "203.0.113.7")
    lines, _warnings = follow(host, "203.0.113.7")
    assert lines == ["fail2ban no longer ignores 198.51.100.0/24"]
    assert host.ignored is not None
    assert "198.51.100.0/24" not in host.ignored["sshd"] + host.read(etc)["sshd"]
    follow(host)
    assert not ours(host).exists()
    assert "203.0.113.7" not in host.ignored["sshd"]
    assert follow(host) == ([], [])


def test_a_jail_that_somebody_told_otherwise_is_told_again(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    follow(host, "203.0.113.7")
    assert host.ignored is not None
    host.ignored["sshd"].remove("203.0.113.7")
    host.ignored["sshd"].append("192.0.2.9")
    lines, _warnings = follow(host, "203.0.113.7")
    assert lines == [
        "fail2ban's jail sshd ignores 203.0.113.7 again",
        "fail2ban's jail sshd no longer ignores 192.0.2.9",
    ]
    assert follow(host, "203.0.113.7") == ([], [])


def test_many_that_leave_are_one_reload_of_each_jail(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    follow(host, "203.0.113.7", *(f"198.51.100.{i}" for i in range(200)))
    host.called = []
    follow(host, "203.0.113.7")
    assert (host.reloaded, host.called) == (["sshd"], [])
    assert host.ignored == {"sshd": [*LOOPBACK, "203.0.113.7"]}


def test_a_jail_with_an_ignoreip_of_its_own_is_named(etc: Path) -> None:
    (etc / "jail.local").write_text("[nginx]\nmaxretry = 3\nignoreip = 192.0.2.7\n")
    host = Fail2ban(etc, ["nginx", "sshd"])
    for _again in range(2):
        _lines, warnings = follow(host, "203.0.113.7")
        assert warnings == [
            f"fail2ban's jail nginx does not ignore the whitelist: {etc}/jail.local:3 sets another ignoreip, "
            "remove that line"
        ]
    assert host.ignored is not None
    assert host.ignored["nginx"] == ["192.0.2.7"]  # what its file says
    assert "203.0.113.7" in host.ignored["sshd"]


def test_a_default_that_is_read_later_is_named(etc: Path) -> None:
    (etc / "jail.d" / "zzz.local").write_text("[DEFAULT]\nignoreip = 192.0.2.7\n")
    _lines, warnings = follow(Fail2ban(etc, ["sshd"]), "203.0.113.7")
    assert [f"{etc}/jail.d/zzz.local:2" in warning for warning in warnings] == [True]


def test_nobody_loses_what_another_file_granted(etc: Path) -> None:
    """Ours is read later than jail.local, whose addresses would be forgotten."""
    (etc / "jail.local").write_text(
        "[DEFAULT]\nIgnoreIP = 127.0.0.1/8, 192.0.2.7 ; office\n  # a comment\n  host.example.com\n\n[sshd]\n"
    )
    host = Fail2ban(etc, ["sshd"])
    follow(host, "203.0.113.7")
    assert host.read(etc)["sshd"] == [*LOOPBACK, "203.0.113.7", "192.0.2.7", "host.example.com"]
    (etc / "jail.local").unlink()
    follow(host, "203.0.113.7")
    assert host.ignored == {"sshd": ["127.0.0.1/8", "::1", "203.0.113.7"]}  # as jail.local spelled it


def test_every_setting_is_found_with_its_line(etc: Path) -> None:
    (etc / "jail.local").write_text(
        "[a]\nignoreip: 192.0.2.1\n\n 192.0.2.2\n[b]\n;ignoreip = x\nignoreip =\n\t192.0.2.3\n"
    )
    (etc / "jail.d" / "zz-stockade-ignoreip.local").write_text("[DEFAULT]\nignoreip = 203.0.113.7\n")
    (etc / "jail.d" / "zzz.local").write_text("[DEFAULT]\nignoreip = 192.0.2.4")
    found = others(str(etc), str(etc / "jail.d" / "zz-stockade-ignoreip.local"))
    assert [(s.jail, s.words, s.where.rpartition("/")[2], s.earlier) for s in found] == [
        ("a", ["192.0.2.1", "192.0.2.2"], "jail.local:2", True),
        ("b", ["192.0.2.3"], "jail.local:7", True),
        ("DEFAULT", ["192.0.2.4"], "zzz.local:2", False),
    ]


def test_bans_within_the_whitelist_are_given_up_also_within_a_timed_entry(etc: Path) -> None:
    """A timed entry stands in no file, but nobody who is whitelisted stays banned."""
    host = Fail2ban(etc, ["nginx", "sshd"])
    host.held = {"sshd": ["198.51.100.4", "203.0.113.51"], "nginx": ["198.51.100.4", "203.0.113.5", "some host"]}
    lines, _warnings = follow(host, "198.51.100.0/24", timed=("203.0.113.5",))
    assert ["unban", "198.51.100.4", "203.0.113.5"] in host.called
    assert len([line for line in lines if "gives up" in line]) == 3
    assert "203.0.113.5" not in ours(host).read_text()


def test_a_jail_that_refuses_leaves_everything_as_it_was(etc: Path) -> None:
    host = Fail2ban(etc, ["nginx", "sshd"])
    follow(host, "203.0.113.7")
    before, text = json.dumps(host.ignored), ours(host).read_text()
    host.refusing = "sshd"
    with pytest.raises(StockadeError, match="does not follow the whitelist: boom; it ignores whom it did before"):
        follow(host, "198.51.100.0/24")
    assert ours(host).read_text() == text
    assert host.ignored is not None
    assert {jail: sorted(texts) for jail, texts in host.ignored.items()} == {
        jail: sorted(texts) for jail, texts in json.loads(before).items()
    }


def test_a_file_that_only_we_break_is_not_written(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    host.errors = ["ours is bad"]
    with pytest.raises(StockadeError, match="would not run with .*-ignoreip.local, it was not written: ours"):
        follow(host, "203.0.113.7")
    assert (host.called, ours(host).exists()) == ([], False)


def test_what_others_broke_does_not_stop_the_whitelist(etc: Path) -> None:
    """Debian 12's own sshd jail without a log must not keep the run from the role that mends it."""
    host = Fail2ban(etc, ["sshd"])
    host.errors = ["no log"]
    _lines, warnings = follow(host, "203.0.113.7")
    assert "broken by itself" in warnings[0]
    assert ours(host).exists()


def test_a_fail2ban_that_is_stopped_reads_it_at_its_start(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    host.ignored = None
    assert follow(host, "203.0.113.7")[0] == ["fail2ban ignores " + text for text in [*LOOPBACK, "203.0.113.7"]]
    assert "203.0.113.7" in ours(host).read_text()


def test_no_fail2ban_nothing_to_do_and_nothing_left(tmp_path: Path, etc: Path) -> None:
    client: Any = None
    run: Any = None
    nowhere = _ignoreip.IgnoreIp(run, command=None, config_dir=str(tmp_path / "none"), client=client)
    assert nowhere.follow([ipaddress.ip_network("203.0.113.7")], [], check=False) == ([], [])
    host = Fail2ban(etc, [])
    follow(host, "203.0.113.7")
    for path in ("jail.conf", "client"):
        (etc / path).unlink()  # as the package went
    gone = _ignoreip.IgnoreIp(run, command=None, config_dir=str(etc), client=client)
    assert gone.follow([ipaddress.ip_network("203.0.113.7")], [], check=False).lines[-1].endswith("203.0.113.7")
    assert not etc.exists()


def test_a_file_of_somebody_else_under_our_name_is_left_alone(etc: Path) -> None:
    host = Fail2ban(etc, ["sshd"])
    ours(host).write_text("[DEFAULT]\nignoreip = 192.0.2.1\n")
    with pytest.raises(StockadeError, match="is not ours"):
        follow(host, "203.0.113.7")


def test_links_are_followed_where_the_file_is_tried(etc: Path) -> None:
    """Else the trial itself would write our file to the live directory, in check mode as well."""
    elsewhere = etc.parent / "elsewhere"
    (etc / "jail.d").rename(elsewhere)
    (etc / "jail.d").symlink_to(elsewhere)
    (etc / "jail.d" / "gone.local").symlink_to("nowhere")
    follow(Fail2ban(etc, ["sshd"]), "203.0.113.7", check=True)
    assert [path.name for path in elsewhere.iterdir()] == ["gone.local"]


def test_indented_settings_are_read_as_fail2ban_reads_them(etc: Path) -> None:
    (etc / "jail.local").write_text(
        "[DEFAULT]\n  bantime = 1h\n  ignoreip = 192.0.2.7\n    192.0.2.8\n  action = x\n    ignoreip = 192.0.2.9\n\n"
        "  [sshd]\nport = ssh\n"
    )
    host = Fail2ban(etc, ["sshd"])
    assert host.ignored == {"sshd": ["192.0.2.7", "192.0.2.8"]}
    follow(host, "203.0.113.7")
    assert host.read(etc)["sshd"] == [*LOOPBACK, "203.0.113.7", "192.0.2.7", "192.0.2.8"]
    assert host.ignored is not None
    assert set(host.ignored["sshd"]) >= {"192.0.2.7", "192.0.2.8"}
