# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with its own reports: a warden, fail2ban's log, a watcher's words in a journal, which is a script here."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from clilab import Console, Done
from wardenlab import NOW

from stockade.client import Client
from stockade.report import fail2banlog, journal, sources

HOST = "web1"


class ReportingHost:
    """The files and programs that a report is made of. `NOW` is 2027-01-15 08:00:00 UTC."""

    def __init__(self, path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.console, self.warden = path, console, console.host
        self.log = path / "fail2ban.log"
        self.logs = path / "logs"
        self.logs.mkdir()
        self.config = path / "report.toml"
        self.watcher_config = path / "watcher.toml"
        self.watcher: dict[str, str] | None = {"state": "watching"}
        self.said: list[dict[str, str]] = []
        monkeypatch.setattr(sources, "Client", lambda: Client(console.path))
        monkeypatch.setattr(sources, "WATCHER_CONFIG", self.watcher_config)
        monkeypatch.setattr(sources, "read_watcher", lambda: self.watcher)
        monkeypatch.setattr(fail2banlog, "LOG", self.log)
        monkeypatch.setattr(fail2banlog, "SOCKET", path / "fail2ban.sock")
        monkeypatch.setattr(journal, "JOURNALCTL", str(path / "journalctl"))
        monkeypatch.setattr("socket.gethostname", lambda: HOST)
        self.watcher_config.write_text("")
        self.journal()

    def journal(self, *, code: int = 0, error: str = "", more: str = "") -> None:
        """What journalctl prints from now on; it notes how it was called."""
        (self.path / "said").write_text("".join(json.dumps(line) + "\n" for line in self.said))
        script = self.path / "journalctl"
        script.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >{self.path}/asked\ncat {self.path}/said\n'
            f"[ -z '{error}' ] || echo '{error}' >&2\n{more}\nexit {code}\n"
        )
        script.chmod(0o755)

    def says(self, at: int, message: str, name: str = "stockade") -> None:
        """A line of the journal."""
        self.said.append({"__REALTIME_TIMESTAMP": str(at * 1_000_000), "MESSAGE": message, "SYSLOG_IDENTIFIER": name})
        self.journal()

    def logged(self, *lines: tuple[int, str]) -> None:
        """Lines of fail2ban's log: when, and what of it follows the time."""
        with self.log.open("a", encoding="utf-8") as file:
            for at, text in lines:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},123 {text}\n")
        os.utime(self.log, (NOW, NOW))  # the console's time stands still, the disk's does not

    def report(self, *words: str) -> Done:
        """`stockade report …`."""
        return self.console.run("report", *words, "--config", str(self.config))

    def timer(self, kind: str) -> Done:
        """What the timer runs."""
        return self.report(kind, "--log", str(self.logs))

    def kept(self, kind: str) -> list[str]:
        """The lines of the log."""
        return (self.logs / f"{kind}.log").read_text(encoding="utf-8").splitlines()


def notice(jail: str, words: str) -> str:
    """What fail2ban writes behind the time, in its own columns."""
    return f"fail2ban.actions        [812]: NOTICE  [{jail}] {words}"


def verdict(
    network: str,
    *,
    rule: str = "requests",
    kind: str = "rate",
    count: int = 34,
    last: int = NOW - 600,
    span: int = 57,
    result: str = "banned",
) -> str:
    """What the watcher says of a verdict."""
    return (
        f"ban network={network} rule={rule} type={kind} count={count} window={span + 1}s threshold=30/60s "
        f"duration=10m id={rule}-{network}-{last}-{span} result={result}"
    )
