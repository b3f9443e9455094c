# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the breaker knows, across a reload and a restart: storms go on, and so does who had which share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watcherlab import add, settle

from stockade.watcher.breaker import MINUTE, SPAN, Breaker
from stockade.watcher.events import Request
from stockade.watcher.service import Service
from stockade.watcher.verdict import SHARE, STORM, Verdict

NOON = 1_790_000_000 // SPAN * SPAN
AGENTS = [b"a", b"b", b"c", b"d"]


def restart(service: Service, start: Callable[[], Service]) -> Service:
    service.save()
    return start()


def reload(service: Service, _start: Callable[[], Service]) -> Service:
    service.reload_wanted = True
    return service


ANEW = pytest.mark.parametrize("anew", [restart, reload])


@ANEW
def test_a_busy_client_is_protected_right_after(anew, start, config, access, warden, log) -> None:
    """A proxy that nobody declared, with most requests of the last half hour."""
    config.write_text("max_share = 25\n" + config.read_text())
    now = int(time.time())
    service = start()
    for span in range(6, 0, -1):
        at = now - span * SPAN
        add(access, [log.line(at, rest=f' "-" "browser {n}"') for n in range(20) for _n in range(4)])
    service.reading.not_before["web"] = 0
    settle(service)
    warden.asked.clear()
    service = anew(service, start)
    add(access, [log.line(now, rest=f' "-" "browser {n}"') for n in range(40)])
    add(access, log.lines(30, now, "198.51.100.9"))
    settle(service)
    assert warden.networks == ["198.51.100.9"]


@ANEW
def test_a_storm_is_not_allowed_again(anew, start, config, access, warden, log) -> None:
    config.write_text("max_bans_per_minute = 3\n" + config.read_text().replace("max_bans_per_minute = 0\n", ""))
    now = int(time.time())
    service = start()
    add(access, [log.line(now, f"203.0.113.{n}") for n in range(9) for _n in range(30)])
    settle(service)
    assert len(warden.asked) == 3
    service = anew(service, start)
    add(access, [log.line(now, f"198.51.100.{n}") for n in range(9) for _n in range(30)])
    settle(service)
    assert len(warden.asked) == 3


def test_a_share_under_another_limit_is_forgotten(start, config, access, warden, log) -> None:
    """Who raises `max_share` wants those banned that had less."""
    config.write_text("max_share = 25\n" + config.read_text())
    now = int(time.time())
    service = start()
    service.reading.not_before["web"] = 0
    for span in range(3, 0, -1):
        add(access, [log.line(now - span * SPAN, rest=f' "-" "browser {n}"') for n in range(20) for _n in range(4)])
    settle(service)
    warden.asked.clear()
    config.write_text(config.read_text().replace("max_share = 25", "max_share = 90"))
    service.reload_wanted = True
    add(access, [log.line(now, rest=f' "-" "browser {n}"') for n in range(40)])
    settle(service)
    assert warden.networks == ["203.0.113.1"]


def seen(breaker: Breaker, at: int, count: int, address: str = "203.0.113.1", source: str = "web") -> None:
    events: list[Request] = [
        (at, (address,), b"GET / HTTP/1.1", b" 200 ", b' 5 "-" "%s"' % AGENTS[n // 8 % len(AGENTS)])
        for n in range(count)
    ]
    breaker.saw(events, source)


def again(breaker: Breaker, **more: Any) -> Breaker:
    after = Breaker(**{"max_bans_per_minute": 10, "max_share": 25, **more})
    for record in json.loads(json.dumps(list(breaker.records()))):
        after.restore(record)
    return after


def verdict(at: int, address: str = "203.0.113.1") -> Verdict:
    return Verdict(address, "r", 1, at, at, 1, 60, 600)


def test_a_span_goes_on_where_it_was() -> None:
    breaker = Breaker(max_bans_per_minute=0, max_share=25)
    for span in range(2):
        for half in range(2):
            seen(breaker, NOON + span * SPAN + half, 32)
            breaker = again(breaker)
    at = NOON + 2 * SPAN
    seen(breaker, at, 8)
    assert [found.held for found in breaker.judged([verdict(at)], "web")] == [SHARE]
    assert [found.held for found in breaker.judged([verdict(at)], "other")] == [""]


def test_an_agent_from_before_is_the_same_agent() -> None:
    """The two agents of a tool are not four after a restart."""
    breaker = Breaker(max_bans_per_minute=0, max_share=25)
    for span in range(3):
        for _half in range(2):
            seen(breaker, NOON + span * SPAN, 16)
            breaker = again(breaker)
    assert [found.held for found in breaker.judged([verdict(NOON + 3 * SPAN)], "web")] == [""]


def test_the_memory_of_a_large_site_is_bounded_and_in_short_records() -> None:
    breaker = Breaker(max_bans_per_minute=500, max_share=1)
    for span in range(1000):
        for client in range(20):
            seen(breaker, NOON + span * SPAN, 32, f"2001:db8:1234:5678:90ab:cdef:1234:{client:04x}")
    breaker.judged([verdict(NOON + n) for n in range(0, 3000 * MINUTE, MINUTE)], "web")
    records = [json.dumps(record) for record in breaker.records()]
    assert max(map(len, records)) < 2**16
    assert len(records) < 40
    same = again(breaker, max_bans_per_minute=500, max_share=1)
    assert [json.dumps(record) for record in same.records()] == records


def test_a_clock_set_back_forgets_the_future_only() -> None:
    breaker = Breaker(max_bans_per_minute=10, max_share=25)
    for span in (0, 1, 50, 51):
        seen(breaker, NOON + span * SPAN, 64)
    breaker.judged([verdict(NOON + n) for n in (-9, 50 * SPAN)], "web")
    breaker.forget_future(NOON + 2 * SPAN)
    seen(breaker, NOON + 2 * SPAN, 64)
    assert [found.held for found in breaker.judged([verdict(NOON + 2 * SPAN)], "web")] == [SHARE]
    assert [row for record in breaker.records() for row in record.get("storm", ())] == [NOON - 9]


JUNK: list[Any] = [
    None,
    True,
    -1,
    1.5,
    float("inf"),
    float("nan"),
    10**30,
    "x" * 200,
    [],
    {},
    [[]],
    {"x": []},
    [1] * 2000,
]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: str(junk)[:20])
def test_records_of_something_else_are_refused_or_harmless(junk: Any) -> None:
    good = Breaker(max_bans_per_minute=10, max_share=25)
    for span in range(3):
        seen(good, NOON + span * SPAN, 64)
    good.judged([verdict(NOON)], "web")
    for record in good.records():
        for key in record.keys() - {"shares", "limit"}:
            breaker = Breaker(max_bans_per_minute=10, max_share=25)
            for bad in ({**record, key: junk}, {**record, key: [junk]}, {**record, key: [[1, junk]]}):
                try:
                    breaker.restore(bad)
                except (TypeError, ValueError):
                    continue
                seen(breaker, NOON + 9 * SPAN, 64)
                breaker.judged([verdict(NOON + 9 * SPAN)], "web")
                json.dumps(list(breaker.records()), allow_nan=False)


def test_shares_of_an_input_that_is_gone_are_not_kept(start, config, tmp_path: Path) -> None:
    config.write_text("max_share = 25\n" + config.read_text())
    record = {"shares": "gone", "limit": 25, "past": [[NOON // SPAN, ["203.0.113.1"]]]}
    header = {"version": 4, "inputs": {}, "rules": []}
    (tmp_path / "state.json").write_text(json.dumps(header) + "\n" + json.dumps(record) + "\n")
    assert list(start().engine.breaker.records()) == []


def test_only_a_minute_counts_after_a_restart_too() -> None:
    breaker = Breaker(max_bans_per_minute=1, max_share=0)
    assert [found.held for found in breaker.judged([verdict(NOON)], "web")] == [""]
    breaker = again(breaker, max_bans_per_minute=1)
    assert [found.held for found in breaker.judged([verdict(NOON + 1)], "web")] == [STORM]
    assert [found.held for found in breaker.judged([verdict(NOON + MINUTE)], "web")] == [""]
