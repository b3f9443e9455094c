# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban, played: its command line, its socket and its service; and plans for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _daemon, _judge
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banRefused
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import Wish
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._declare_jails import render, wants_running
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import JAILS
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._plan import Declared, Plan

HEADER = JAILS.header
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
        self.logs: dict[str, list[str]] = {}  # jail -> files that it reads
        played: Any = self
        self.daemon = _daemon.Daemon(
            self.run,
            client=played,
            command="f2b",
            config_dir=str(tmp),
            systemctl="systemctl",
            sleep=self.sleep,
            mark=str(tmp / "mark"),
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
        if command[2] == "logpath":
            return self.logs.get(name, [])
        assert command[2] == "failregex"
        return answers(self.jails[name])["failregex"]


def answers(commands: Commands) -> dict[str, Any]:
    """What a jail answers once it is loaded."""
    return {"failregex": [str(arguments[0]) for arguments in _judge.settings(commands, "addfailregex")]}


def verdict(
    *, live: dict[str, Commands], wanted: dict[str, Commands], expected: dict[str, Any] | None = None
) -> _judge.Verdict:
    """What a trial of two configurations says."""
    found = {name: answers(commands) for name, commands in wanted.items()} if expected is None else expected
    return _judge.Verdict(
        {"version": "1.1.0", "live": live, "wanted": wanted, "errors": [], "expected": found, "reads": []}
    )


def plan(etc: Path, *jails: dict[str, Any], absent: bool = False, prune: bool = False) -> Plan:
    """A plan for jails alone."""
    texts = {jail["name"]: None if absent else HEADER + "\n" + render(jail) for jail in jails}
    on = [jail["name"] for jail in jails if wants_running(jail) and not absent]
    return Plan(str(etc), [Declared(JAILS, texts, prune)], on=on)


def wish(wanted: Plan, *, absent: bool = False, start: bool = True, **more: Any) -> Wish:
    """What a module is asked for, with this plan."""
    empty: dict[str, Any] = {"samples": {}, "options": {}, "logpaths": {}}
    return Wish(plan=wanted, absent=absent, start=start, **{**empty, **more})


def written(directory: Path) -> dict[str, str]:
    """The files of a directory, name -> text."""
    return {path.name: path.read_text() for path in directory.iterdir()} if directory.exists() else {}
