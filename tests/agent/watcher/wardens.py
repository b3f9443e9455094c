# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wardens that do not answer as they should: in the place of the client, and behind a socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from watcherlab import FakeWarden

from stockade.watcher.courier import Courier
from stockade.watcher.verdict import Verdict


class Says:
    """In the place of the client: answers each operation with what stands in `answers`, errors are raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "ban": banned,
            "whitelist": {"entries": []},
            "status": {"backend": "nftables"},
            "alarm": {"changed": True},
            **answers,
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, op: str, *, within: float = 0.0, **fields: Any) -> Any:
        self.asked.append((op, fields))
        answer = self.answers[op]
        if callable(answer):
            answer = answer(fields)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def batches(self) -> list[int]:
        """How many bans each request wanted."""
        return [len(fields["bans"]) for op, fields in self.asked if op == "ban"]

    @property
    def alarms(self) -> list[str]:
        return [fields["about"] for op, fields in self.asked if op == "alarm"]


def banned(fields: dict[str, Any]) -> dict[str, Any]:
    return dict(FakeWarden.banned(fields)["result"])


def couriers(warden: Any) -> tuple[Courier, list[str]]:
    """A courier, and the outcomes that it reports."""
    outcomes: list[str] = []
    return Courier(warden, lambda verdict, outcome: outcomes.append(f"{verdict.network} {outcome}")), outcomes


def verdicts(count: int, duration: int | None = None, *, forwarded: bool = False) -> list[Verdict]:
    return [
        Verdict(f"203.0.113.{number}", "r", 1, 100, 100, 1, 60, duration, forwarded=forwarded)
        for number in range(1, count + 1)
    ]


@contextlib.contextmanager
def listening(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[list[socket.socket]]:
    """A socket whose every connection is handed to `serve`, in a thread of its own; yields the connections."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                connections.append(connection)
                threading.Thread(target=quietly, args=(connection,), daemon=True).start()

    def quietly(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield connections
    finally:
        for sock in (listener, *connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        path.unlink()
