# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warden that is only a socket, and what drives a service."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stockade.watcher.inputs.file import FileInput
from stockade.watcher.service import Service
from stockade.watcher.verdict import Verdict

SOURCE = Path(__file__).resolve().parents[3] / "roles" / "agent" / "files" / "src"


class FakeWarden:
    """Answers `ban` on a unix socket; `answer` may be replaced. `asked` has every wanted ban."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = self.banned
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []

    def start(self) -> FakeWarden:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self.path.unlink()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections = []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                assert len(line) <= 64 * 1024
                request = json.loads(line)
                if request["op"] in ("whitelist", "status", "alarm"):
                    result = {"entries": [], "backend": "nftables"}
                    connection.sendall(json.dumps({"v": 1, "ok": True, "result": result}).encode() + b"\n")
                    continue
                assert (request["v"], request["op"], request["on_refused"]) == (1, "ban", "skip")
                self.asked += request["bans"]
                connection.sendall(json.dumps(self.answer(request)).encode() + b"\n")

    @staticmethod
    def banned(request: dict[str, Any]) -> dict[str, Any]:
        rows = [{"network": ban["network"], "state": "banned", "message": ""} for ban in request["bans"]]
        return {"v": 1, "ok": True, "result": {"changed": True, "results": rows}}

    @property
    def networks(self) -> list[str]:
        return [ban["network"] for ban in self.asked]


def add(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def settle(service: Service) -> None:
    while service.turn():
        pass


# -- log files, followed by themselves --


def time_of(line: bytes) -> int | None:
    return int(line.split()[0]) if line[:1].isdigit() else None


def follow(path: Path, **options: Any) -> FileInput:
    return FileInput(str(path), time_of=time_of, **options)


def drain(source: FileInput) -> list[bytes]:
    lines: list[bytes] = []
    while new := source.read():
        lines += new
    return lines


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


# -- verdicts of the rate rule --

THIRTY = {"maxretry": 30, "findtime": "60s", "exclude_static": False}


def banned(verdicts: list[Verdict]) -> list[str]:
    return [verdict.network for verdict in verdicts]
