# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the warden's socket: a full queue is waited for."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from stockade.client import Client, WardenUnavailable


def full(path: Path) -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full, and who fills it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    waiting = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(str(path))
        except BlockingIOError:
            return listener, waiting


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    listener, waiting = full(tmp_path / "sock")

    def serve() -> None:
        for _queued in waiting:
            connection, _address = listener.accept()
            with connection, connection.makefile("rb") as lines:
                if lines.readline():
                    connection.sendall(b'{"v":1,"ok":true,"result":{"state":"enforcing"}}\n')

    for sock in waiting[:-1]:
        sock.shutdown(socket.SHUT_WR)  # said nothing, and are gone
    server = threading.Thread(target=serve, daemon=True)
    client = Client(str(tmp_path / "sock"), timeout=20)
    server.start()
    assert client.call("status") == {"state": "enforcing"}
    client.close()
    listener.close()


def test_a_queue_that_stays_full_is_no_answer_in_time(tmp_path: Path) -> None:
    listener, waiting = full(tmp_path / "sock")
    with pytest.raises(WardenUnavailable, match="no answer in time"):
        Client(str(tmp_path / "sock"), timeout=0.2).call("status")
    for sock in (listener, *waiting):
        sock.close()
