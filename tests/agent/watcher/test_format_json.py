# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format access-json: corpora, hostile values, and clients that would like to be somebody else."""

from __future__ import annotations

import json
import time
from typing import Any

import corpus
import pytest
from formatlab import VALUES, refused
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.clients import FORWARDED, Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import Request
from stockade.watcher.formats.access_json import AccessJsonFormat

NOON = 1795694400  # 2026-11-26T12:00:00Z
PROXY = "192.0.2.1"

FLAT = {
    "time_iso8601": "2026-11-26T12:00:00Z",
    "remote_addr": "203.0.113.1",
    "remote_user": "",
    "request_method": "GET",
    "request_uri": "/page",
    "server_protocol": "HTTP/1.1",
    "status": "404",
    "http_user_agent": "curl",
    "http_x_forwarded_for": "",
}


def make(dialect: str = "nginx", **more: Any) -> AccessJsonFormat:
    entry = Input(name="web", path="/var/log/web.log", format="access-json", dialect=dialect, **more)
    return AccessJsonFormat(Clients(own=["192.0.2.11"]), entry)


def line(**changes: Any) -> bytes:
    return json.dumps(FLAT | changes).encode()


def one(parser: AccessJsonFormat, text: bytes) -> Request:
    (event,) = parser.parse([text])
    return event


# -- corpora --


def as_expected(event: Request) -> dict[str, Any]:
    when, client, request, status, fields = event
    start, end = status + b'0 "-" "', b'"'
    assert fields.startswith(start)
    assert fields.endswith(end)
    agent = fields[len(start) : -len(end)]
    found = {"time": when, "address": client[0], "request": request.decode(), "status": status.decode()}
    return found | {"agent": agent.decode()}


@pytest.mark.parametrize("name", ["nginx", "caddy", "traefik"])
def test_ah8_every_line_of_the_corpora_is_what_its_annotation_says(name: str) -> None:
    parser = make(name)
    corpus.check(parser, corpus.load(f"access-{name}.json.log"), as_expected)
    assert parser.parsed and parser.unparsed


# -- access-json --


def test_ah8_what_a_client_says_cannot_shift_the_parts_of_the_request_line() -> None:
    event = one(make(), line(request_method='G ET"', request_uri='/a b\n"\\\x7f', server_protocol="HTTP/1.1 x"))
    assert event[2] == b"G%20ET%22 /a%20b%0A%22%5C%7F HTTP/1.1%20x"
    assert one(make(), line(request_uri="/a b"))[2] == b"GET /a%20b HTTP/1.1"
    assert one(make(), line(request_method="A B", server_protocol="x"))[2] == b"A%20B /page x"
    assert one(make(), line(request_method="A B", request_uri="", server_protocol=""))[2] == b"A%20B -"
    assert one(make(), line(request_uri="/é"))[2] == "GET /é HTTP/1.1".encode()


def test_ah8_an_agent_with_quotes_stays_one_field() -> None:
    event = one(make(), line(http_user_agent='a" "b\\\r\n\x00'))
    assert event[4] == rb' 404 0 "-" "a\x22 \x22b\x5C\x0D\x0A\x00"'


def test_ah8_a_user_with_a_blank_shifts_nothing() -> None:
    assert one(make(), line(remote_user="foo bar"))[:2] == (NOON, ("203.0.113.1",))


def test_ah8_bytes_that_are_no_utf8_hide_no_request() -> None:
    event = one(make(), line().replace(b"/page", b"/\xff\xfe").replace(b"curl", b"\xe9"))
    assert event[2] == b"GET /\xff\xfe HTTP/1.1"
    assert event[4] == b' 404 0 "-" "\xe9"'


def test_ah8_nginx_without_json_escapes_is_read_and_no_other() -> None:
    text = line(http_user_agent="QQ").replace(b"QQ", rb"\x22,\x22remote_addr\x22:\x22192.0.2.77\xC3\xA9\x0A")
    event = one(make(), text)
    assert event[1] == ("203.0.113.1",)
    assert event[4] == ' 404 0 "-" "\\x22,\\x22remote_addr\\x22:\\x22192.0.2.77é\\x0A"'.encode()
    assert refused(make(), line(http_user_agent="QQ").replace(b"QQ", rb"\xZZ"))
    assert refused(make(), line(http_user_agent="QQ").replace(b"QQ", rb"\\\y\x22"))
    assert one(make(), line(http_user_agent=r"\x22"))[4] == rb' 404 0 "-" "\x5Cx22"'
    text = (
        b'{"StartUTC":"2026-11-26T12:00:00Z","ClientAddr":"203.0.113.1:1","DownstreamStatus":200,"RequestMethod":"GET",'
    )
    assert refused(make("traefik"), text + rb'"RequestPath":"/\x22"}')


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + line(),
        line() + b"}",
        line() + b" {}",
        b"x" + line(),
        line().replace(b"curl", b"a\x00b"),
        line().replace(b'"404"', b"NaN"),
        line().replace(b'"curl"', b"NaN"),
        line().replace(b'"curl"', b"-Infinity"),
        line().replace(b'"404"', b"4" * 10_000),
        line().replace(b'"404"', b"4e9999"),
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"remote_addr":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
)
def test_ah8_what_is_no_object_with_these_values_is_counted_and_left_out(text: bytes) -> None:
    parser = make()
    assert refused(parser, text)
    assert parser.time_of(text) in (None, NOON)
    assert refused(make("caddy"), text) or text in (b"{}", line().replace(b'"404"', b"4e9999"))  # not about a request
    assert refused(make("traefik"), text)


@pytest.mark.parametrize("address", ["client.example", "--help", "", "-", "203.0.113", "203.0.113.01", "203.0.113.0/24",
                                     "face", "203.0.113.1 ", "２０３.0.113.1", "\ud800", "unix:", 3405803777, True,
                                     None, ["203.0.113.1"], {"a": 1}])  # fmt: skip
def test_ah17_the_address_is_one_or_the_line_is_refused(address: object) -> None:
    assert refused(make(), line(remote_addr=address))


@pytest.mark.parametrize(
    "status", ["99", "1000", "40", "4044", " 404", "٤٠٤", "", 99, 1000, -1, 404.0, True, None, [404]]
)
def test_ah8_the_status_is_one_or_the_line_is_refused(status: object) -> None:
    assert refused(make(), line(status=status))


@pytest.mark.parametrize(("status", "written"), [("404", b" 404 "), (404, b" 404 "), (0, b" 000 "), ("000", b" 000 ")])
def test_ah8_a_status_is_a_number_or_digits(status: object, written: bytes) -> None:
    assert one(make(), line(status=status))[3] == written


@pytest.mark.parametrize("change", [{"request_uri": 1}, {"request_method": None}, {"request_uri": ["/"]},
                                    {"server_protocol": 1.1}, {"request_method": {}}])  # fmt: skip
def test_ah8_a_request_of_another_type_is_refused(change: dict[str, Any]) -> None:
    assert refused(make(), line(**change))


@pytest.mark.parametrize("agent", [None, 7, True, {}, [], [7], ""])
def test_an_agent_of_another_type_is_none(agent: object) -> None:
    assert one(make(), line(http_user_agent=agent))[4] == b' 404 0 "-" "-"'


def test_ah8_lone_surrogates_are_kept_as_bytes() -> None:
    event = one(make(), line(request_uri="/\ud800\udc80x", http_user_agent="\udfff"))
    assert event[2].startswith(b"GET /")
    assert event[4].startswith(b' 404 0 "-" "\xed\xbf\xbf')


def test_ah8_a_mapped_key_that_is_there_twice_is_refused_another_one_is_not() -> None:
    for key in ("remote_addr", "time_iso8601", "status", "http_x_forwarded_for", "request_uri"):
        assert refused(make(), line()[:-1] + f', "{key}": "192.0.2.77"}}'.encode())
    assert refused(make(), line()[:-1] + rb', "remote\u005faddr": "192.0.2.77"}')
    assert one(make(), line()[:-1] + b', "extra": 1, "extra": 2}')[1] == ("203.0.113.1",)
    twice = b'{"ts":1795694400,"logger":"http.log.access","status":200,"request":{"remote_ip":"203.0.113.1",'
    assert refused(make("caddy"), twice + b'"method":"GET","uri":"/","remote_ip":"192.0.2.77"}}')
    assert one(make("caddy"), twice + b'"method":"GET","uri":"/"}}')[1] == ("203.0.113.1",)


def test_a_long_line_is_read_in_no_time() -> None:
    began = time.process_time()
    assert len(one(make(), line(request_uri="/" + '"' * 30_000))[2]) > 60_000
    assert len(one(make(), line(request_uri="/" + "\\" * 30_000))[2]) > 60_000
    assert refused(make(), b"\\x" * 30_000)
    assert time.process_time() - began < 1


def test_fields_override_the_dialect_and_dots_descend() -> None:
    fields = (("address", "net.peer.ip"), ("time", "@timestamp"))
    text = line(net={"peer": {"ip": "198.51.100.7"}}, **{"@timestamp": "2026-11-26T12:00:07Z"})
    assert one(make(fields=fields), text)[:2] == (NOON + 7, ("198.51.100.7",))
    text = line(**{"net": {"peer": {"ip": "198.51.100.7"}, "peer.ip": "198.51.100.8"}, "@timestamp": NOON})
    assert one(make(fields=fields), text)[1] == ("198.51.100.8",)
    text = line(**{"net": {"peer": {"ip": "198.51.100.7"}}, "net.peer.ip": "198.51.100.9", "@timestamp": NOON})
    assert one(make(fields=fields), text)[1] == ("198.51.100.9",)
    for net in (None, 7, "198.51.100.7", ["198.51.100.7"], {"peer": "198.51.100.7"}, {"peer": {}}):
        assert refused(make(fields=fields), line(net=net, **{"@timestamp": NOON})), net


def test_fields_alone_are_a_mapping_too() -> None:
    fields = (("time", "t"), ("address", "ip"), ("request", "req"), ("status", "code"))
    text = json.dumps({"t": NOON, "ip": "203.0.113.1", "req": "GET /a b HTTP/1.1", "code": 404}).encode()
    event = one(make("", fields=fields), text)
    assert event == (NOON, ("203.0.113.1",), b"GET /a b HTTP/1.1", b" 404 ", b' 404 0 "-" "-"')
    assert one(make("nginx", fields=(("request", "req"),)), line(req="PUT /x"))[2] == b"PUT /x"


def test_time_of_is_the_time_of_any_line_that_has_one() -> None:
    assert make().time_of(line(remote_addr="-")) == NOON
    assert make().time_of(line(time_iso8601="x")) is None
    assert make("caddy").time_of(b'{"ts":1795694400.5,"logger":"tls"}') == NOON


def test_ah8_unparsed_lines_do_not_stop_the_others() -> None:
    parser = make()
    events = parser.parse([line(), b"garbage", line(status="x"), line(remote_addr="127.0.0.1"), line()])
    assert (len(events), parser.parsed, parser.unparsed) == (2, 3, 2)


# -- behind a proxy --


def caddy(peer: str, forwarded: list[str]) -> bytes:
    request = {"remote_ip": peer, "proto": "HTTP/1.1", "method": "GET", "uri": "/"}
    headers = {"X-Forwarded-For": forwarded}
    whole = {"ts": NOON, "logger": "http.log.access", "request": request | {"headers": headers}, "status": 404}
    return json.dumps(whole).encode()


def test_ah13_the_header_counts_from_trusted_peers_only() -> None:
    parser = make(trusted_proxies=(PROXY,))
    text = line(http_x_forwarded_for="198.51.100.7, 203.0.113.9")
    assert one(parser, text)[1] == ("203.0.113.1",)
    text = line(remote_addr=PROXY, http_x_forwarded_for="198.51.100.7, 203.0.113.9")
    assert one(parser, text)[1] == ("203.0.113.9" + FORWARDED,)
    assert one(make(), text)[1] == (PROXY,)  # not listed: it is a client like others


@pytest.mark.parametrize(
    "header", ["", "-", "unknown", PROXY, None, 7, {}, [], ["203.0.113.9", 7], "203.0.113.9, x", "\ud800"]
)
def test_ah13_a_proxy_is_never_the_client(header: object) -> None:
    parser = make(trusted_proxies=(PROXY,))
    assert parser.parse([line(remote_addr=PROXY, http_x_forwarded_for=header)]) == []
    assert (parser.parsed, parser.unparsed) == (1, 0)


def test_ah13_a_header_that_came_twice_counts_to_its_end() -> None:
    """HAProxy adds a line of its own: the first one is whatever the client sent."""
    parser = make("caddy", trusted_proxies=(PROXY,))
    assert one(parser, caddy(PROXY, ["198.51.100.7", "203.0.113.9"]))[1] == ("203.0.113.9" + FORWARDED,)
    assert one(parser, caddy("203.0.113.1", ["198.51.100.7"]))[1] == ("203.0.113.1",)


def test_ah13_traefik_behind_a_proxy() -> None:
    parser = make("traefik", trusted_proxies=("192.0.2.0/28",))
    entry = {"ClientAddr": "192.0.2.1:4711", "ClientHost": "198.51.100.7", "DownstreamStatus": 404}
    entry |= {"RequestMethod": "GET", "RequestPath": "/", "StartUTC": "2026-11-26T12:00:00Z"}
    header = {"request_X-Forwarded-For": "198.51.100.7,203.0.113.9"}
    assert parser.parse([json.dumps(entry).encode()]) == []
    assert one(parser, json.dumps(entry | header).encode())[1] == ("203.0.113.9" + FORWARDED,)
    assert parser.unparsed == 0


def test_forget_drops_what_is_known_about_clients() -> None:
    clients = Clients(own=[])
    entry = Input(name="web", format="access-json", dialect="nginx", trusted_proxies=(PROXY,))
    parser = AccessJsonFormat(clients, entry)
    direct = line(remote_addr="2001:db8:1:2::9")
    behind = line(remote_addr=PROXY, http_x_forwarded_for="2001:db8:1:2::9")
    assert one(parser, direct)[1] == ("2001:db8:1:2::/64",)
    assert one(parser, behind)[1] == ("2001:db8:1:2::/64" + FORWARDED,)
    clients.refresh(own=["2001:db8:1:2::1"])
    parser.forget()
    assert one(parser, direct)[1] == ("2001:db8:1:2::9",)
    assert one(parser, behind)[1] == ("2001:db8:1:2::9" + FORWARDED,)


def test_the_memory_of_addresses_is_bounded() -> None:
    parser = make()
    parser.parse([line(remote_addr=f"203.0.{number >> 8}.{number & 255}") for number in range(9000)])
    parser.parse([line(remote_addr="x" * 50_000)])
    assert len(parser._known) <= 8192
    assert max(map(len, parser._known)) <= 64


# -- any bytes, any values --


@given(st.binary(max_size=300))
def test_no_bytes_raise(text: bytes) -> None:
    for parser in (make(), make("caddy"), make("traefik")):
        parser.parse([text, b'{"' + text, line()[:-1] + b"," + text, text + line()])
        parser.time_of(text)
        assert parser.parsed + parser.unparsed == 4


@given(st.sampled_from(sorted(FLAT)), VALUES)
def test_no_value_raises(key: str, value: object) -> None:
    for trusted in ((), (PROXY, "203.0.113.1")):
        parser = make(trusted_proxies=trusted)
        parser.parse([line(**{key: value})])
        assert parser.parsed + parser.unparsed == 1


@given(st.text(), st.text(), st.text(), st.text())
def test_ah8_ah13_nothing_a_client_says_changes_address_or_time(
    uri: str, agent: str, user: str, forwarded: str
) -> None:
    said = {"request_uri": uri, "http_user_agent": agent, "remote_user": user, "http_x_forwarded_for": forwarded}
    event = one(make(trusted_proxies=(PROXY,)), line(**said))
    assert (event[0], event[1], event[3]) == (NOON, ("203.0.113.1",), b" 404 ")
    assert event[2].count(b" ") == 2
    assert event[2].startswith(b"GET ")
    assert event[2].endswith(b" HTTP/1.1")
    assert event[4].count(b'"') == 4
    assert b"\n" not in event[2] + event[4]


@given(st.binary(max_size=80))
def test_ah8_nor_does_it_where_the_server_writes_it_without_json(said: bytes) -> None:
    """As nginx does with escape=default: quotes, backslashes and what is not printable ASCII as \\xNN."""
    logged = b"".join(
        b"\\x%02X" % byte if byte < 32 or byte > 126 or byte in b'"\\' else bytes((byte,)) for byte in said
    )
    event = one(make(), line(http_user_agent="QQ").replace(b"QQ", logged))
    assert (event[0], event[1], event[2], event[3]) == (NOON, ("203.0.113.1",), b"GET /page HTTP/1.1", b" 404 ")
