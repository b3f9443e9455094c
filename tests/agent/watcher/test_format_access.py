# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format access: what its lines are, whatever a client says: holes AH8, AH9, AH13 of the acceptance list."""

from __future__ import annotations

from typing import Any

import pytest
from watcherlab import THIRTY, banned

from stockade.watcher.clients import Clients
from stockade.watcher.config import parse
from stockade.watcher.engine import Engine


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
