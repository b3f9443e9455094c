# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rows of the acceptance list need that the whole watcher proves: it, the warden itself, and a clock."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from watcherlab import add, settle

from stockade.watcher.config import read
from stockade.watcher.service import Service

sys.path.insert(0, str(Path(__file__).parents[1] / "warden"))

from wardenlab import NOW, Host

from stockade.warden.callers import SERVICES

FLOOD = 'max_bans_per_minute = 0\n[[rule]]\nname = "flood"\ntype = "rate"\nmaxretry = 30\nduration = "1h"\n'
NEVER = '[[rule]]\nname = "never"\ntype = "text"\nstart = "Nobody says this"\n'
LOGINS = '[[rule]]\nname = "logins"\ntype = "failures"\nmaxretry = {}\n'


class RealWarden:
    """The warden itself over a recorded firewall, asked as the watcher's user."""

    def __init__(self) -> None:
        self.host = Host()
        self.asked: list[dict[str, Any]] = []

    def call(self, op: str, *, within: float = 0.0, **fields: Any) -> dict[str, Any]:
        if op == "ban":
            self.asked += fields["bans"]
        return self.host.ask(op, SERVICES["stockade-watcher"], **fields)


def whitelisted(real: RealWarden, *networks: str) -> None:
    entries = [{"network": network} for network in networks]
    real.host.ask("whitelist_set", entries=entries, prune=True)


class Watch:
    """A service over a configuration that a test may change, with a clock that it moves."""

    def __init__(self, directory: Path, text: str, warden: Any) -> None:
        self.directory, self.warden, self.now = directory, warden, float(NOW)
        self.config = directory / "watch.toml"
        self.config.write_text(text, encoding="utf-8")
        self.service = self.open()

    def open(self) -> Service:
        self.service = Service(
            read(self.config),
            warden=self.warden,
            config_path=self.config,
            state_dir=self.directory,
            runtime_dir=self.directory,
            clock=lambda: self.now,
        )
        return self.service

    def restart(self) -> None:
        self.service.save()
        self.open()

    def sees(self, path: Path, lines: list[bytes], after: float = 0) -> None:
        """So many seconds later the log has these lines, and they are read."""
        self.now += after
        if isinstance(self.warden, RealWarden):
            self.warden.host.wait(after)
        add(path, lines)
        settle(self.service)


def web(path: Path) -> str:
    return f'[[input]]\nname = "web"\npath = "{path}"\n'


def ssh(path: Path) -> str:
    return f'[[input]]\nname = "ssh"\npath = "{path}"\nformat = "sshd"\ntimezone = "UTC"\n'


def said(message: str, when: float = NOW) -> bytes:
    """What sshd says, in a log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{stamp}+00:00 web1 sshd[7]: {message}".encode()


def failed(address: str, user: str = "root", when: float = NOW) -> bytes:
    return said(f"Failed password for {user} from {address} port 4711 ssh2", when)
