# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of fail2ban's socket, against answers recorded from real servers."""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _client as c

DATA = Path(__file__).resolve().parents[5] / "tests" / "data" / "fail2ban"
VERSIONS = ["1.0.2", "1.1.0"]


def recorded(version: str) -> dict[str, bytes]:
    """Command -> the bytes a server of this version answered."""
    answers = json.loads((DATA / ("answers-%s.json" % version)).read_text())
    return {command: base64.b64decode(answer) for command, answer in answers.items()}


class Server:
    """Answers each command with the recorded bytes; ``delay`` seconds late."""

    def __init__(self, path: Path, answers: dict[str, bytes], *, delay: float = 0.0, close: bool = False) -> None:
        self.path, self.answers, self.delay, self.close = str(path), answers, delay, close
        self.asked: list[list[str]] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            link, _address = self.listener.accept()
            with link:
                request = b""
                while not request.endswith(c.END):
                    request += link.recv(65536)
                self.asked.append(pickle.loads(request[: -len(c.END)]))
                time.sleep(self.delay)
                if not self.close:
                    answer = self.answers[" ".join(self.asked[-1])] + c.END
                    link.sendall(answer[:7])  # in pieces, as a stream may
                    link.sendall(answer[7:])


@pytest.mark.parametrize("version", VERSIONS)
def test_summary_of_a_real_server(version: str, tmp_path: Path) -> None:
    Server(tmp_path / "s", recorded(version))
    summary = c.Fail2banClient(str(tmp_path / "s")).summary()
    assert summary["version"] == version
    (jail,) = summary["jails"]
    assert jail["name"] == "sshd"
    assert {"203.0.113.5", "2001:db8::5", "203.0.113.0/28"} <= set(jail["banned"])
    assert jail["currently_banned"] == len(jail["banned"])
    assert jail["journalmatches"] == ["_SYSTEMD_UNIT=ssh.service + _COMM=sshd + _COMM=sshd-session"]
    json.dumps(summary)  # nothing but plain values


@pytest.mark.parametrize("version", VERSIONS)
def test_banned_by_jail(version: str, tmp_path: Path) -> None:
    Server(tmp_path / "s", recorded(version))
    banned = c.Fail2banClient(str(tmp_path / "s")).banned()
    assert list(banned) == ["sshd"]
    assert "2001:db8::5" in banned["sshd"]


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_of_the_server(version: str, tmp_path: Path) -> None:
    Server(tmp_path / "s", recorded(version))
    client = c.Fail2banClient(str(tmp_path / "s"))
    with pytest.raises(c.Fail2banRefused, match="no such jail: nojail") as caught:
        client.call(["status", "nojail"])
    assert caught.value.kind == "UnknownJailException"
    with pytest.raises(c.Fail2banRefused, match="invalid literal"):
        client.call(["set", "sshd", "maxretry", "x"])
    with pytest.raises(c.Fail2banRefused, match="Invalid command"):
        client.call(["nonsense"])


def test_request_is_readable_by_every_version(tmp_path: Path) -> None:
    server = Server(tmp_path / "s", {"get sshd 5": pickle.dumps((0, 1))})
    assert c.Fail2banClient(str(tmp_path / "s")).call(["get", "sshd", 5]) == 1  # type: ignore[list-item]
    assert server.asked == [["get", "sshd", "5"]]


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch evil",)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_an_answer_runs_no_code(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(c.Fail2banRefused):
        c.decode(pickle.dumps((1, Evil()), protocol))
    assert not isinstance(c.decode(pickle.dumps((0, Evil()), protocol)), int)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("answer", [b"", b"junk", pickle.dumps(3), pickle.dumps((0, 1, 2)), b"\x80\x05."])
def test_no_answer_at_all(answer: bytes) -> None:
    with pytest.raises(c.Fail2banError, match="cannot be read"):
        c.decode(answer)


def test_an_argument_may_not_end_the_request(tmp_path: Path) -> None:
    with pytest.raises(c.Fail2banError, match="end-of-command"):
        c.Fail2banClient(str(tmp_path / "s")).call(["set", "<F2B_END_COMMAND>"])


def test_silent_server_costs_the_deadline_only(tmp_path: Path) -> None:
    Server(tmp_path / "s", {}, delay=30, close=True)
    began = time.monotonic()
    with pytest.raises(c.Fail2banUnavailable, match=r"did not answer 'ping' within 0.3 s"):
        c.Fail2banClient(str(tmp_path / "s"), timeout=0.3).call(["ping"])
    assert time.monotonic() - began < 15


def test_full_backlog_is_waited_for(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(str(tmp_path / "s"))  # the queue is full now; the next gets EAGAIN

    def later() -> None:
        time.sleep(0.3)
        listener.accept()
        link, _address = listener.accept()
        link.recv(65536)
        link.sendall(pickle.dumps((0, "pong")) + c.END)

    threading.Thread(target=later, daemon=True).start()
    assert c.Fail2banClient(str(tmp_path / "s"), timeout=5).call(["ping"]) == "pong"


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(c.Fail2banUnavailable, match="not running on this host: no socket"):
        c.Fail2banClient(str(tmp_path / "s")).summary()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "d"))
    dead.close()
    with pytest.raises(c.Fail2banUnavailable, match="nobody listens"):
        c.Fail2banClient(str(tmp_path / "d")).jails()
    Server(tmp_path / "e", {}, close=True)
    with pytest.raises(c.Fail2banUnavailable, match="closed"):
        c.Fail2banClient(str(tmp_path / "e")).jails()


def test_many_values_go_in_batches_and_none_is_lost() -> None:
    """One request of 10,000 would hold everybody else up, and pass any deadline."""
    asked: list[list[str]] = []

    class Server:
        def call(self, command: list[str], *, timeout: float) -> None:
            assert timeout == c.PATIENCE
            asked.append(command)

    server: Any = Server()
    values = ["203.0.113.%d" % (n % 256) for n in range(2 * c.BATCH + 1)]
    c.in_batches(server, ["set", "sshd", "banip"], values)
    assert [len(command) - 3 for command in asked] == [c.BATCH, c.BATCH, 1]
    assert [value for command in asked for value in command[3:]] == values
    c.in_batches(server, ["unban"], [])
    assert len(asked) == 3
