# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A console: command lines against a real warden behind its real socket, in a pipe or on a terminal."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import termios
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wardenlab import Host

from stockade import cli
from stockade.cli import commands
from stockade.client import Client
from stockade.warden import server as server_module
from stockade.warden.callers import ROOT, Caller
from stockade.warden.server import Server


@dataclass
class Done:
    """What a command line left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Console:
    """One host's warden on a thread, and `run` as its administrator. `canned` answers in the place of the warden."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = str(path)
        self.caller = ROOT
        self.canned: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.host: Host
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setattr(server_module, "identify", lambda _uid: self.caller)
        monkeypatch.setattr(commands, "Client", lambda: Client(self.path))
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        self.host = Host()  # here, because SQLite keeps a connection to the thread that opened it
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            server = Server(listener, self._handle)
            self._ready.set()
            while not self._stop.is_set():
                server.serve(0.05)
            server.close()

    def _handle(self, caller: Caller, message: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(message)
        return self.canned.get(message["op"]) or self.host.warden.handle(caller, message)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """As a program asks."""
        return Client(self.path).call(op, **fields)

    def ban(self, *networks: str, **fields: Any) -> None:
        self.ask("ban", bans=[{"network": network, **fields} for network in networks])

    def banned(self) -> list[str]:
        return sorted(row["network"] for row in self.ask("bans", limit=1000)["bans"])

    def run(self, *words: str) -> Done:
        """A command line whose answer goes into a pipe."""
        self._capsys.readouterr()
        code = _main(words)
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def terminal(self, *words: str, columns: int = 80) -> Done:
        """The same on a terminal of that width."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        with open(slave, "w", encoding="utf-8") as stream, self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            code = _main(words)
            stream.flush()
            os.set_blocking(master, False)
            shown = os.read(master, 1 << 16).decode()
        os.close(master)
        return Done(code, shown, self._capsys.readouterr().err)


def _main(words: tuple[str, ...]) -> int:
    try:
        return cli.main(words)
    except SystemExit as stop:
        return int(stop.code or 0)
