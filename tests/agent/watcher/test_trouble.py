# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service in trouble: a state too large, a clock that is wrong, a disk that fails, a warden that is picky."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from typing import Any

from watcherlab import SOURCE, FakeWarden, add, settle

from stockade.client import Client
from stockade.protocol import ProtocolError
from stockade.watcher.courier import Courier
from stockade.watcher.verdict import Verdict


def test_a_large_state_is_loaded_in_little_memory(tmp_path, config) -> None:
    """The limit of the unit is 64 MB; 90,000 clients with 7 requests each."""
    common = """if True:
        import sys
        from pathlib import Path
        from stockade.watcher.config import read
        from stockade.watcher.service import Service
        state, config = Path(sys.argv[1]), read(Path(sys.argv[2]))
        service = Service(config, warden=None, state_dir=state)
    """
    fill = """
        from stockade.watcher.rules.windows import window_of
        for number in range(90_000):
            key = f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            window = window_of((time, 3) for time in range(service._started - 7, service._started))
            service.engine.tallies[0].windows[key] = window
        service.save()
    """
    tell = """
        assert [tally.tracked for tally in service.engine.tallies] == [90_000]
        # Not ru_maxrss: that one starts with what the process had that called exec.
        print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")])
    """
    for code in (fill, tell):
        arguments = [sys.executable, "-c", common + code, str(tmp_path), str(config)]
        done = subprocess.run(
            arguments, env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=True, capture_output=True, text=True
        )
    assert int(done.stdout) < 60 * 1024  # KiB


def test_a_first_start_with_the_clock_ahead_does_not_blind_the_watcher(start, warden, access, log) -> None:
    ahead = start(clock=lambda: time.time() + 86_400 * 365)
    settle(ahead)
    ahead.save()
    later = start()
    add(access, log.lines(30, int(time.time())))
    settle(later)
    assert warden.networks == ["203.0.113.1"]


def test_a_clock_set_back_while_running_counts_lines_of_now(start, warden, access, log) -> None:
    offset = 86_400
    service = start(clock=lambda: time.time() + offset)
    settle(service)
    offset = 0
    settle(service)
    add(access, log.lines(30, int(time.time())))
    settle(service)
    assert warden.networks == ["203.0.113.1"]


def test_lines_that_are_out_of_time_are_a_problem(start, access, log) -> None:
    service = start()
    add(access, log.lines(150, int(time.time()) + 7200))
    settle(service)
    assert "150 of 150 lines are too old or of the future" in service.status()["problems"][0]


def test_alarms_are_about_what_is_recent(start, access, log, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.status.PERIOD", 0.0)
    add(access, [b"garbage"] * 150)
    service = start()
    service.courier.dropped = 3
    service.engine.tallies[0].shed = 3
    settle(service)
    service.status()
    assert service.status()["problems"] == []


def test_an_input_that_cannot_be_read_is_a_problem_not_the_end(start, access, log, warden, monkeypatch) -> None:
    service = start()
    add(access, log.lines(20, int(time.time())))
    settle(service)

    def fail(*_arguments: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("stockade.watcher.inputs.file.os.fstat", fail)
        assert service.reading.inputs["web"].behind() == 0
        settle(service)
        assert service.status()["problems"] == [f"{access}: Input/output error"]
        service.save()
        service.reading.inputs["web"]._retry_at = 0.0
        settle(service)  # nor can it be opened
        assert service.status()["problems"] == [f"{access}: Input/output error"]
    add(access, log.lines(9, int(time.time())))
    settle(service)
    assert service.status()["problems"] != []  # not before its time
    service.reading.inputs["web"]._retry_at = 0.0
    settle(service)
    assert warden.asked == []  # 29: it goes on where it was
    add(access, log.lines(1, int(time.time())))
    settle(service)
    assert warden.networks == ["203.0.113.1"]
    assert service.status()["problems"] == []


def test_a_turn_asks_about_one_batch(start, warden, access, log) -> None:
    now = int(time.time())
    add(access, [log.line(now, f"203.0.{112 + n // 250}.{1 + n % 250}") for n in range(350) for _time in range(30)])
    service = start()
    before = 0
    while service.turn():
        assert len(warden.asked) - before <= 100
        before = len(warden.asked)
    assert len(warden.asked) == 350


def test_a_batch_refused_as_a_whole_is_asked_one_by_one_but_not_for_ever(monkeypatch) -> None:
    asked: list[int] = []
    outcomes: list[str] = []
    clock = iter(range(1000))
    monkeypatch.setattr("stockade.watcher.courier.time.monotonic", lambda: float(next(clock)))

    class Picky:
        def call(self, _op: str, *, bans: list[dict[str, Any]], **_fields: Any) -> dict[str, Any]:
            asked.append(len(bans))
            if any(ban["network"] == "203.0.113.1" for ban in bans):
                raise ProtocolError("invalid", "no")
            return FakeWarden.banned({"bans": bans})["result"]

    courier = Courier(Picky(), lambda _verdict, outcome: outcomes.append(outcome))
    courier.take(Verdict(f"203.0.113.{n}", "r", 1, 100, 100, 1, 60, None) for n in range(10))
    turns = 0
    while courier.pending:
        courier.deliver(now=100, monotonic=10.0 * turns)
        turns += 1
    assert asked == [10] + [1] * 10
    assert turns > 5
    assert sorted(outcomes) == ["banned"] * 9 + ["no"]


def test_verdicts_dropped_by_a_full_queue_are_reported(monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.courier.MAX_PENDING", 1)
    outcomes: list[str] = []
    courier = Courier(Client("/nowhere"), lambda _verdict, outcome: outcomes.append(outcome))
    courier.take(Verdict(f"203.0.113.{n}", "r", 1, 1, 1, 1, 60, None) for n in range(2))
    assert outcomes == ["dropped"]


def test_a_client_whose_verdict_was_dropped_can_be_judged_again(start, warden, access, log) -> None:
    now = int(time.time())
    service = start()
    (verdict,) = service.engine.feed(log.lines(30, now), now=now)
    service._report(verdict, "dropped")
    add(access, log.lines(30, now))
    settle(service)
    assert warden.networks == ["203.0.113.1"]
