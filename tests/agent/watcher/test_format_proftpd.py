# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format proftpd: its own log, syslog, the journal, and clients that would like to be somebody else."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import CodeType, FrameType
from typing import Any

import corpus
import pytest
from formatlab import names_of, takes_anything
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import FAILURE, OTHER
from stockade.watcher.formats import proftpd as proftpd_module
from stockade.watcher.formats.proftpd import ProftpdFormat

NOON = int(datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC).timestamp())
CORPUS = corpus.load("proftpd.log")
OWN = "2026-11-26 12:00:00,123 web1 proftpd[1] 192.0.2.11 (client.example[203.0.113.9]): "


def make(timezone: str = "UTC", ignore: tuple[str, ...] = ()) -> ProftpdFormat:
    entry = Input(name="ftp", path="/var/log/proftpd/proftpd.log", format="proftpd", timezone=timezone, ignore=ignore)
    parser = ProftpdFormat(Clients(own=["192.0.2.11"], kinds=("address",)), entry)
    parser.syslog.moments.reference = NOON
    return parser


def test_every_line_of_the_corpus_is_what_its_annotation_says() -> None:
    parser = make()
    corpus.check(parser, CORPUS)
    assert parser.unparsed == 0


def test_every_branch_of_the_grammar_has_a_line_in_the_corpus() -> None:
    """By the lines of code that reading the corpus runs through: a branch without a sample is a line left out."""
    codes = {
        function.__code__
        for _name, function in inspect.getmembers(ProftpdFormat, inspect.isfunction)
        if function.__name__ not in ("forget", "time_of", "parse_entries")
    } | {proftpd_module._meaning.__code__}
    seen = {(code, code.co_firstlineno) for code in codes}

    def trace(frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        if frame.f_code not in codes:
            return None
        seen.add((frame.f_code, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        make().parse([line for _expected, line in CORPUS] + [b"none", b"2026-02-30 12:00:00 web1 proftpd[1]: x"])
    finally:
        sys.settrace(before)
    assert {(code.co_name, line) for code in codes for line in lines_of(code)} == {
        (code.co_name, line) for code, line in seen
    }


def lines_of(code: CodeType) -> set[int]:
    return {line for _start, _end, line in code.co_lines() if line is not None}


def test_d3_the_journal_has_the_same_from_the_server_on() -> None:
    parser = make()
    client = "127.0.0.1 (198.51.100.9[198.51.100.9])"
    events = parser.parse_entries(
        [
            (NOON - 5, f"{client} - USER bob (Login failed): Incorrect password".encode()),
            (NOON - 4, f"{client} - USER bob: no such user found from x [198.51.100.53] to 192.0.2.11:21".encode()),
            (NOON - 3, f"{client}: USER bob (Login failed): Incorrect password".encode()),
            (NOON - 2, f"1999-01-01 12:00:00,123 web1 proftpd[1] {client}: USER bob (Login failed): x".encode()),
            (NOON - 1, b"ProFTPD killed (signal 15)"),
        ]
    )
    assert [(event.time, event.kind, event.client) for event in events] == [
        (NOON - ago, FAILURE, ("198.51.100.9",)) for ago in (5, 4, 2)
    ]
    assert parser.parsed == 5


def test_d3_dh13_times_of_its_own_log_are_local() -> None:
    parser = make("Europe/Berlin")
    (event,) = parser.parse([(OWN + "FTP session opened.").encode()])
    assert event.time == int(datetime(2026, 11, 26, 11, 0, 0, tzinfo=UTC).timestamp())


def test_dh13_the_hour_that_comes_twice() -> None:
    parser = make("Europe/Berlin")
    head, tail = "2026-10-25 ", ",123" + OWN.partition(",123")[2] + "FTP session opened."
    lines = [f"{head}{clock}{tail}".encode() for clock in ("02:30:00", "02:59:59", "02:00:00", "02:30:00", "03:00:00")]
    first = int(datetime(2026, 10, 25, 0, 30, 0, tzinfo=UTC).timestamp())
    assert [event.time - first for event in parser.parse(lines)] == [0, 1799, 1800, 3600, 5400]
    assert parser.time_of(lines[0]) == first + 3600
    assert parser.parse(lines[-1:])[0].time - first == 5400


@pytest.mark.parametrize(
    "line",
    ["", "x", "2026-11-26 12:00:00,123", "2026-11-26 12:00:00,123 ", "2026-11-26 25:00:00,123 web1 proftpd[1]: x",
     "2026-02-30 12:00:00,123 web1 proftpd[1]: x", "2026-11-26 12:00:00.123456 web1 proftpd[1]: x",
     "2026-11-26 12:00:00,123  proftpd[1]: x", "Nov 26 12:00:00 web1", '{"remote_ip": "203.0.113.9"}'],
)  # fmt: skip
def test_lines_without_time_or_host_are_counted(line: str) -> None:
    parser = make()
    good = (OWN + "FTP session opened.").encode()
    assert len(parser.parse([good, line.encode(), good])) == 2
    assert (parser.parsed, parser.unparsed) == (2, 1)


def test_looking_at_a_line_changes_nothing() -> None:
    parser = make()
    own, syslog = (OWN + "x").encode(), b"Nov 26 12:00:07 web1 proftpd[1]: x"
    assert [parser.time_of(line) for line in (own, syslog, b"2026-02-30 12:00:00 x")] == [NOON, NOON + 7, None]
    assert (parser.parsed, parser.unparsed, parser.syslog.moments.last) == (0, 0, 0)


def test_ignored_beginnings_are_dropped() -> None:
    lines = [(OWN + text).encode() for text in ("FTP session opened.", "FTP session closed.")]
    assert [event.text for event in make(ignore=("FTP session o",)).parse(lines)] == ["FTP session closed."]


def test_one_attempt_is_one_failure() -> None:
    texts = ["FTP session opened.", *["USER x (Login failed): Incorrect password"] * 3]
    texts += ["Maximum login attempts (3) exceeded, connection refused", "FTP session closed."]
    kinds = [event.kind for event in make().parse([(OWN + text).encode() for text in texts])]
    assert kinds == [OTHER, FAILURE, FAILURE, FAILURE, OTHER, OTHER]


def test_the_vector_of_a_header_in_the_name() -> None:
    name = "web1 proftpd[17424] web1 (hihoinjection[192.0.2.44])"
    end = ": no such user found from ::ffff:203.0.113.100 [::ffff:203.0.113.100] to ::ffff:192.0.2.11:21"
    line = f"Nov 26 12:00:00 web1 proftpd[17839] web1 (::ffff:203.0.113.100[::ffff:203.0.113.100]): USER {name}{end}"
    (event,) = make().parse([line.encode()])
    assert (event.client, event.user) == (("203.0.113.100",), name)


WORDS = (
    "web1 proftpd[1]", "(x[198.51.100.53]):", "(x[198.51.100.53]) - ", "USER", "198.51.100.53", "]", ")", "(", "[", ":",
    "",
    "(Login failed):", ": Login successful.", ": no such user found from", "message repeated 2 times: [", "x", "\r",
)  # fmt: skip
USERS = names_of(WORDS)
HEADS = (
    b"2026-11-26 12:00:00,123 web1 proftpd[1] 192.0.2.11 (client.example[%b]): ",
    b"Nov 26 12:00:00 web1 proftpd[1] 192.0.2.11 (client.example[%b]): ",
    b"Nov 26 12:00:00 web1 proftpd[1]: 192.0.2.11 (client.example[%b]) - ",
    b"2026-11-26T12:00:00+01:00 web1 proftpd[1]: 192.0.2.11 (client.example[%b]) - ",
)
ENDS = (b" (Login failed): Incorrect password", b": no such user found from client.example [%b] to 192.0.2.11:21")


@settings(max_examples=500, deadline=None)
@given(
    user=USERS,
    head=st.sampled_from(HEADS),
    end=st.sampled_from(ENDS),
    address=st.sampled_from([b"203.0.113.77", b"fe80::1%eth0", b"2001:db8::77"]),
)
def test_no_name_whatsoever_makes_it_another_address_or_a_success(
    user: bytes, head: bytes, end: bytes, address: bytes
) -> None:
    line = head % address + b"USER " + user + end.replace(b"%b", address)
    events = make().parse([line])
    assert [(event.client, event.kind) for event in events] == (
        [] if b"%" in address else [((address.decode(),), FAILURE)]
    )


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.one_of(st.binary(max_size=120), USERS, USERS.map(lambda text: OWN.encode() + text)), max_size=5)
)
def test_no_bytes_whatsoever_raise(lines: list[bytes]) -> None:
    assert takes_anything(make(), lines)
