# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine and its rate rule: rows A1-A5, A8, A12, holes AH7-AH9 of the acceptance list."""

from __future__ import annotations

import random
from typing import Any

import pytest

from stockade.watcher.clients import Clients
from stockade.watcher.config import parse
from stockade.watcher.engine import Engine

THIRTY = {"maxretry": 30, "findtime": "60s", "exclude_static": False}


def banned(verdicts: list[Any]) -> list[str]:
    return [verdict.network for verdict in verdicts]


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


def test_a12_ipv6_bans_the_64_by_default(engine, log) -> None:
    assert banned(engine(THIRTY).feed(log.lines(40, log.noon, "2001:db8::1"))) == ["2001:db8::/64"]
    spread = [log.line(log.noon, f"2001:db8::{number:x}") for number in range(1, 31)]
    assert banned(engine(THIRTY).feed(spread)) == ["2001:db8::/64"]


def test_a12_ipv6_by_address_where_the_rule_says_so(engine, log) -> None:
    rule = {**THIRTY, "key": "address"}
    spread = [log.line(log.noon, f"2001:db8::{number:x}") for number in range(1, 31)]
    assert engine(rule).feed(spread) == []
    assert banned(engine(rule).feed(log.lines(30, log.noon, "2001:db8::1"))) == ["2001:db8::1"]


def test_keys_of_ipv4(engine, log) -> None:
    spread = [log.line(log.noon, f"203.0.113.{number}") for number in range(1, 31)]
    assert engine(THIRTY).feed(spread) == []
    assert banned(engine({**THIRTY, "key": "ipv4/24"}).feed(spread)) == ["203.0.113.0/24"]


def test_the_64_is_not_taken_where_the_host_lives_nor_behind_a_translator(engine, log) -> None:
    def ban(address: str, own: str = "2001:db8:77::11") -> list[str]:
        return banned(engine({**THIRTY, "key": "ipv4/24"}, own=(own,)).feed(log.lines(30, log.noon, address)))

    assert ban("2001:db8:77::66") == ["2001:db8:77::66"]
    assert ban("2001:db8:78::66") == ["2001:db8:78::/64"]
    assert ban("64:ff9b::cb00:7101") == ["64:ff9b::cb00:7101"]
    assert ban("192.0.2.66", own="192.0.2.11") == ["192.0.2.66"]


def test_ipv4_mapped_counts_as_ipv4(engine, log) -> None:
    lines = log.lines(15, log.noon, "::ffff:203.0.113.1") + log.lines(15, log.noon)
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0"])
def test_what_is_never_banned_does_not_count(engine, log, address) -> None:
    counter = engine(THIRTY)
    assert counter.feed(log.lines(40, log.noon, address)) == []
    assert counter.formats["web"].unparsed == 0


@pytest.mark.parametrize(
    "user",
    [
        "foo bar",
        "- -",
        "198.51.100.9",
        "198.51.100.9 - -",
        "[10/Oct/2030:12:00:00 +0000]",
        r"x [10/Oct/2030:12:00:00 +0000] \"GET / HTTP/1.1\" 200 5",
        r"x [10/Oct/2030:12:00:00 +0000] \x22GET / HTTP/1.1\x22 200 5",
        "\xff\xfe\x00",
    ],
)
def test_ah8_a_user_name_cannot_shift_the_fields(engine, log, user) -> None:
    counter = engine(THIRTY)
    verdicts = counter.feed(log.lines(100, log.noon, user=user), now=log.noon)
    assert banned(verdicts) == ["203.0.113.1"]
    assert verdicts[0].last == log.noon
    assert counter.formats["web"].unparsed == 0


@pytest.mark.parametrize(
    "vhost", ["198.51.100.9", "198.51.100.9:80", "2001:db8::9", "[2001:db8::9]:443", "_", "--help"]
)
def test_ah8_a_host_header_in_front_is_not_the_client(engine, log, vhost) -> None:
    lines = log.lines(100, log.noon, vhost=vhost, user="foo bar")
    assert banned(engine(THIRTY, vhost=True).feed(lines)) == ["203.0.113.1"]


@pytest.mark.parametrize(
    ("vhost", "declared"),
    [("198.51.100.9", False), ("www.example.org", False), ("x 198.51.100.9 - -", True), ("x 198.51.100.9 -", True)],
)
def test_ah8_a_line_of_two_readings_is_not_parsed(engine, log, vhost, declared) -> None:
    counter = engine(THIRTY, vhost=declared)
    assert counter.feed(log.lines(100, log.noon, vhost=vhost)) == []
    assert counter.formats["web"].unparsed == 100


def test_a_line_without_the_declared_virtual_host_is_not_parsed(engine, log) -> None:
    counter = engine(THIRTY, vhost=True)
    lines = log.lines(100, log.noon) + log.lines(100, log.noon, user="198.51.100.9 - -")
    assert counter.feed(lines) == []
    assert counter.formats["web"].unparsed == 200


def test_user_names_and_hosts_do_not_fill_the_memory_and_inputs_share_it(log) -> None:
    for vhost in (False, True):
        table = {"input": [{"name": f"i{n}", "path": f"/log/{n}", "vhost": vhost} for n in range(1024)]}
        parser = Engine(parse(table), clients=Clients(own=(), kinds=["ipv6/64"])).formats["i7"]
        host = "h{} " if vhost else ""
        line = log.line(log.noon, user="USER").decode()
        assert len(parser.parse([(host.format(n) + line.replace("USER", f"u{n}")).encode() for n in range(100)])) == 100
        assert len(parser._heads) == 1
        parser.parse([log.line(log.noon + n, f"203.0.113.{n}", vhost=host.format(n).strip()) for n in range(100)])
        assert len(parser._heads) <= 32
        assert len(parser._times) <= 32


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b'{"remote_addr":"203.0.113.1","status":200}',
        b'999.999.999.999 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'203.0.113.01 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'fe80::1%eth0 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'host.example - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'203.0.113.1 - - [31/Feb/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'203.0.113.1 - - [10/Okt/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'203.0.113.1 - - [10/Oct/2026:12:00:00] "GET / HTTP/1.1" 200 5',
        b'203.0.113.1 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" abc 5',
        b'203.0.113.1 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1',
        b'203.0.113.1 - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b'203.0.113.1 x - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5',
    ],
)
def test_ah8_what_does_not_parse_is_counted(engine, line) -> None:
    counter = engine({**THIRTY, "maxretry": 1})
    assert counter.feed([line] * 50) == []
    assert (counter.formats["web"].unparsed, counter.formats["web"].parsed) == (50, 0)


@pytest.mark.parametrize("offset", [480, -300, 0, 345])
def test_ah9_the_offset_of_the_line_is_used(engine, log, offset) -> None:
    now = log.noon
    (verdict,) = engine(THIRTY).feed(log.lines(30, now, offset=offset), now=now, not_before=now - 60)
    assert verdict.last == now
    old = engine(THIRTY)
    assert old.feed(log.lines(30, now - 61, offset=offset), now=now, not_before=now - 60) == []
    assert old.out_of_time["web"] == 30


def test_ah9_the_hour_that_comes_twice(engine, log) -> None:
    # 02:30 +0200 and 02:30 +0100 are an hour apart.
    first, second = log.noon, log.noon + 3600
    assert log.stamp(first, 120)[:-6] == log.stamp(second, 60)[:-6]
    assert engine(THIRTY).feed(log.lines(15, first, offset=120) + log.lines(15, second, offset=60)) == []


def test_leap_day(engine) -> None:
    line = b'203.0.113.1 - - [29/Feb/2028:23:59:60 +0000] "GET / HTTP/1.1" 200 5'
    assert banned(engine({**THIRTY, "maxretry": 1}).feed([line])) == ["203.0.113.1"]


def test_lines_ahead_of_the_clock_do_not_count(engine, log) -> None:
    counter = engine(THIRTY)
    assert counter.feed(log.lines(40, log.noon + 61), now=log.noon) == []
    assert counter.out_of_time["web"] == 40


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


def test_memory_is_bounded_and_the_quietest_go_first(engine, log) -> None:
    counter = engine(THIRTY, max_tracked=100)
    counter.feed(log.lines(29, log.noon, "203.0.113.1"))
    for number in range(1000):
        counter.feed([log.line(log.noon + 1, f"198.51.{100 + number // 200}.{number % 200}")])
        assert counter.tallies[0].tracked <= 100
    assert counter.tallies[0].shed > 800
    assert banned(counter.feed([log.line(log.noon + 2, "203.0.113.1")])) == ["203.0.113.1"]


def test_sweep_forgets_what_is_over_and_nothing_else(engine, log) -> None:
    counter = engine(THIRTY)
    counter.feed(log.lines(29, log.noon) + log.lines(29, log.noon + 30, "203.0.113.2"))
    counter.sweep(log.noon + 89)
    assert counter.tallies[0].tracked == 1
    assert banned(counter.feed(log.lines(1, log.noon + 60, "203.0.113.2"))) == ["203.0.113.2"]


def test_a_clock_set_back_does_not_leave_counts_in_the_future(engine, log) -> None:
    counter = engine(THIRTY)
    counter.feed(log.lines(29, log.noon + 3600))
    counter.clock_set_back(log.noon)
    assert counter.tallies[0].tracked == 0
    assert banned(counter.feed(log.lines(30, log.noon))) == ["203.0.113.1"]


def _attack(log: Any) -> list[bytes]:
    rng = random.Random(5)
    lines = []
    for second in range(400):
        for _cut in range(rng.randrange(8)):
            address = f"203.0.113.{rng.randrange(6)}" if rng.random() < 0.8 else f"2001:db8::{rng.randrange(9)}"
            user = rng.choice(["-", "foo bar", r"a\"b"])
            lines.append(log.line(log.noon + second - rng.randrange(3), address, user=user))
    return lines


def test_any_split_into_reads_gives_the_same_verdicts(engine, log) -> None:
    lines = _attack(log)
    rules = ({"maxretry": 20, "findtime": 30}, {"maxretry": 60, "findtime": 60, "duration": 90})
    whole = sorted(verdict.id for verdict in engine(*rules).feed(lines))
    assert len(whole) > 5
    for seed in range(20):
        rng = random.Random(seed)
        counter = engine(*rules)
        found, rest = [], lines
        while rest:
            size = rng.randrange(1, 200)
            found += counter.feed(rest[:size])
            rest = rest[size:]
        assert sorted(verdict.id for verdict in found) == whole


def test_counts_survive_a_dump_at_any_line(engine, log) -> None:
    lines = _attack(log)
    rules = ({"maxretry": 20, "findtime": 30},)
    whole = sorted(verdict.id for verdict in engine(*rules).feed(lines))
    for cut in range(0, len(lines), 97):
        before, after = engine(*rules), engine(*rules)
        found = before.feed(lines[:cut])
        after.load(before.counts(), before.records())
        found += after.feed(lines[cut:])
        assert sorted(verdict.id for verdict in found) == whole


def test_counts_of_another_key_are_not_taken_over(engine, log) -> None:
    before, after = engine(THIRTY), engine({**THIRTY, "key": "address"})
    before.feed(log.lines(29, log.noon))
    after.load(before.counts(), before.records())
    assert after.tallies[0].tracked == 0


def test_ah8_the_fast_path_parses_as_the_slow_one(engine, log) -> None:
    """After a first line everything about this client and second is known; odd lines must still be parsed in full."""
    parser = engine(THIRTY).formats["web"]
    good, quoted = log.line(log.noon), log.line(log.noon, request=r"GET /a\" 404 5 HTTP/1.1")
    wrong = [
        good.replace(b'" 200 ', b'" 2x0 '),
        good.replace(b'" 200 ', b'"200 '),
        good.replace(b"[10/Oct", b"(10/Oct"),
        good.replace(b" - - [", b" - -  ["),
        good[: good.index(b'" 200')],
    ]
    events = parser.parse([good, quoted, *wrong, good])
    assert [event[2] for event in events[:2]] == [b"GET /page HTTP/1.1", rb"GET /a\" 404 5 HTTP/1.1"]
    assert {event[3][:5] for event in events} == {b" 200 "}
    # Two blanks before the time are an empty name's: the only one of these that servers do write.
    assert (parser.parsed, parser.unparsed) == (4, 4)


def test_the_memory_of_windows_is_bounded_too(engine, log) -> None:
    counter = engine({"maxretry": 10_000, "exclude_static": False})
    rule = counter.tallies[0]
    rule._max_held = 4000  # bytes: 1000 requests
    for number in range(50):
        counter.feed(
            [log.line(log.noon, f"203.0.113.{1 + number % 50}", request=f"GET /{n} HTTP/1.1") for n in range(1000)]
        )
    assert rule.shed == 50
    assert rule.windows == {}


def _behind_proxies(log: Any, header: str, address: str = "192.0.2.80") -> list[bytes]:
    return log.lines(30, log.noon, address, rest=f' "-" "Mozilla/5.0" "{header}"')


def test_ah13_behind_a_trusted_proxy_the_rightmost_other_hop_is_the_client(engine, log) -> None:
    counter = engine(THIRTY, trusted=("192.0.2.80", "192.0.2.81"))
    (verdict,) = counter.feed(_behind_proxies(log, "198.51.100.9, 203.0.113.7, 192.0.2.81"))
    assert (verdict.network, verdict.forwarded) == ("203.0.113.7", True)
    (verdict,) = counter.feed(log.lines(30, log.noon, "203.0.113.7"))
    assert (verdict.network, verdict.forwarded) == ("203.0.113.7", False)


@pytest.mark.parametrize(
    "header", ["-", "", "unknown", "198.51.100.9, unknown", "192.0.2.81", r"203.0.113.7\x22", "a" * 99]
)
def test_ah13_a_proxy_that_does_not_say_for_whom_is_never_banned(engine, log, header) -> None:
    counter = engine(THIRTY, trusted=("192.0.2.80", "192.0.2.81"))
    assert counter.feed(_behind_proxies(log, header)) == []
    assert counter.formats["web"].unparsed == 0


def test_ah13_from_anybody_else_the_header_says_nothing(engine, log) -> None:
    counter = engine(THIRTY, trusted=("192.0.2.80",))
    assert banned(counter.feed(_behind_proxies(log, "198.51.100.9", "203.0.113.7"))) == ["203.0.113.7"]


def test_ah13_the_field_of_the_header_is_told_by_its_number(engine, log) -> None:
    counter = engine(THIRTY, trusted=("192.0.2.80",), forwarded=5)
    rest = r' "-" "a \"quoted\" agent" "198.51.100.9" "203.0.113.7"'
    assert banned(counter.feed(log.lines(30, log.noon, "192.0.2.80", rest=rest))) == ["203.0.113.7"]
