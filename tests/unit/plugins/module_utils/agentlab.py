# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is a directory, for what installs the agent: systemd, accounts and the kernel are a few sets."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._agent import (
    backends,
    install,
    removal,
    reports,
    tree,
    units,
)
from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import Choice
from ansible_collections.stockade.fleet.plugins.module_utils._agent.install import Agent
from ansible_collections.stockade.fleet.plugins.module_utils._agent.reports import Reports
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import Package

NFTABLES = Choice(["nftables"], {}, network=False)
NO_REPORTS = Reports()


class Host:
    """Paths below a directory, systemd and the kernel as a few sets; Python is the real one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.active: set[str] = set()
        self.enabled: set[str] = set()
        self.fails: list[str] = []  # commands that fail once each, by their words
        self.state = ["enforcing"]  # what the warden answers, the last one for ever
        self.table = False
        self.accounts: set[str] = set()
        self.commands: list[str] = []
        self.invocation = "42"
        self.releases: list[str] = []  # what the warden says no with, each once
        self.warnings: list[str] = []
        (root / "systemd").mkdir()

    def run(self, command: list[str]) -> tuple[int, str, str]:
        if command[0] == sys.executable:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr
        words = " ".join([os.path.basename(command[0]), *command[1:]])
        self.commands.append(words)
        if any(words.startswith(text) for text in self.fails):
            self.fails = [text for text in self.fails if not words.startswith(text)]
            return 1, "", "it does not work"
        answer: tuple[int, str, str] = getattr(self, "_" + os.path.basename(command[0]).replace("-", "_"))(command[1:])
        return answer

    def _systemctl(self, words: list[str]) -> tuple[int, str, str]:
        action, names = words[0], words[1:]
        if "InvocationID" in names:
            return 0, self.invocation + "\n", ""
        if action == "show":
            blocks = []
            for name in names[2:]:
                enabled = "enabled" if name in self.enabled else "disabled" if self.unit(name).exists() else ""
                active = "active" if name in self.active else "inactive"
                blocks.append("Id=%s\nActiveState=%s\nUnitFileState=%s\n" % (name, active, enabled))
            return 0, "\n".join(blocks), ""
        if action == "enable":
            if names[0] == "--now":
                names = names[1:]
                self.active.update(names)
            for name in names:
                wants = self.root / "systemd" / "sysinit.target.wants"
                wants.mkdir(exist_ok=True)
                if not (wants / name).is_symlink():
                    (wants / name).symlink_to(self.unit(name))
            self.enabled.update(names)
        if action in ("start", "restart"):
            missing = [name for name in names if not self.unit(name).exists()]
            if missing:
                return 5, "", "Unit %s not found." % missing[0]
            self.active.update(names)
        if action == "disable":
            self.enabled.difference_update(names)
            for name in names[1:]:
                (self.root / "systemd" / "sysinit.target.wants" / name).unlink(missing_ok=True)
        if action in ("stop", "disable"):
            self.active.difference_update(names)
        return 0, "", ""

    def _journalctl(self, words: list[str]) -> tuple[int, str, str]:
        return 0, "the registry cannot be used\n" if "_SYSTEMD_INVOCATION_ID=42" in words else "", ""

    def _systemd_sysusers(self, words: list[str]) -> tuple[int, str, str]:
        self.accounts |= {"passwd " + name for name in removal.USERS} | {"group " + name for name in removal.GROUPS}
        return 0, "", ""

    def _nft(self, words: list[str]) -> tuple[int, str, str]:
        if words == ["list", "tables"]:
            return 0, "table ip other\n" + "table inet stockade\n" * self.table, ""
        self.table = False
        return 0, "", ""

    def _getent(self, words: list[str]) -> tuple[int, str, str]:
        return 0 if " ".join(words) in self.accounts else 2, "", ""

    def _userdel(self, words: list[str]) -> tuple[int, str, str]:
        if self.active:
            return 8, "", "user %s is currently used by process 1" % words[0]
        self.accounts -= {"passwd " + words[0], "group " + words[0]}
        return 0, "", ""

    def _groupdel(self, words: list[str]) -> tuple[int, str, str]:
        if "group " + words[0] not in self.accounts:
            return 6, "", "group does not exist"
        self.accounts.discard("group " + words[0])
        return 0, "", ""

    def unit(self, name: str) -> Path:
        return self.root / "systemd" / name

    @property
    def config(self) -> Path:
        return self.root / "etc" / "warden.toml"

    def apply(
        self,
        package: Package,
        options: dict[str, t.Any],
        *,
        choice: Choice = NFTABLES,
        reports: Reports = NO_REPORTS,
        check: bool = False,
    ) -> list[str]:
        """As the module does it."""
        agent = Agent(run=self.run, options=options, choice=choice, reports=reports)
        found = agent.differences(package.name)
        if found and not check:
            agent.install(package.name, None if tree.is_intact(package.name) else package.content)
        return found

    def picture(self) -> dict[str, str]:
        """Every file and link outside the versions, and what runs."""
        names = [
            self.config,
            *map(self.unit, units.FILES),
            Path(tree.COMMAND),
            Path(tree.COMPLETION),
            Path(tree.CURRENT),
        ]
        names += [
            self.root / "hosts.deny",
            Path(units.dropin()),
            Path(units.dropin(units.REPORT)),
            Path(reports.CONFIG),
            Path(reports.LOGROTATE),
            *(self.root / "etc" / "credentials").glob("*"),
        ]
        shown = {str(name): name.read_text() for name in names if name.is_file()}
        shown["version"] = str(tree.current())
        shown["active"] = " ".join(sorted(self.active))
        return shown


class Warden:
    host: Host

    def __init__(self, timeout: float = 60.0) -> None:
        pass

    def call(self, op: str) -> dict[str, t.Any]:
        if op == "release":
            self.host.commands.append("release")
            if self.host.releases:
                said = self.host.releases.pop(0)
                if "still to be done" in said:
                    with (self.host.root / "state" / "command.ledger").open("a") as ledger:
                        ledger.write("203.0.113.8 gone\n")
                raise StockadeError(said)
            return {"changed": True}
        states = self.host.state
        return {"state": states.pop(0) if len(states) > 1 else states[0], "problems": ["no nft"]}


def make_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host below the directory, with everything pointed at it."""
    monkeypatch.setattr(tree, "BASE", str(tmp_path / "lib"))
    monkeypatch.setattr(tree, "CURRENT", str(tmp_path / "lib" / "current"))
    monkeypatch.setattr(tree, "COMMAND", str(tmp_path / "stockade"))
    monkeypatch.setattr(tree, "PYTHON", sys.executable)
    monkeypatch.setattr(units, "DIRECTORY", str(tmp_path / "systemd"))
    monkeypatch.setattr(units, "BOOTED", str(tmp_path))
    monkeypatch.setattr(tree, "COMPLETION", str(tmp_path / "share" / "bash-completion" / "completions" / "stockade"))
    monkeypatch.setattr(backends, "NFT", str(tmp_path / "nft"))
    monkeypatch.setattr(backends, "FILE", str(tmp_path / "hosts.deny"))
    monkeypatch.setattr(backends, "CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backends, "CREDENTIALS", str(tmp_path / "etc" / "credentials"))
    monkeypatch.setattr(removal, "COMMAND_LEDGER", str(tmp_path / "state" / "command.ledger"))
    monkeypatch.setattr(removal, "WardenClient", Warden)
    monkeypatch.setattr(install, "CONFIG", str(tmp_path / "etc" / "warden.toml"))
    monkeypatch.setattr(reports, "CONFIG", str(tmp_path / "etc" / "report.toml"))
    monkeypatch.setattr(reports, "LOGROTATE", str(tmp_path / "logrotate.d" / "stockade-report"))
    monkeypatch.setattr(removal, "DIRECTORIES", (str(tmp_path / "etc"), str(tmp_path / "state"), reports.LOGROTATE))
    monkeypatch.setattr(units, "STAMPS", str(tmp_path / "stamps" / "stamp-"))
    monkeypatch.setattr(install, "READY_SECONDS", 0.1)
    monkeypatch.setattr(install, "WardenClient", Warden)
    (tmp_path / "nft").write_text("")
    (tmp_path / "logrotate.d").mkdir()
    (tmp_path / "stamps").mkdir()
    Warden.host = Host(tmp_path)
    return Warden.host
