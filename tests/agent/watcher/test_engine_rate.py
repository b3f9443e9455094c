# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine and its rate rule: rows A1-A5, A7, A8, hole AH7 of the acceptance list."""

from __future__ import annotations

import pytest
from watcherlab import THIRTY, banned


@pytest.mark.parametrize("rest", ["", ' "-" "curl/7"', ' "-" "curl/7" rt=0.003 "203.0.113.200"'])
def test_a1_thirty_lines_of_common_combined_and_nginx_with_more_fields_are_one_ban(engine, log, rest) -> None:
    verdicts = engine(THIRTY).feed(log.lines(30, log.noon, rest=rest))
    assert banned(verdicts) == ["203.0.113.1"]
    assert (verdicts[0].count, verdicts[0].last, verdicts[0].duration) == (30, log.noon, 600)


def test_a1_vhost_combined(engine, log) -> None:
    assert banned(engine(THIRTY, vhost=True).feed(log.lines(30, log.noon, vhost="www.example.org:443"))) == [
        "203.0.113.1"
    ]


def test_a2_lines_older_than_the_look_back_do_not_count(engine, log) -> None:
    now = log.noon
    rule = {**THIRTY, "duration": "1d"}
    cutoff = now - engine(rule, lookback="1h").config.lookback
    assert engine(rule).feed(log.lines(40, now - 3661), now=now, not_before=cutoff) == []
    assert banned(engine(rule).feed(log.lines(40, now - 600), now=now, not_before=cutoff)) == ["203.0.113.1"]


def test_a2_the_original_preset_looks_back_an_hour(engine) -> None:
    assert engine(preset="original").config.lookback == 3600


def test_a3_fifteen_and_fifteen_in_one_minute(engine, log) -> None:
    lines = log.lines(15, log.noon + 10) + log.lines(15, log.noon + 50)
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]


def test_ah7_fifteen_and_fifteen_over_the_turn_of_a_minute(engine, log) -> None:
    lines = log.lines(15, log.noon + 50) + log.lines(15, log.noon + 70)
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]


def test_ah7_twenty_nine_and_twenty_nine_within_two_seconds(engine, log) -> None:
    lines = log.lines(29, log.noon + 59) + log.lines(29, log.noon + 60)
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]


def test_ah7_the_window_slides_and_ends(engine, log) -> None:
    counter = engine(THIRTY)
    assert counter.feed(log.lines(29, log.noon)) == []
    assert counter.feed(log.lines(1, log.noon + 60)) == []  # 60 s later the first ones are out
    assert counter.feed(log.lines(28, log.noon + 60)) == []
    assert banned(counter.feed(log.lines(1, log.noon + 119))) == ["203.0.113.1"]


@pytest.mark.parametrize("threshold", [30, 60, 1])
def test_a4_the_threshold_is_the_count_that_bans(engine, log, threshold) -> None:
    rule = {**THIRTY, "maxretry": threshold}
    assert engine(rule).feed(log.lines(threshold - 1, log.noon)) == []
    assert banned(engine(rule).feed(log.lines(threshold, log.noon))) == ["203.0.113.1"]


def test_a5_status_and_method_do_not_matter(engine, log) -> None:
    mixed = log.lines(10, log.noon, status=200) + log.lines(10, log.noon, status=301)
    mixed += log.lines(10, log.noon, status=404)
    methods = log.lines(15, log.noon, request="HEAD / HTTP/1.1") + log.lines(15, log.noon, request="POST / HTTP/1.1")
    for lines in (log.lines(30, log.noon), log.lines(30, log.noon, status=404), mixed, methods):
        assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]
    odd = [r"\x16\x03\x01", "-", "", r"GET /a\" 200 5", "GET  /", "\\\\"]
    assert banned(engine(THIRTY).feed([log.line(log.noon, request=text) for text in odd * 5])) == ["203.0.113.1"]


def test_a7_the_verdict_says_count_address_window_threshold_rule(engine, log) -> None:
    (verdict,) = engine({**THIRTY, "name": "flood"}).feed(log.lines(15, log.noon) + log.lines(15, log.noon + 9))
    line = verdict.journal("banned")
    for field in ("network=203.0.113.1", "rule=flood", "count=30", "window=10s", "threshold=30/60s", "result=banned"):
        assert field in line.split()
    assert verdict.reason == "30 requests in 10s (threshold 30 in 60s)"


def test_a8_one_ban_for_two_adjacent_minutes_and_none_when_read_again(engine, log) -> None:
    counter = engine(THIRTY)
    lines = log.lines(40, log.noon + 30) + log.lines(40, log.noon + 90)
    assert banned(counter.feed(lines)) == ["203.0.113.1"]
    assert counter.feed(lines) == []


@pytest.mark.parametrize(("findtime", "quiet"), [(30, 30), (3600, 60)])
def test_a_new_full_window_is_a_new_verdict_long_before_the_ban_is_over(engine, log, findtime, quiet) -> None:
    """An operator may have lifted the ban; the warden answers `unchanged` otherwise."""
    counter = engine({**THIRTY, "findtime": findtime, "duration": "permanent"})
    (first,) = counter.feed(log.lines(40, log.noon))
    assert counter.feed(log.lines(40, log.noon + quiet)) == []
    assert counter.feed(log.lines(29, log.noon + quiet + 1)) == []
    (second,) = counter.feed(log.lines(1, log.noon + quiet + 2))
    assert second.id != first.id


def test_a_verdict_that_got_lost_is_spoken_again(engine, log) -> None:
    counter = engine(THIRTY)
    (verdict,) = counter.feed(log.lines(30, log.noon))
    counter.forget(verdict)
    assert banned(counter.feed(log.lines(30, log.noon + 1))) == ["203.0.113.1"]


def test_a_rule_that_only_observed_starts_at_nothing_when_it_bans(engine, log) -> None:
    before, after = engine({**THIRTY, "observe": True}), engine(THIRTY)
    before.feed(log.lines(30, log.noon))
    after.load(before.counts(), before.records())
    assert banned(after.feed(log.lines(30, log.noon + 1))) == ["203.0.113.1"]


def test_a_clock_set_back_ends_the_quiet_of_the_future(engine, log) -> None:
    counter = engine(THIRTY)
    counter.feed(log.lines(30, log.noon + 86_400))
    counter.clock_set_back(log.noon)
    assert banned(counter.feed(log.lines(30, log.noon + 1))) == ["203.0.113.1"]


def test_defaults_spare_a_page_with_sixty_images_and_ban_a_flood_of_either_kind(engine, log) -> None:
    page = [log.line(log.noon, request=f"GET /img/{number}.png?v=2 HTTP/1.1") for number in range(60)]
    counter = engine()
    assert counter.feed([*page, log.line(log.noon), log.line(log.noon, request="GET /a.CSS HTTP/2.0")]) == []
    assert [verdict.rule for verdict in engine().feed(log.lines(300, log.noon))] == ["requests"]
    assert [verdict.rule for verdict in engine().feed(page * 20)] == ["requests-all"]
    assert [verdict.rule for verdict in engine().feed(log.lines(30, log.noon, status=404))] == ["errors"]


@pytest.mark.parametrize(
    ("request_line", "counts"),
    [
        ("GET /a.css HTTP/1.1", False),
        ("HEAD /a.js?x=1 HTTP/1.1", False),
        ("POST /a.css HTTP/1.1", True),
        ("GET /search?q=a.css HTTP/1.1", True),
        ("GET /a.css/b HTTP/1.1", True),
        ("GET /api/v1.5/items HTTP/1.1", True),
        ("GET /data.json HTTP/1.1", True),
        ("GET /css HTTP/1.1", True),
    ],
)
def test_what_a_static_asset_is(engine, log, request_line, counts) -> None:
    verdicts = engine({"maxretry": 1}).feed([log.line(log.noon, request=request_line)])
    assert bool(verdicts) == counts


def test_lines_out_of_order_by_the_time_a_request_takes(engine, log) -> None:
    lines = [log.line(log.noon + number % 7 - number // 7) for number in range(30)]
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]
