# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warden that hangs, or answers slowly: logs are read all the same, and systemd hears of the watcher in time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wardens import Says, couriers, listening, verdicts
from watcherlab import add

from stockade.client import Client, WardenUnavailable
from stockade.watcher.courier import Courier
from stockade.watcher.service import Service

# Seconds. A turn may wait two; with two for each call it would be 12 and more, with one answer a little late after the
# other 7.7. What lies between is for a machine with other work.
LONGEST_TURN = 6.0


def hangs(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def dribbles(connection: socket.socket) -> None:
    """One byte a second."""
    gone = threading.Event()
    connection.recv(65536)
    for byte in b'{"v":1,"ok":true,"result":{"entries":[],"backend":"nftables","results":[]}}\n':
        connection.sendall(bytes([byte]))
        gone.wait(1)


@pytest.mark.parametrize("serve", [hangs, dribbles])
def test_a_turn_waits_two_seconds_at_most_and_the_next_ones_not_at_all(
    serve: Callable[[socket.socket], None], start: Callable[..., Service], tmp_path: Path, access: Path, log: Any
) -> None:
    """A whitelist to ask for, verdicts of both kinds to deliver, five alarms to tell."""
    with listening(tmp_path / "warden.sock", serve):
        service = start()
        service.courier.take(verdicts(300) + verdicts(5, forwarded=True))
        service.courier.alarm({f"lag {number}": "late" for number in range(5)})
        began = time.monotonic()
        service.turn()
        assert time.monotonic() - began < LONGEST_TURN
        began = time.monotonic()
        add(access, log.lines(30, int(time.time())))
        for _turn in range(3):
            service.turn()
        assert time.monotonic() - began < 2  # one that waited would have taken all of it
        assert len(service.courier.pending) == 306  # it was read and judged meanwhile
        assert "no answer in time" in service.status()["last_error"]


def test_a_warden_that_answers_everything_a_little_late_takes_two_seconds_of_a_turn(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    def serve(connection: socket.socket) -> None:
        pause = threading.Event()
        for line in connection.makefile("rb"):
            pause.wait(0.7)
            rows = [{"state": "banned"}] * len(json.loads(line).get("bans", []))
            result = {"entries": [], "backend": "command", "results": rows}
            connection.sendall(json.dumps({"v": 1, "ok": True, "result": result}).encode() + b"\n")

    with listening(tmp_path / "warden.sock", serve):
        service = start()
        service.courier.take(verdicts(5, forwarded=True))
        service.courier.alarm({f"lag {number}": "late" for number in range(5)})
        longest = 0.0
        while service.courier.pending or service.courier.untold:
            began = time.monotonic()
            service.turn()
            longest = max(longest, time.monotonic() - began)
        assert longest < LONGEST_TURN
        assert service.status()["problems"] == []


def test_who_hangs_is_left_alone_by_all_who_ask() -> None:
    gone = WardenUnavailable("away")
    warden = Says(whitelist=gone, ban=gone, alarm=gone, status=gone)
    courier, _outcomes = couriers(warden)
    courier.take([*verdicts(3, forwarded=True), *verdicts(3)])
    courier.alarm({"storm": "text", "dropped": "text"})
    courier.whitelist()
    courier.deliver(now=100, monotonic=time.monotonic())
    assert [op for op, _fields in warden.asked] == ["whitelist"]
    courier.deliver(now=100, monotonic=time.monotonic() + 1)
    assert [op for op, _fields in warden.asked] == ["whitelist", "status"]
    assert courier.problem == "away"


def test_every_call_has_what_is_left_of_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("stockade.watcher.courier.time.monotonic", lambda: clock[0])
    spans: list[float] = []

    class Slow(Says):
        def call(self, op: str, *, within: float = 0.0, **fields: Any) -> Any:
            clock[0] += 0.4
            spans.append(within)
            return super().call(op, **fields)

    courier = Courier(Slow(status={"backend": "command"}), lambda _verdict, _outcome: None)
    courier.take(verdicts(1, forwarded=True))
    courier.alarm({"storm": "text", "dropped": "text"})
    courier.whitelist()
    courier.deliver(now=100, monotonic=clock[0])
    assert spans == pytest.approx([2.0, 1.6, 1.2, 0.8])  # one alarm waits for the next turn
    assert clock[0] == pytest.approx(1001.6)


def test_a_slow_warden_takes_half_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("stockade.watcher.courier.time.monotonic", lambda: clock[0])

    class Slow(Says):
        def call(self, op: str, **fields: Any) -> Any:
            clock[0] += 1.2
            return super().call(op, **fields)

    warden = Slow()
    courier, outcomes = couriers(warden)
    courier.take(verdicts(200))
    courier.deliver(now=100, monotonic=clock[0])
    assert (len(outcomes), clock[0]) == (100, 1001.2)
    courier.deliver(now=100, monotonic=clock[0])
    clock[0] += 1.1
    courier.deliver(now=100, monotonic=clock[0])
    assert len(outcomes) == 100
    assert courier.whitelist() == []  # seldom asked for, and before a line is read
    clock[0] += 0.2
    courier.deliver(now=100, monotonic=clock[0])
    assert (len(outcomes), courier.problem) == (200, "")


def test_a_call_ends_within_the_time_that_it_was_given(tmp_path: Path) -> None:
    with listening(tmp_path / "sock", hangs):
        began = time.monotonic()
        with pytest.raises(WardenUnavailable, match="no answer in time"):
            Client(str(tmp_path / "sock"), timeout=60).call("status", within=0.2)
        assert time.monotonic() - began < 20
