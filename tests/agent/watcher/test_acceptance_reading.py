# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that the whole watcher proves: what of a log is read, and what counts together."""

from __future__ import annotations

import os

import pytest
from acceptancelab import FLOOD, LOGINS, failed, ssh, web
from wardenlab import NOW
from watcherlab import add, settle

from stockade.watcher.config import read
from stockade.watcher.engine import Engine
from stockade.watcher.inputs import neighbours
from stockade.watcher.inputs.source import CHUNK, SAMPLE

# -- reading --


def test_c1_lines_from_before_count_if_a_saved_position_says_they_are_new(watch, warden, access, log) -> None:
    """Deliberately, the first start looks back as far as the longest window (A2); older lines count only after a
    saved position."""
    add(access, log.lines(40, NOW - 120, "203.0.113.1") + log.lines(29, NOW, "203.0.113.3"))
    watching = watch(FLOOD + web(access))
    settle(watching.service)
    assert warden.asked == []
    assert [rule["tracked"] for rule in watching.service.status()["rules"]] == [1]
    watching.service.save()
    watching.now += 600
    add(access, log.lines(40, NOW + 300, "203.0.113.2"))  # while nobody watched, and outside the window by now
    settle(watching.open())
    assert warden.networks == ["203.0.113.2"]


@pytest.mark.parametrize("obstacle", ["missing", "directory", "permission"])
def test_c2_a_log_that_cannot_be_read_is_waited_for(watch, warden, access, log, monkeypatch, obstacle) -> None:
    """Deliberately no end of the program, not even for a permission: the other logs are watched on, and the status
    says what is wrong."""
    genuine = neighbours.open_regular

    def denied(path: str) -> int:
        if path == str(access):
            raise PermissionError(13, "Permission denied")
        return genuine(path)

    access.unlink()
    if obstacle == "directory":
        access.mkdir()
    with monkeypatch.context() as patch:
        if obstacle == "permission":
            patch.setattr(neighbours, "open_regular", denied)
        watching = watch(FLOOD + web(access))
        settle(watching.service)
        status = watching.service.status()
        words = {"missing": "No such file", "directory": "not a regular file", "permission": "Permission denied"}
        assert status["state"] == "degraded"
        assert words[obstacle] in status["inputs"][0]["problem"]
        assert str(access) in status["last_error"]
    if obstacle == "directory":
        access.rmdir()
    watching.sees(access, log.lines(30, NOW))
    assert warden.networks == ["203.0.113.1"]
    assert watching.service.status()["problems"] == []


def test_ch5_half_a_line_does_not_count(watch, warden, access) -> None:
    line = failed("203.0.113.25")
    cut = line.index(b"203.0.113.2") + len(b"203.0.113.2")
    watching = watch(ssh(access) + LOGINS.format(1))
    for piece in (line[:cut], line[cut:]):
        with access.open("ab") as file:
            file.write(piece)
        settle(watching.service)
        assert warden.asked == []
    watching.sees(access, [b""])
    assert warden.networks == ["203.0.113.25"]


@pytest.mark.parametrize(
    "text",
    ["Unknown", "localhost", "999.1.1.1", "203.0.113.256", "203.0.113.1/24", "--help", "0xcb007101", "fe80::1%eth0"],
)
def test_ch7_what_is_no_address_never_reaches_the_warden(watch, warden, access, tmp_path, log, told, text) -> None:
    auth = tmp_path / "auth.log"
    auth.write_bytes(b"")
    watching = watch(FLOOD + web(access) + ssh(auth) + LOGINS.format(1))
    watching.sees(auth, [failed(text)] * 5)
    watching.sees(access, log.lines(60, NOW, text))
    assert (warden.asked, told()) == ([], [])
    watching.sees(auth, [failed("203.0.113.9")])
    assert warden.networks == ["203.0.113.9"]


def test_d13_pieces_and_restarts_come_to_the_verdicts_of_a_full_read(watch, warden, access, log) -> None:
    addresses = [f"203.0.113.{1 + number * number % 23}" for number in range(900)]
    lines = [log.line(NOW + number // 10, address) for number, address in enumerate(addresses)]
    whole = Engine(read(watch(FLOOD + web(access)).config)).feed(lines)
    watching = watch(FLOOD + web(access))
    for begin in range(0, len(lines), 75):
        watching.sees(access, lines[begin : begin + 75], after=7.5)
        watching.restart()
    assert whole
    assert [ban["id"] for ban in warden.asked] == [verdict.id for verdict in whole]


def test_dh16_ah27_every_byte_is_read_once_and_a_piece_at_a_time(watch, warden, access, log, monkeypatch) -> None:
    genuine, taken = os.pread, []

    def counted(fd: int, count: int, offset: int) -> bytes:
        data = genuine(fd, count, offset)
        taken.append(len(data))
        return data

    add(access, [log.line(NOW - n % 50, f"203.0.{n % 200}.{n % 250}") for n in range(12_000)])
    size = access.stat().st_size
    assert size > 4 * CHUNK
    watching = watch(FLOOD + web(access))
    settle(watching.service)  # with the search for its beginning
    watching.restart()
    monkeypatch.setattr(os, "pread", counted)
    for _look in range(20):
        settle(watching.service)
    assert sum(taken) < 8 * SAMPLE  # to know the file again
    line = log.line(NOW)
    watching.sees(access, [line])
    assert sum(taken) < 16 * SAMPLE + len(line)
    taken.clear()
    add(access, log.lines(12_000, NOW, "203.0.113.1"))
    new = access.stat().st_size - size
    settle(watching.service)
    assert max(taken) <= CHUNK + SAMPLE + len(line)
    assert new <= sum(taken) < new * 1.05
    assert watching.service.status()["inputs"][0]["lines"] == 12_001


# -- counting --


def test_bh5_a_window_ends_and_a_restart_forgets_nothing_of_it(watch, warden, access) -> None:
    watching = watch(ssh(access) + LOGINS.format(3))
    watching.sees(access, [failed("203.0.113.1")] * 2)
    watching.sees(access, [failed("203.0.113.1", when=NOW + 600)], after=600)
    assert warden.asked == []  # the first two are over
    watching.sees(access, [failed("203.0.113.1", when=NOW + 900)], after=300)
    watching.restart()
    watching.sees(access, [failed("203.0.113.1", when=NOW + 1100)], after=200)
    assert warden.networks == ["203.0.113.1"]


def test_bh5_what_is_tracked_is_bounded_and_the_busy_ones_stay(engine, log) -> None:
    counter = engine({"maxretry": 30}, max_tracked=100)
    assert counter.feed(log.lines(29, NOW, "203.0.113.1")) == []
    for number in range(5000):
        counter.feed([log.line(NOW, f"198.51.{number // 250}.{number % 250}")])
        assert counter.tallies[0].tracked <= 100
    assert counter.tallies[0].shed >= 4900
    assert [verdict.network for verdict in counter.feed([log.line(NOW)])] == ["203.0.113.1"]


def test_bh5_what_is_over_leaves_the_memory(engine, log) -> None:
    counter = engine({"maxretry": 30})
    counter.feed([log.line(NOW, f"203.0.113.{number}") for number in range(200)])
    assert counter.tallies[0].tracked == 200
    counter.sweep(NOW + 3600)
    assert counter.tallies[0].tracked == 0
    assert "203.0.113." not in str(list(counter.records()))
