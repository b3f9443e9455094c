# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays: the engine's verdicts as bans that would have been, logs in the order of their times, formats told apart."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stockade.warden.config import WardenConfig
from stockade.watcher import replay as replay_module
from stockade.watcher import replay_bans, replay_logs
from stockade.watcher.config import Config, Input, Rule
from stockade.watcher.replay import Replay, narrowed
from stockade.watcher.replay_guess import candidates, guess
from stockade.watcher.replay_logs import Log, LogError
from stockade.watcher.verdict import PROXY, STORM

RATE = Rule("requests", maxretry=30, findtime=60, duration=600)
HOUR, DAY = 3600, 86_400
BUSY = "203.0.113.1"


def config(*rules: Rule, **top: Any) -> Config:
    return Config(inputs=(), rules=rules or (RATE,), lookback=0, **{"max_share": 0, **top})


def replayed(
    *paths: Path, settings: Config | None = None, known: tuple[Input, ...] = (), **edges: int | None
) -> Replay:
    logs = [Log(str(path)) for path in paths]
    assert all(guess(log, candidates(known=known)) for log in logs)
    found = Replay(settings or config(), logs, **edges)
    found.run()
    return found


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(lines: list[bytes], name: str = "access.log", pack: Callable[[bytes], bytes] = bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(pack(b"".join(line + b"\n" for line in lines)))
        return path

    return write


def told(found: Replay) -> dict[str, tuple[int, int, int, int]]:
    """Of each banned client: when first, how often, how much before, how much spared."""
    return {
        network: (record.verdict.last, len(record.terms), record.before, record.spared)
        for network, record in found.ledger.banned.items()
    }


def test_a4_the_thirtieth_request_bans_and_what_follows_would_not_have_arrived(written: Any, log: Any) -> None:
    lines = [log.line(log.noon + second, BUSY) for second in range(100)]
    assert told(replayed(written(lines))) == {BUSY: (log.noon + 29, 1, 30, 70)}
    assert told(replayed(written(lines[:29]))) == {}


def test_a5_status_and_method_do_not_matter_to_a_rule_that_does_not_ask(written: Any, log: Any) -> None:
    lines = [
        log.line(log.noon, BUSY, status=status, request=f"{method} /page HTTP/1.1")
        for status, method in ((200, "GET"), (301, "HEAD"), (404, "POST"))
        for _once in range(10)
    ]
    assert list(told(replayed(written(lines)))) == [BUSY]


def test_d12_the_reason_of_a_ban_is_the_verdicts(written: Any, log: Any) -> None:
    found = replayed(written(log.lines(30, log.noon)))
    assert found.ledger.banned[BUSY].verdict.reason == "30 requests in 1s (threshold 30 in 60s)"


def test_d13_however_the_log_is_cut_it_is_the_same(written: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for minute in range(180):
        for second in range(0, 60, 2):
            lines.append(log.line(log.noon + minute * 60 + second, BUSY))
        lines += log.lines(minute % 40, log.noon + minute * 60 + 59, f"198.51.100.{minute % 7}")
    path = written(lines)
    whole = told(replayed(path))
    assert len(whole) > 3 and whole[BUSY][1] > 1
    for size in (300, 5000, 70_000):
        monkeypatch.setattr(replay_logs, "CHUNK", size)
        assert told(replayed(path)) == whole


def test_a_ban_that_would_hold_is_no_new_one_and_the_next_ones_take_longer(written: Any, log: Any) -> None:
    """One request every two seconds for three hours: 10 minutes, then 40, then 160."""
    lines = [log.line(log.noon + second, BUSY) for second in range(0, 3 * HOUR, 2)]
    record = replayed(written(lines)).ledger.banned[BUSY]
    lasting = [term.end - term.start for term in record.terms if term.end is not None]
    assert lasting == [600, 2400, 9600]
    assert [term.start >= (before.end or 0) for before, term in zip(record.terms, record.terms[1:], strict=False)] == [
        True
    ] * 2
    assert record.spared == sum(
        any(term.start < second + log.noon < (term.end or 0) for term in record.terms)
        for second in range(0, 3 * HOUR, 2)
    )


def test_bans_get_no_longer_than_the_wardens_longest_and_old_ones_do_not_count(written: Any, log: Any) -> None:
    settings = WardenConfig(origin="")
    rule = Rule("long", maxretry=2, findtime=60, duration=20 * DAY)
    weeks = [log.line(log.noon + when, BUSY) for when in (0, 1, 21 * DAY, 21 * DAY + 1)]
    apart = [log.line(log.noon + when, BUSY) for when in (0, 1, 51 * DAY, 51 * DAY + 1)]
    for lines, second in ((weeks, settings.longest_duration), (apart, 20 * DAY)):
        terms = replayed(written(lines), settings=config(rule)).ledger.banned[BUSY].terms
        assert [term.end - term.start for term in terms if term.end is not None] == [20 * DAY, second]


def test_a_permanent_ban_holds_until_the_end(written: Any, log: Any) -> None:
    lines = [*log.lines(30, log.noon), *log.lines(40, log.noon + 300 * DAY)]
    found = replayed(written(lines), settings=config(Rule("ever", duration=None)))
    assert told(found) == {BUSY: (log.noon, 1, 30, 40)}


def test_two_rules_about_one_client_are_one_ban(written: Any, log: Any) -> None:
    both = config(RATE, Rule("slow", maxretry=40, findtime=600, duration=DAY))
    found = replayed(written([log.line(log.noon + n, BUSY) for n in range(60)]), settings=both)
    assert {name: rule.bans for name, rule in found.ledger.rules.items()} == {"requests": 1, "slow": 0}


def test_a_ban_of_a_network_holds_its_addresses(written: Any, log: Any) -> None:
    wide = config(Rule("wide", key="ipv4/24", maxretry=20, duration=DAY), Rule("one", maxretry=30, duration=600))
    lines = [log.line(log.noon, f"203.0.113.{n}") for n in range(1, 21)]
    lines += [log.line(log.noon + 5 + n, BUSY) for n in range(40)]
    found = replayed(written(lines), settings=wide)
    assert told(found) == {"203.0.113.0/24": (log.noon, 1, 20, 40)}
    assert found.spared == {"requests": 40}


def test_a_network_of_ipv6_is_one_client(written: Any, log: Any) -> None:
    lines = [log.line(log.noon + n // 30, f"2001:db8:0:1::{n:x}") for n in range(1, 41)]
    assert told(replayed(written(lines))) == {"2001:db8:0:1::/64": (log.noon + 1, 1, 40, 0)}


def test_what_is_only_told_is_no_ban(written: Any, log: Any) -> None:
    lines = log.lines(40, log.noon, "10.1.2.3")
    private = replayed(written(lines)).ledger
    assert [entry.why for entry in private.held.values()] == [replay_bans.REFUSED] and not private.banned
    watching = config(Rule("watching", observe=True))
    assert [e.why for e in replayed(written(log.lines(30, log.noon)), settings=watching).ledger.held.values()] == [
        "observed"
    ]
    crowd = [line for n in range(1, 31) for line in log.lines(30, log.noon, f"198.51.100.{n}")]
    stormy = replayed(written(crowd), settings=config(max_bans_per_minute=20)).ledger
    assert len(stormy.banned) == 20
    assert [(entry.why, entry.times) for entry in stormy.held.values()] == [(STORM, 1)] * 10


def test_a_client_behind_a_proxy_is_only_told(written: Any, log: Any) -> None:
    entry = Input("site", path="/x", trusted_proxies=("192.0.2.0/24",))
    lines = log.lines(30, log.noon, "192.0.2.9", rest=' "-" "-" "198.51.100.7"')
    found = replayed(written(lines), known=(entry,)).ledger
    assert [(held.verdict.network, held.why) for held in found.held.values()] == [("198.51.100.7", PROXY)]


def test_logs_are_read_in_the_order_of_their_times(written: Any, log: Any) -> None:
    """Half of what bans stands in each of two files; read in the wrong order it would be none."""
    older = written(log.lines(20, log.noon), "access.log.1.gz", gzip.compress)
    newer = written(log.lines(20, log.noon + 30))
    oldest = written(log.lines(29, log.noon - HOUR), "access.log.2")
    for order in ((newer, older, oldest), (oldest, older, newer), (older, newer, oldest)):
        assert told(replayed(*order)) == {BUSY: (log.noon + 30, 1, 69, 0)}


def test_logs_of_the_same_time_are_read_turn_by_turn(written: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week of two sites; one after the other, the storm of one would be all of the other's bans."""
    sites = [
        written(
            [
                line
                for hour in range(24 * 7)
                for line in log.lines(30, log.noon + hour * HOUR, f"{net}.{hour % 200 + 1}")
            ],
            f"{net}.log",
        )
        for net in ("198.51.100", "203.0.113")
    ]
    times: list[int] = []
    count = replay_module.Replay._count

    def noted(self: Replay, events: Any, kind: str, verdicts: Any) -> None:
        times.append(events[0][0])
        count(self, events, kind, verdicts)

    monkeypatch.setattr(replay_module.Replay, "_count", noted)
    found = replayed(*sites, settings=config(max_bans_per_minute=3))
    assert not found.ledger.held and len(found.ledger.banned) == 2 * 24 * 7
    assert all(time >= max(times[:index], default=0) - replay_module.SLICE for index, time in enumerate(times))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_told_by_content(written: Any, log: Any, pack: Callable[[bytes], bytes]) -> None:
    path = written(log.lines(30, log.noon), "anything.txt", pack)
    found = replayed(path)
    assert list(told(found)) == [BUSY]
    assert found.logs[0].done == path.stat().st_size


def test_a_log_that_breaks_off_is_an_error_and_what_came_before_counts(written: Any, log: Any) -> None:
    lines = [log.line(log.noon + n, BUSY, request=f"GET /{os.urandom(20).hex()} HTTP/1.1") for n in range(9000)]
    path = written(lines, "access.log.gz", gzip.compress)
    path.write_bytes(path.read_bytes()[:-2000])
    entry = Log(str(path))
    assert guess(entry, candidates())
    found = Replay(config(), [entry])
    with pytest.raises(LogError, match=r"access\.log\.gz: "):
        found.run()
    assert list(told(found)) == [BUSY]


def test_ah12_a_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="No such file"):
        Log(str(tmp_path / "gone.log"))
    with pytest.raises(LogError, match="directory"):
        Log(str(tmp_path))


def test_a_last_line_without_its_end_does_not_count(tmp_path: Path, log: Any) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"\n".join(log.lines(30, log.noon)))
    found = replayed(path)
    assert (found.lines, told(found)) == (29, {})


def test_lines_that_are_too_long_are_skipped_and_counted(written: Any, log: Any) -> None:
    lines = [*log.lines(15, log.noon), b"x" * 400_000, *log.lines(15, log.noon), b"y" * 70_000]
    found = replayed(written(lines))
    assert (found.lines, found.logs[0].skipped, list(told(found))) == (30, 2, [BUSY])


def test_since_and_until_leave_out_what_lies_outside(written: Any, log: Any) -> None:
    path = written([log.line(log.noon + n, BUSY) for n in range(60)])
    assert told(replayed(path, since=log.noon + 30)) == {BUSY: (log.noon + 59, 1, 30, 0)}
    assert told(replayed(path, until=log.noon + 30)) == {BUSY: (log.noon + 29, 1, 30, 0)}
    short = replayed(path, since=log.noon + 10, until=log.noon + 39)
    assert told(short) == {} and short.events == {"requests": 29}
    assert sum(short.engine.out_of_time.values()) == 31


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_last_line_of_a_log_is_found(written: Any, log: Any, pack: Callable[[bytes], bytes]) -> None:
    lines = [log.line(log.noon + n, BUSY) for n in range(20_000)]
    path = written([*lines, b"no time"], pack=pack)
    entry = Log(str(path))
    assert guess(entry, candidates())
    found = Replay(config(), [entry])
    assert entry.last_time(found.engine.formats["access"].time_of) == log.noon + 19_999
    found.run()
    assert found.lines == 20_001


def nginx_json(when: str = "2026-10-10T12:00:00+00:00") -> dict[str, Any]:
    named = {"time_iso8601": when, "remote_addr": BUSY, "request_method": "GET", "request_uri": "/", "status": 200}
    return {**named, "server_protocol": "HTTP/1.1", "http_user_agent": "x"}


CADDY = {
    "ts": 1791633600.5,
    "logger": "http.log.access",
    "msg": "handled request",
    "request": {"remote_ip": BUSY, "proto": "HTTP/2.0", "method": "GET", "host": "x", "uri": "/", "headers": {}},
    "status": 200,
}
TRAEFIK = {
    "ClientAddr": f"{BUSY}:4711",
    "RequestMethod": "GET",
    "RequestPath": "/",
    "RequestProtocol": "HTTP/1.1",
    "DownstreamStatus": 200,
    "StartUTC": "2026-10-10T12:00:00.5Z",
    "time": "2026-10-10T12:00:00Z",
}
PROFTPD = {
    "remote_ip": BUSY,
    "response_code": "530",
    "time": "[10/Oct/2026:12:00:00 +0000]",
    "client_response": "Login incorrect.",
}
SSHD = "Oct 10 12:00:00 host sshd[1]: Failed password for bob from 203.0.113.1 port 22 ssh2"
FTPD = "2026-10-10 12:00:00,123 host proftpd[9] 192.0.2.11 (203.0.113.1[203.0.113.1]): USER bob (Login failed): no"
FTPD_SYSLOG = "Oct 10 12:00:00 host proftpd[9]: 192.0.2.11 (203.0.113.1[203.0.113.1]) - USER bob (Login failed): no"
NGINX = (
    '2026/10/10 12:00:00 [error] 1#1: *1 user "bob": password mismatch, client: 203.0.113.1, server: x, '
    'request: "GET / HTTP/1.1", host: "x"'
)
APACHE = (
    "[Sat Oct 10 12:00:00.123456 2026] [auth_basic:error] [pid 1] "
    "[client 203.0.113.1:4711] AH01617: user bob: authentication failure"
)


@pytest.mark.parametrize(
    ("line", "name", "dialect"),
    [
        ('203.0.113.1 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1', "access", ""),
        ('www.example.org 203.0.113.1 - - [10/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1', "access", "vhost"),
        (json.dumps(nginx_json()), "access-json", "nginx"),
        (json.dumps(CADDY), "access-json", "caddy"),
        (json.dumps(TRAEFIK), "access-json", "traefik"),
        (SSHD, "sshd", ""),
        (FTPD, "proftpd", ""),
        (FTPD_SYSLOG, "proftpd", ""),
        (json.dumps(PROFTPD), "proftpd-json", ""),
        (NGINX, "nginx-error", ""),
        (APACHE, "apache-error", ""),
    ],
)
def test_every_format_is_told_from_the_others(written: Any, line: str, name: str, dialect: str) -> None:
    odd = [b"", b"something else"]  # a few lines of another kind do not matter
    entry = Log(str(written([*odd, *[line.encode()] * 5])))
    assert guess(entry, candidates())
    assert entry.entry is not None
    assert (entry.entry.format, entry.entry.dialect or "vhost" * entry.entry.vhost) == (name, dialect)
    assert entry.first is not None


def test_a_log_of_no_known_format_is_none(written: Any, log: Any) -> None:
    lines = [*[b"what is this"] * 6, *log.lines(5, log.noon)]
    assert not guess(Log(str(written(lines))), candidates())
    assert guess(Log(str(written(lines))), candidates(wanted="access"), sure=True)


def test_an_input_of_the_configuration_goes_before_a_format_alone(written: Any, log: Any) -> None:
    entry = Log(str(written(log.lines(3, log.noon))))
    known = Input("shop", path="/var/log/shop.log", trusted_proxies=("192.0.2.1",))
    assert guess(entry, candidates(known=[known]))
    assert entry.entry == known


def test_times_without_a_year_are_no_later_than_the_log(written: Any) -> None:
    path = written([b"Dec 31 12:00:00 host sshd[1]: Failed password for bob from 203.0.113.1 port 22 ssh2"])
    new_year = 1_704_067_200  # 2024-01-01 UTC
    os.utime(path, (new_year, new_year))
    entry = Log(str(path))
    assert guess(entry, candidates(timezone="UTC"))
    assert entry.first == new_year - DAY // 2


def test_two_formats_are_judged_in_one_replay(written: Any, log: Any) -> None:
    web = written(log.lines(30, log.noon))
    ssh = written([SSHD.replace("203.0.113.1", "198.51.100.9").encode()] * 5, "auth.log")
    both = config(RATE, Rule("logins", "failures", maxretry=5, findtime=600, duration=HOUR))
    found = replayed(web, ssh, settings=both)
    assert sorted(told(found)) == ["198.51.100.9", BUSY]
    assert found.events == {"requests": 30, "messages": 5}


def test_rules_that_count_none_of_the_inputs_are_left_out() -> None:
    settings = config(RATE, Rule("logins", "failures"), Rule("other", inputs=("shop",)))
    assert [rule.name for rule in narrowed(settings, [Input("access")]).rules] == ["requests"]


def test_the_memory_for_counts_is_bounded(written: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "MAX_COUNTED", 50)
    monkeypatch.setattr(replay_bans, "MAX_KEPT", 2)
    monkeypatch.setattr(replay_logs, "CHUNK", 4096)
    crowd = [log.line(log.noon + n, f"198.51.{n // 250}.{n % 250}") for n in range(1000)]
    heavy = [line for n in range(3) for line in log.lines(35, log.noon + 1000, f"203.0.113.{n + 1}")]
    found = replayed(written([*crowd, *heavy]))
    assert len(found._counts[0]) <= 50 + 4096 // 50
    assert (len(found.ledger.banned), found.ledger.untold) == (2, 1)
    assert found.busiest(1)[0][1] == 35
