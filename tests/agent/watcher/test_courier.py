# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The courier and a warden that denies, or answers what the protocol does not promise: no ban is lost by that."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from wardens import Says, banned, couriers, listening, verdicts

from stockade.client import Client, WardenUnavailable
from stockade.protocol import ProtocolError

DENIED = ProtocolError("denied", "stranger may not ask ban")


def test_a_denied_verdict_waits_until_an_operator_put_it_right() -> None:
    warden = Says(ban=DENIED)
    courier, outcomes = couriers(warden)
    courier.take(verdicts(3))
    courier.deliver(now=100, monotonic=0)
    assert (outcomes, len(courier.pending), warden.batches) == ([], 3, [3])
    assert "stranger may not ask ban" in courier.problem
    assert "systemctl show -p User stockade-watcher" in courier.problem
    courier.deliver(now=100, monotonic=0.1)
    assert warden.batches == [3]  # not before the pause is over
    warden.answers["ban"] = banned
    assert courier.deliver(now=100, monotonic=60)
    assert outcomes == [f"203.0.113.{number} banned" for number in (1, 2, 3)]
    assert (courier.problem, courier.pending) == ("", [])


def test_pauses_grow_while_the_warden_denies() -> None:
    warden = Says(ban=DENIED)
    courier, _outcomes = couriers(warden)
    courier.take(verdicts(1))
    for tenth in range(600):
        courier.deliver(now=100, monotonic=tenth / 10)
    assert len(warden.asked) == 15  # pauses of 0.5, 1 and 2 seconds, then of 5


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"results": None},
        {"results": 5},
        {"results": {}},
        {"results": []},
        {"results": [None]},
        {"results": ["banned"]},
        {"results": [{}]},
        {"results": [{"state": None}]},
        {"results": [{"state": ["banned"]}]},
        {"results": [{"state": "?"}]},
        {"results": [{"state": "banned"}, {"state": "banned"}]},
    ],
)
def test_an_answer_that_is_none_keeps_the_verdict(result: Any) -> None:
    warden = Says(ban=result)
    courier, outcomes = couriers(warden)
    courier.take(verdicts(1))
    courier.deliver(now=100, monotonic=0)
    assert (outcomes, len(courier.pending), len(warden.asked)) == ([], 1, 1)
    assert "not understood" in courier.problem and "systemctl restart stockade-warden" in courier.problem
    warden.answers["ban"] = banned
    courier.deliver(now=100, monotonic=60)
    assert (outcomes, courier.problem) == (["203.0.113.1 banned"], "")


def test_a_row_that_says_nothing_costs_only_its_own_verdict() -> None:
    rows: list[Any] = [{"state": "banned"}, None, {"state": "refused", "message": ["odd"]}]
    warden = Says(ban={"results": rows})
    courier, outcomes = couriers(warden)
    courier.take(verdicts(3))
    courier.deliver(now=100, monotonic=0)
    assert outcomes == ["203.0.113.1 banned", "203.0.113.3 refused"]
    assert [verdict.network for verdict in courier.pending] == ["203.0.113.2"]
    assert courier.problem


@pytest.mark.parametrize("answer", [{"results": None}, ProtocolError("internal", "oh"), ProtocolError("odd", "oh")])
def test_an_entry_that_the_warden_cannot_cope_with_does_not_keep_the_others_waiting(answer: Any) -> None:
    def picky(fields: dict[str, Any]) -> Any:
        return answer if "203.0.113.1" in [ban["network"] for ban in fields["bans"]] else banned(fields)

    warden = Says(ban=picky)
    courier, outcomes = couriers(warden)
    courier.take(verdicts(5))
    for second in range(0, 120, 40):
        courier.deliver(now=100, monotonic=second)
    assert outcomes == [f"203.0.113.{number} banned" for number in (2, 3, 4, 5)]
    assert len(courier.pending) == 1 and courier.problem
    assert len(warden.asked) <= 1 + 5 + 3  # nobody is asked in a circle


def test_what_nothing_waits_for_is_no_problem() -> None:
    courier, outcomes = couriers(Says(ban=DENIED))
    courier.take(verdicts(1, duration=60))
    courier.deliver(now=100, monotonic=0)
    assert courier.problem
    courier.deliver(now=200, monotonic=60)
    assert (courier.problem, courier.late, outcomes) == ("", 1, ["203.0.113.1 late"])


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"entries": None},
        {"entries": 5},
        {"entries": {}},
        {"entries": [{"network": "192.0.2.300"}]},
        {"entries": [None]},
        {"entries": [{}]},
        {"entries": [{"network": 5}]},
    ],
)
def test_a_whitelist_that_is_none_is_not_known_and_told(result: Any) -> None:
    warden = Says(whitelist=result)
    courier, _outcomes = couriers(warden)
    assert courier.whitelist() is None
    assert "whitelist is not understood" in courier.problem
    warden.answers["whitelist"] = {"entries": [{"network": "192.0.2.0/24"}]}
    assert courier.whitelist() == ["192.0.2.0/24"]
    assert courier.problem == ""


def test_a_whitelist_that_is_denied_is_told() -> None:
    courier, _outcomes = couriers(Says(whitelist=DENIED))
    assert courier.whitelist() is None
    assert "systemctl show -p User" in courier.problem


def test_refusals_without_a_word_end_a_verdict() -> None:
    courier, outcomes = couriers(Says(ban=ProtocolError("invalid", "")))
    courier.take(verdicts(2))
    courier.deliver(now=100, monotonic=0)
    assert outcomes == ["203.0.113.1 invalid", "203.0.113.2 invalid"]


def test_a_warden_that_has_recorded_a_ban_is_not_asked_again() -> None:
    text = "recorded, NOT in force: the kernel refuses"
    warden = Says(ban=ProtocolError("unavailable", text))
    courier, outcomes = couriers(warden)
    courier.take(verdicts(2))
    courier.deliver(now=100, monotonic=0)
    assert (outcomes, warden.batches) == ([f"203.0.113.{number} {text}" for number in (1, 2)], [2])
    assert courier.problem == text
    warden.answers["ban"] = ProtocolError("unavailable", "in force, NOT recorded: disk full")
    courier.take(verdicts(2))
    courier.deliver(now=100, monotonic=0)
    assert (len(outcomes), len(courier.pending), warden.batches) == (2, 2, [2, 2])


@pytest.mark.parametrize("answer", [{}, {"backend": None}, DENIED, ProtocolError("internal", "oh")])
def test_who_is_behind_a_proxy_waits_for_the_word_about_commands(answer: Any) -> None:
    warden = Says(status=answer)
    courier, outcomes = couriers(warden)
    courier.take(verdicts(1, forwarded=True))
    courier.deliver(now=100, monotonic=0)
    assert (outcomes, len(courier.pending)) == ([], 1)
    assert courier.problem
    warden.answers["status"] = {"backend": "command"}
    courier.deliver(now=100, monotonic=60)
    assert (outcomes, courier.problem) == (["203.0.113.1 banned"], "")


# What comes out of the socket


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"[]",
        b"\xff\x00",
        b"[" * 100_000,
        b'{"v":2,"ok":true,"result":{}}',
        b'{"v":1}',
        b'{"v":1,"ok":true}',
        b'{"v":1,"ok":true,"result":null}',
        b'{"v":1,"ok":"no","result":{"results":[{"state":"banned"}],"entries":[]}}',
        b'{"v":1,"ok":false}',
        b'{"v":1,"ok":false,"error":"denied"}',
        b'{"v":1,"ok":false,"error":{}}',
        b'{"v":1,"ok":false,"error":{"code":["invalid"],"message":null}}',
    ],
)
def test_whatever_line_the_warden_answers_nothing_is_lost(tmp_path: Path, line: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        for _request in connection.makefile("rb"):
            connection.sendall(line + b"\n")

    with listening(tmp_path / "sock", serve):
        courier, outcomes = couriers(Client(str(tmp_path / "sock"), timeout=5))
        courier.take(verdicts(1))
        courier.deliver(now=100, monotonic=0)
        assert courier.whitelist() is None
        assert (outcomes, len(courier.pending)) == ([], 1)
        assert "not understood" in courier.problem


def test_who_was_denied_is_asked_for_anew(tmp_path: Path) -> None:
    """Who somebody is, the warden looks up when a connection begins."""

    def serve(connection: socket.socket) -> None:
        answer = {"v": 1, "ok": False, "error": {"code": "denied", "message": "no"}}
        for _request in connection.makefile("rb"):
            connection.sendall(json.dumps(answer).encode() + b"\n")

    with listening(tmp_path / "sock", serve) as connections:
        client = Client(str(tmp_path / "sock"), timeout=5)
        for count in (1, 2):
            with pytest.raises(ProtocolError, match="no"):
                client.call("ban")
            assert len(connections) == count


def test_a_second_answer_to_one_request_is_not_taken_for_the_next(tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        for request in connection.makefile("rb"):
            answer = {"v": 1, "ok": True, "result": {"to": json.loads(request)["op"]}}
            connection.sendall((json.dumps(answer).encode() + b"\n") * 2)

    with listening(tmp_path / "sock", serve) as connections:
        client = Client(str(tmp_path / "sock"), timeout=5)
        assert [client.call(op)["to"] for op in ("status", "bans")] == ["status", "bans"]
        assert len(connections) == 2  # the rest of it may come at any time


def test_a_warden_that_is_away_is_no_problem_while_nothing_waits() -> None:
    gone = WardenUnavailable("away")
    courier, _outcomes = couriers(Says(ban=gone, whitelist=gone))
    assert courier.whitelist() is None
    assert courier.problem == ""
    courier.take(verdicts(1))
    courier.deliver(now=100, monotonic=1e9)
    assert courier.problem == "away"
