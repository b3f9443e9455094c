# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden's socket: lines in pieces, too long, never finished; and the client that waits for it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockade import protocol
from stockade.client import Client, WardenUnavailable
from stockade.warden import server as server_module
from stockade.warden.callers import ROOT, STRANGER, Caller
from stockade.warden.server import Server


class Service:
    """A server on a thread, whose every caller is `caller` and whose handler echoes."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self.server = Server(self._listener, self._handle)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _handle(self, caller: Caller, message: dict[str, Any]) -> dict[str, Any]:
        if message["op"] == "fail":
            raise ZeroDivisionError
        if message["op"] == "slow":
            time.sleep(message["seconds"])
        if message["op"] == "long":
            return {"text": "x" * message["length"]}
        return {"op": message["op"], "caller": caller.name}

    def _serve(self) -> None:
        while not self._stop.is_set():
            self.server.serve(0.05)

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(self.path)
        return sock

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.server.close()
        self._listener.close()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(server_module, "identify", lambda _uid: ROOT)
    running = Service(tmp_path / "warden.sock")
    yield running
    running.close()


def line(sock: socket.socket) -> dict[str, Any]:
    with sock.makefile("rb") as file:
        answer: dict[str, Any] = json.loads(file.readline())
    return answer


def test_a_line_may_come_in_pieces_and_lines_in_one_piece(service: Service) -> None:
    with service.connect() as sock, sock.makefile("rb") as answers:
        first, second = protocol.encode({"v": 1, "op": "one"}), protocol.encode({"v": 1, "op": "two"})
        sock.sendall(first[:7])
        sock.sendall(first[7:] + second + first)
        assert [json.loads(answers.readline())["result"]["op"] for _number in range(3)] == ["one", "two", "one"]


@pytest.mark.parametrize(
    "sent", [b"\n", b"[]\n", b"{}\n", b'{"v":2,"op":"x"}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n"]
)
def test_what_is_no_request_gets_an_answer_and_the_connection_stays(service: Service, sent: bytes) -> None:
    with service.connect() as sock:
        sock.sendall(sent)
        assert line(sock)["error"]["code"] == "invalid"
        sock.sendall(protocol.encode({"v": 1, "op": "still here"}))
        assert line(sock)["ok"]


def test_a_line_too_long_ends_the_connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "identify", lambda _uid: STRANGER)
    with service.connect() as sock, sock.makefile("rb") as answers:
        sock.sendall(b"x" * (STRANGER.max_line + 1))
        assert "more than 65536 bytes" in json.loads(answers.readline())["error"]["message"]
        assert answers.readline() == b""


def test_half_a_line_costs_the_connection_and_nobody_else(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STALLED_SECONDS", 0.2)
    with service.connect() as slow:
        slow.sendall(b'{"v":1,')
        assert Client(service.path).call("status")["op"] == "status"
        assert slow.recv(1) == b""


def test_the_handlers_own_time_costs_nobody_the_connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STALLED_SECONDS", 0.2)
    with service.connect() as other:
        request = protocol.encode({"v": 1, "op": "other"})
        other.sendall(request[:7])
        asking = threading.Thread(target=lambda: other.sendall(request[7:]))
        client = Client(service.path)
        threading.Timer(0.1, asking.start).start()
        assert client.call("slow", seconds=0.5)["op"] == "slow"
        assert line(other)["ok"]
        assert len(client.call("long", length=3_000_000)["text"]) == 3_000_000


def test_a_thousand_requests_at_once_wait_for_themselves(service: Service) -> None:
    with service.connect() as greedy:
        greedy.sendall(protocol.encode({"v": 1, "op": "slow", "seconds": 0.02}) * 1000)  # 20 seconds of work
        began = time.monotonic()
        assert Client(service.path).call("status")["op"] == "status"
        assert time.monotonic() - began < 10


def test_a_caller_with_many_slow_requests_has_one_turn_in_a_round(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each of them takes longer than the warden serves before it looks after itself."""
    greedy = [service.connect() for _number in range(10)]
    for sock in greedy:
        sock.sendall(protocol.encode({"v": 1, "op": "slow", "seconds": 0.06}) * 100)  # a minute of work
        assert line(sock)["ok"]
    monkeypatch.setattr(server_module, "peer_uid", lambda _sock: 12345)
    began = time.monotonic()
    assert Client(service.path).call("status")["op"] == "status"
    assert time.monotonic() - began < 10
    for sock in greedy:
        sock.close()


def test_no_more_is_read_from_who_has_lines_to_be_answered(service: Service) -> None:
    with service.connect() as greedy:
        sending = threading.Thread(target=send_until_closed, args=(greedy,), daemon=True)
        sending.start()
        with greedy.makefile("rb") as answers:
            for _number in range(2000):
                assert json.loads(answers.readline())["ok"]
        held = max(len(connection.received) for connection in list(service.server._connections.values()))
        greedy.shutdown(socket.SHUT_RDWR)
        sending.join()
    assert held <= 2 * server_module.READ_BYTES


def send_until_closed(sock: socket.socket) -> None:
    lines = protocol.encode({"v": 1, "op": "status"}) * 10_000
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(lines)


def test_who_sends_and_hangs_up_halfway_has_every_line_answered(service: Service) -> None:
    with service.connect() as sock, sock.makefile("rb") as answers:
        sock.sendall(b"".join(protocol.encode({"v": 1, "op": str(number)}) for number in range(5)))
        sock.shutdown(socket.SHUT_WR)
        assert [json.loads(answer)["result"]["op"] for answer in answers] == ["0", "1", "2", "3", "4"]


def test_who_does_not_read_answers_is_owed_one_and_not_all_of_them(service: Service) -> None:
    with service.connect() as deaf:
        deaf.sendall(protocol.encode({"v": 1, "op": "long", "length": 4_000_000}) * 50)
        deadline, owed = time.monotonic() + 5, 0
        while not owed and time.monotonic() < deadline:
            owed = max((len(c.answers) for c in list(service.server._connections.values())), default=0)
        for _number in range(20):  # each answer gives the server rounds in which it could take up the next request
            assert Client(service.path).call("status")["op"] == "status"
        owed = max(len(c.answers) for c in list(service.server._connections.values()))
        assert 0 < owed < 5_000_000


def test_a_defect_is_an_internal_error_and_the_server_goes_on(service: Service) -> None:
    client = Client(service.path)
    with pytest.raises(protocol.ProtocolError) as caught:
        client.call("fail")
    assert caught.value.code == "internal"
    assert client.call("status") == {"op": "status", "caller": "root"}


def test_too_many_connections_of_one_service_are_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "peer_uid", lambda _sock: 12345)
    open_ones = [service.connect() for _number in range(server_module.MAX_CONNECTIONS_SERVICE)]
    for sock in open_ones:
        sock.sendall(protocol.encode({"v": 1, "op": "x"}))
        line(sock)
    with service.connect() as one_more:
        assert one_more.recv(1) == b""
    for sock in open_ones:
        sock.close()


def test_the_caller_is_who_the_kernel_says(service: Service) -> None:
    assert Client(service.path).call("status")["caller"] == "root"


def test_a_client_waits_in_the_socket_for_a_restarting_warden(tmp_path: Path) -> None:
    """systemd holds the listening socket while the service is away."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "w.sock"))
    listener.listen()

    def later() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b'{"v":1,"ok":true,"result":{"late":true}}\n')

    timer = threading.Timer(0.3, later)
    timer.start()
    assert Client(str(tmp_path / "w.sock"), timeout=20).call("status") == {"late": True}
    timer.join()
    listener.close()


def test_a_client_does_not_wait_for_ever(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "w.sock"))
    listener.listen()
    began = time.monotonic()
    with pytest.raises(WardenUnavailable, match="no answer in time"):
        Client(str(tmp_path / "w.sock"), timeout=0.3).call("status")
    assert time.monotonic() - began < 20
    with pytest.raises(WardenUnavailable, match="systemctl status stockade-warden"):
        Client(str(tmp_path / "none.sock")).call("status")
    listener.close()
