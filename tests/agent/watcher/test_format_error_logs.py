# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error logs of nginx and Apache: row B33, and that nothing a client sends stands in for its address (AH8, CH1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from corpus import load
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.formats import apache_error, forged, nginx_error
from stockade.watcher.formats.apache_error import ApacheErrorFormat
from stockade.watcher.formats.nginx_error import NginxErrorFormat

NOON = 1_795_694_400  # 2026-11-26 12:00:00 UTC
CLIENTS = Clients(own=(), kinds=("address",))
CLIENT, VICTIM = "203.0.113.9", "198.51.100.9"
CONTEXT = b', server: www.example.org, request: "GET /private/ HTTP/1.1", host: "www.example.org"'
NGINX = b"2026/11/26 12:00:00 [error] 7406#7406: *5 "
APACHE = b"[Thu Nov 26 12:00:00.123456 2026] [auth_basic:error] [pid 7754:tid 140] [client 203.0.113.9:54321] "


def nginx(**settings: Any) -> NginxErrorFormat:
    return NginxErrorFormat(CLIENTS, Input("web", path="/x", **{"timezone": "UTC", **settings}))


def apache(**settings: Any) -> ApacheErrorFormat:
    return ApacheErrorFormat(CLIENTS, Input("web", path="/x", **{"timezone": "UTC", **settings}))


def keys(events: list[Any]) -> list[str]:
    return [event.client[0] for event in events]


CORPORA = [(nginx, pair) for pair in load("nginx-error.log")] + [(apache, pair) for pair in load("apache-error.log")]


@pytest.mark.parametrize(("make", "pair"), CORPORA, ids=[line.decode("latin-1") for _make, (_e, line) in CORPORA])
def test_b33_every_line_of_the_corpora_becomes_what_its_annotation_says(make, pair) -> None:
    expected, line = pair
    parser = make()
    events = parser.parse([line])
    assert len(events) == (expected is not None)
    for event in events:  # one at most
        assert event.client == CLIENTS.resolve(expected["address"].encode())
        assert (event.time, event.kind, event.user) == (expected["time"], expected["kind"], expected["user"])
    assert parser.parsed + parser.unparsed == 1
    if expected is not None:
        assert parser.time_of(line) == expected["time"]


@pytest.mark.parametrize(("make", "name", "unparsed"), [(nginx, "nginx-error.log", 3), (apache, "apache-error.log", 3)])
def test_the_remarks_of_the_corpora_say_what_is_not_parsed(make, name, unparsed) -> None:
    parser = make()
    for _expected, line in load(name):
        parser.parse([line])
    assert parser.unparsed == unparsed


def test_every_alternative_of_apaches_failures_has_a_line_in_the_corpus() -> None:
    groups = set()
    for _expected, line in load("apache-error.log"):
        for match in re.finditer(rb"\] (?:AH\d{5}: )?", line):
            failure = apache_error._FAILURE.match(line, match.end())
            if failure:
                groups.add(failure.lastindex)
    assert groups == set(range(1, apache_error._FAILURE.groups + 1))


def test_every_branch_of_nginxs_messages_has_a_line_in_the_corpus() -> None:
    messages = [line.partition(b": *")[2].partition(b" ")[2] for _expected, line in load("nginx-error.log")]
    assert sum(nginx_error._failure(message) is not None for message in messages) >= 2
    assert any(b": password mismatch" in message for message in messages)
    assert any(b" was not found in " in message for message in messages)
    assert sum(nginx_error._CONFIGURED.match(message) is not None for message in messages) >= 4


# -- nothing that a client sends changes the address --

hostile = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                f", client: {VICTIM}", ", server: x", '"', '": password mismatch', '" was not found in "', "[client ",
                "] ", f"[client {VICTIM}:80] ", "AH01617: user bob", ": authentication failure for ", " not found: ",
                VICTIM, ', request: "GET / HTTP/1.1"', ', host: "h"', " ", ":", "\\", "'", "`", "bob", "\t", "/",
                "\x7f", "\xff",
            ]
        ),
        max_size=12,
    ).map("".join),
)  # fmt: skip


@given(user=hostile, request=hostile, referrer=hostile)
def test_ah8_no_user_name_request_or_referrer_changes_the_address_of_an_nginx_failure(user, request, referrer) -> None:
    name = user.replace(":", "").replace("\n", "").encode("utf-8", "replace")
    tail = f', server: x, request: "GET {request} HTTP/1.1", host: "h", referrer: "{referrer}"'.replace("\n", "")
    for message in (b'user "%s": password mismatch', b'user "%s" was not found in "/etc/nginx/htpasswd"'):
        line = NGINX + message % name + b", client: 203.0.113.9" + tail.encode("utf-8", "replace")
        events = nginx().parse([line])
        if len(line) + 1 not in forged.LIMITS:
            assert keys(events) == [CLIENT]
            assert events[0].kind == "failure"
            assert events[0].user == name.decode("utf-8", "replace")


@given(path=hostile, request=hostile, referrer=hostile)
def test_ah8_no_path_changes_the_address_of_another_nginx_message(path, request, referrer) -> None:
    text = (
        f'open() "/var/www/{path}" failed (2: No such file or directory), client: {CLIENT}, server: x, '
        f'request: "GET {request} HTTP/1.1", host: "h", referrer: "{referrer}"'
    ).replace("\n", "")
    assert set(keys(nginx().parse([NGINX + text.encode("utf-8", "replace")]))) <= {CLIENT}


@given(user=hostile, path=hostile, referrer=hostile)
def test_ah8_no_user_name_path_or_referrer_changes_the_address_of_an_apache_failure(user, path, referrer) -> None:
    user = user.replace(":", "")
    for text in (
        f'AH01617: user {user}: authentication failure for "{path}": Password Mismatch, referer: {referrer}',
        f"AH01618: user {user} not found: {path}, referer: {referrer}",
        f"AH01630: client denied by server configuration: {path}",
        f"{path}",
    ):
        line = APACHE + text.replace("\n", "\\n").encode("utf-8", "replace")
        assert keys(apache().parse([line])) == [CLIENT]


@given(st.lists(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda text: NGINX + text)), max_size=5))
def test_no_bytes_raise_and_every_line_is_counted(lines) -> None:
    for parser in (nginx(), apache()):
        parser.parse(lines)
        assert parser.parsed + parser.unparsed == len(lines)
        for line in lines:
            parser.time_of(line)


def test_ch9_a_truncated_address_is_none() -> None:
    assert nginx().parse([NGINX + b'user "bob": password mismatch, client: 203.0.113.1']) == []
    assert nginx().parse([NGINX + b"access forbidden by rule, client: 203.0.113.1"]) == []


# -- lines that a client wrote into nginx's log --

FORGED = (
    f'2026/11/26 12:00:00 [error] 1#1: *1 user "bob": password mismatch, client: {VICTIM}, server: x, '
    'request: "GET / HTTP/1.1", host: "h"'
)


def entry(path: str, limit: int = 2048) -> list[bytes]:
    """The lines that nginx writes about a request for a file that is not there."""
    text = (
        NGINX.decode() + f'open() "/var/www{path}" failed (2: No such file or directory), client: {CLIENT}, server: w, '
        f'request: "GET {quote(path, safe="/[]:,()#*")} HTTP/1.1", host: "w"'
    )
    return (text.encode()[: limit - 1]).split(b"\n")


@pytest.mark.parametrize("limit", forged.LIMITS)
@pytest.mark.parametrize(
    "path",
    [
        f"/a\n{FORGED}\n/b",
        f"/a\n{FORGED}\n{FORGED}\n2026/11/26 12:00:00 [error] 1#1: *1 open() \"/x",
        f"/a\" failed (2: No such file or directory), client: {VICTIM}, server: x\n{FORGED}\n/b",
        f"/a\n{FORGED}\n" + "c" * 5000,
        f"/a\n{FORGED}\n{FORGED} " + "c" * 5000,
        f'/a" failed (2: No such file or directory), client: {VICTIM}, server: x, request: "\n{FORGED}\n' + "c" * 5000,
    ],
)  # fmt: skip
def test_ch1_a_line_break_in_a_path_bans_nobody_else(path, limit) -> None:
    parser = nginx()
    lines = entry(path, limit)
    assert any(VICTIM.encode() in line for line in lines)
    assert VICTIM not in keys(parser.parse(lines))
    assert parser.parsed + parser.unparsed == len(lines)
    assert parser.unparsed >= 1


def test_ch1_the_same_line_is_a_failure_when_nginx_wrote_it() -> None:
    assert keys(nginx().parse([FORGED.encode()])) == [VICTIM]


def test_ch1_a_line_break_behind_the_request_bans_nobody_else() -> None:
    path = quote(f"/a\n{FORGED}\n/b", safe="/[]:,()#*")
    text = (
        f"{NGINX.decode()}connect() failed (111: Connection refused) while connecting to upstream, client: {CLIENT}, "
        f'server: w, request: "GET {path} HTTP/1.1", subrequest: "/a\n{FORGED}\n/b", host: "w"'
    )
    assert keys(nginx().parse(text.encode().split(b"\n"))) == [CLIENT]


def test_ch1_segments_that_nginx_takes_out_of_the_path_hide_nothing() -> None:
    lines = entry(f"/a\n{FORGED}\n/b")
    lines[-1] = lines[-1].replace(b"2026/11/26", b"2026//z/../11/./26", 1)
    assert VICTIM not in keys(nginx().parse(lines))


def test_a_neighbour_with_line_breaks_does_not_hide_failures() -> None:
    failure = NGINX + b'user "bob": password mismatch, client: 192.0.2.7' + CONTEXT
    guess = f'7406#7406: *4 user "bob": password mismatch, client: 192.0.2.7{CONTEXT.decode()}'
    lines = [failure, *entry(f"/\n{guess}\n\n\n")]
    assert "192.0.2.7" in keys(nginx().parse(lines))


def test_a_flood_of_failures_as_long_as_nginx_s_limit_counts() -> None:
    line = NGINX + b'user "bob": password mismatch, client: 203.0.113.9, server: x, request: "GET /%s HTTP/1.1"'
    line = line % (b"a" * (256 - len(line) - 1 + 2))
    assert len(line) + 1 == 256
    assert len(nginx().parse([line] * 64)) == 64


def test_ch1_a_long_read_that_ends_inside_an_entry_waits_for_the_rest() -> None:
    filler = [NGINX + b"access forbidden by rule, client: 203.0.113.9" + CONTEXT] * 1000
    path = f"/a\n{FORGED}\n/b"
    for cut in range(1, len(entry(path))):
        parser = nginx()
        events = parser.parse([*filler, *entry(path)[:cut]])
        assert 900 < len(events) < 1000
        events += parser.parse([*entry(path)[cut:], *filler[:10]])
        assert VICTIM not in keys(events)
        assert len(events) == 1010
        assert parser.parsed + parser.unparsed == 1010 + len(entry(path))


def test_ch1_an_entry_at_nginx_s_limit_in_a_long_read_is_seen_from_its_start() -> None:
    for fill in range(0, 4200, 60):  # wherever the long read ends in it or behind it
        parser = nginx()
        start = [NGINX + b"access forbidden by rule, client: 203.0.113.9" + CONTEXT] * 1000
        lines = [*entry(f"/{'a' * 1500}\n{FORGED}\n{FORGED}" + "c" * 5000), b"#" * fill]
        for cut in range(len(lines) + 1):
            events = parser.parse([*start, *lines[:cut]]) + parser.parse([*lines[cut:], *start[:30]])
            assert VICTIM not in keys(events)


# -- settings --


def test_the_time_zone_of_the_input_counts() -> None:
    for make, line in (
        (nginx, NGINX + b'user "bob": password mismatch, client: 203.0.113.9' + CONTEXT),
        (apache, APACHE + b"AH01618: user bob not found: /"),
    ):
        assert [event.time for event in make(timezone="Asia/Tokyo").parse([line])] == [NOON - 9 * 3600]
        assert make(timezone="Asia/Tokyo").time_of(line) == NOON - 9 * 3600


def test_messages_that_the_input_ignores_are_parsed_and_no_event() -> None:
    for parser, line in (
        (nginx(ignore=("access forbidden",)), NGINX + b"access forbidden by rule, client: 203.0.113.9" + CONTEXT),
        (apache(ignore=("client denied",)), APACHE + b"AH01630: client denied by server configuration: /x"),
    ):
        assert parser.parse([line]) == []
        assert (parser.parsed, parser.unparsed) == (1, 0)
