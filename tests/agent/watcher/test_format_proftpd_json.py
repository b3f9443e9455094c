# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format proftpd-json: its corpus, hostile values, and clients that would like to be somebody else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import corpus
import pytest
from formatlab import VALUES, refused
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.clients import Clients
from stockade.watcher.config import parse as parse_config
from stockade.watcher.config.inputs import Input
from stockade.watcher.engine import Engine, kinds_of
from stockade.watcher.events import ATTEMPT, FAILURE, Message
from stockade.watcher.formats.proftpd_json import ProftpdJsonFormat

FTP = 1453284672  # 2016-01-20T10:11:12Z
DENIED = {
    "remote_ip": "203.0.113.5",
    "response_code": "530",
    "time": "[20/Jan/2016:10:11:12 +0000]",
    "client_response": "Login incorrect.",
}


def make_ftp(**more: Any) -> ProftpdJsonFormat:
    entry = Input(name="ftp", path="/var/log/ftp.log", format="proftpd-json", **more)
    return ProftpdJsonFormat(Clients(own=["192.0.2.11"]), entry)


def ftp(**changes: Any) -> bytes:
    return json.dumps(DENIED | changes).encode()


def as_expected(event: Message) -> dict[str, Any]:
    return corpus.message(event) | {"text": event.text}


def test_d3_every_line_of_the_corpus_is_what_its_annotation_says() -> None:
    parser = make_ftp()
    corpus.check(parser, corpus.load("proftpd.json.log"), as_expected)
    assert parser.parsed and parser.unparsed


def test_time_of_is_the_time_of_any_line_that_has_one() -> None:
    assert make_ftp().time_of(ftp(remote_ip="-")) == FTP
    assert make_ftp().time_of(b"{") is None


def engine(tmp: Any) -> Engine:
    rules = [
        {"name": "names", "type": "users", "names": ["root", "admin"], "maxretry": 2, "findtime": "permanent"},
        {"name": "logins", "type": "failures", "maxretry": 6, "findtime": 300},
    ]
    entry = {"name": "ftp", "path": f"{tmp}/ftp.log", "format": "proftpd-json"}
    config = parse_config({"input": [entry], "rule": rules})
    return Engine(config, clients=Clients(own=[], kinds=kinds_of(config)))


def verdicts(tmp: Any, lines: list[bytes]) -> Iterator[tuple[str, str]]:
    subject = engine(tmp)
    for verdict in subject.feed(lines):
        yield verdict.rule, verdict.network


def at(second: int) -> str:
    return time.strftime("[%d/%b/%Y:%H:%M:%S +0000]", time.gmtime(FTP + second))


def test_d4_dh2_junk_behind_the_object_is_tolerated_and_a_brace_in_it_is_not_its_end() -> None:
    parser = make_ftp()
    text = ftp(client_response="Password required for a}b{c", response_code="331")
    for junk in (b"", b" ", b"\r", b"}", b" junk", b"}}{{", b", null", b"\xff\x00"):
        (event,) = parser.parse([text + junk])
        assert (event.kind, event.user, event.client) == (ATTEMPT, "a}b{c", ("203.0.113.5",))
    assert parser.unparsed == 0


def test_d4_junk_that_could_be_the_rest_of_the_object_is_refused() -> None:
    for key in DENIED:
        assert refused(make_ftp(), ftp() + f'","{key}":"x"}}'.encode())


def test_d5_dh1_a_bad_line_is_counted_and_the_next_one_goes_on() -> None:
    parser = make_ftp()
    lacking = [json.dumps({key: value for key, value in DENIED.items() if key != gone}).encode() for gone in DENIED]
    bad = [b"garbage", b"", ftp()[:-1], b"{}", b'{"a":' * 10_000, b"[]", lacking[0], lacking[1], lacking[2]]
    found = parser.parse([ftp(), *bad, ftp()])
    assert [event.kind for event in found] == [FAILURE, FAILURE]
    assert (parser.parsed, parser.unparsed) == (2, len(bad))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("remote_ip", [7, None, "host.example", "", "203.0.113.5 ", ["203.0.113.5"]]),
        ("time", [None, 7.5e30, "20/Jan/2016:10:11:12", []]),
        ("response_code", ["53", "5300", "٥٣٠", "", 53, 5300, 530.0, True, None, []]),
        ("client_response", [7, [], {}, True]),
    ],
)
def test_dh1_values_of_another_type_are_refused(key: str, values: list[object]) -> None:
    for value in values:
        assert refused(make_ftp(), ftp(**{key: value})), value


def test_d6_an_answer_that_is_none_means_nothing() -> None:
    parser = make_ftp()
    assert parser.parse([ftp(response_code="-")] * 7) == []
    assert (parser.parsed, parser.unparsed) == (7, 0)


def test_d7_two_tries_of_a_listed_name_ban_and_the_name_is_the_whole_rest(tmp_path: Any) -> None:
    def tried(name: str, said: str = "Password required for ") -> bytes:
        return ftp(response_code="331", client_response=said + name)

    assert list(verdicts(tmp_path, [tried("root"), tried("admin")])) == [("names", "203.0.113.5")]
    for other in ("Root", "root ", "rooty", " root", "x for root"):
        assert list(verdicts(tmp_path, [tried(other)] * 3)) == []
    assert list(verdicts(tmp_path, [tried("root", "password required for ")] * 3)) == []
    assert list(verdicts(tmp_path, [tried("root"), ftp()])) == []  # one login that failed is one try


def test_d7_one_login_is_one_try_where_lines_have_the_user(tmp_path: Any) -> None:
    login = [ftp(response_code="331", client_response="Password required for root", user="root"), ftp(user="root")]
    assert list(verdicts(tmp_path, login)) == []
    assert list(verdicts(tmp_path, login * 2)) == [("names", "203.0.113.5")]


@pytest.mark.parametrize(("seconds", "banned"), [((0, 60, 120, 180, 299), False), ((0, 60, 120, 180, 240, 299), True),
                                                 ((0, 60, 120, 180, 240, 300), False)])  # fmt: skip
def test_d8_more_than_five_failures_within_300_seconds(tmp_path: Any, seconds: tuple[int, ...], banned: bool) -> None:
    lines = [ftp(time=at(second)) for second in seconds]
    assert list(verdicts(tmp_path, lines)) == ([("logins", "203.0.113.5")] if banned else [])


def test_dh3_ipv6_is_one_client_by_its_network() -> None:
    events = make_ftp().parse([ftp(remote_ip="2001:db8:1:2::1"), ftp(remote_ip="2001:DB8:1:2::2")])
    assert {event.client for event in events} == {("2001:db8:1:2::/64",)}


def test_dh13_the_offset_counts() -> None:
    (event,) = make_ftp().parse([ftp(time="[20/Jan/2016:10:11:12 -0530]")])
    assert event.time == FTP + 5 * 3600 + 1800


def test_messages_to_ignore_are_parsed_and_dropped() -> None:
    parser = make_ftp(ignore=("Login inc",))
    assert parser.parse([ftp(), ftp(client_response="Access denied")])[0].text == "Access denied"
    assert (parser.parsed, parser.unparsed) == (2, 0)


def test_never_banned_clients_give_no_event() -> None:
    parser = make_ftp()
    assert parser.parse([ftp(remote_ip="127.0.0.1"), ftp(remote_ip="::1")]) == []
    assert (parser.parsed, parser.unparsed) == (2, 0)


def test_names_and_messages_can_always_be_written() -> None:
    (event,) = make_ftp().parse([ftp(response_code="331", client_response="Password required for a\ud800")])
    assert event.user == "a?"
    (event,) = make_ftp().parse([ftp(client_response="QQ").replace(b"QQ", b"\xff")])
    event.text.encode()


@given(st.binary(max_size=300))
def test_no_bytes_raise(text: bytes) -> None:
    parser = make_ftp()
    parser.parse([text, b'{"' + text, ftp()[:-1] + b"," + text, text + ftp()])
    parser.time_of(text)
    assert parser.parsed + parser.unparsed == 4


@given(st.sampled_from([*DENIED, "user"]), VALUES)
def test_no_value_raises(key: str, value: object) -> None:
    parser = make_ftp()
    parser.parse([ftp(**{key: value})])
    assert parser.parsed + parser.unparsed == 1


@given(st.text())
def test_dh2_a_name_that_is_escaped_changes_neither_address_nor_time_nor_kind(name: str) -> None:
    for text in (ftp(user=name), ftp(client_response=f"Password required for {name}", response_code="331")):
        (event,) = make_ftp().parse([text])
        assert (event.time, event.client) == (FTP, ("203.0.113.5",))
        assert event.kind in (FAILURE, ATTEMPT)


@given(st.binary(max_size=60).filter(lambda name: b"\n" not in name))
def test_dh2_a_name_that_is_not_escaped_cannot_become_another_address(name: bytes) -> None:
    for start, end in ((b'{"remote_ip":"203.0.113.5",', b"}"), (b"{", b',"remote_ip":"203.0.113.5"}')):
        for said in (name, b'x","remote_ip":"192.0.2.77"' + name, b'x","remote_ip":"192.0.2.77"}' + name):
            middle = b'"response_code":"530","time":"[20/Jan/2016:10:11:12 +0000]","client_response":"' + said + b'"'
            for event in make_ftp().parse([start + middle + end]):
                assert event.client == ("203.0.113.5",)
