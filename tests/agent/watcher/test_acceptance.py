# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that the whole watcher proves: verdicts, the warden's answers, what is told and kept."""

from __future__ import annotations

import ast
import os
import re
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watcherlab import FakeWarden, add, settle

from stockade.addresses import parse_network
from stockade.client import Client
from stockade.config import ConfigError
from stockade.watcher.config import read
from stockade.watcher.engine import Engine
from stockade.watcher.eventquery import Question, events
from stockade.watcher.inputs import neighbours
from stockade.watcher.inputs.source import CHUNK, SAMPLE
from stockade.watcher.service import Service

sys.path.insert(0, str(Path(__file__).parents[1] / "warden"))

from wardenlab import NOW, Host

from stockade.warden.callers import SERVICES

FLOOD = 'max_bans_per_minute = 0\n[[rule]]\nname = "flood"\ntype = "rate"\nmaxretry = 30\nduration = "1h"\n'
NEVER = '[[rule]]\nname = "never"\ntype = "text"\nstart = "Nobody says this"\n'
LOGINS = '[[rule]]\nname = "logins"\ntype = "failures"\nmaxretry = {}\n'


class RealWarden:
    """The warden itself over a recorded firewall, asked as the watcher's user."""

    def __init__(self) -> None:
        self.host = Host()
        self.asked: list[dict[str, Any]] = []

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        if op == "ban":
            self.asked += fields["bans"]
        return self.host.ask(op, SERVICES["stockade-watcher"], **fields)


class Watch:
    """A service over a configuration that a test may change, with a clock that it moves."""

    def __init__(self, directory: Path, text: str, warden: Any) -> None:
        self.directory, self.warden, self.now = directory, warden, float(NOW)
        self.config = directory / "watch.toml"
        self.config.write_text(text, encoding="utf-8")
        self.service = self.open()

    def open(self) -> Service:
        self.service = Service(
            read(self.config),
            warden=self.warden,
            config_path=self.config,
            state_dir=self.directory,
            runtime_dir=self.directory,
            clock=lambda: self.now,
        )
        return self.service

    def restart(self) -> None:
        self.service.save()
        self.open()

    def sees(self, path: Path, lines: list[bytes], after: float = 0) -> None:
        """So many seconds later the log has these lines, and they are read."""
        self.now += after
        if isinstance(self.warden, RealWarden):
            self.warden.host.wait(after)
        add(path, lines)
        settle(self.service)


def web(path: Path) -> str:
    return f'[[input]]\nname = "web"\npath = "{path}"\n'


def ssh(path: Path) -> str:
    return f'[[input]]\nname = "ssh"\npath = "{path}"\nformat = "sshd"\ntimezone = "UTC"\n'


def said(message: str, when: float = NOW) -> bytes:
    """What sshd says, in a log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{stamp}+00:00 web1 sshd[7]: {message}".encode()


def failed(address: str, user: str = "root", when: float = NOW) -> bytes:
    return said(f"Failed password for {user} from {address} port 4711 ssh2", when)


@pytest.fixture
def real() -> RealWarden:
    return RealWarden()


@pytest.fixture
def watch(tmp_path: Path, warden: FakeWarden) -> Callable[..., Watch]:
    def make(text: str, asked: Any = None) -> Watch:
        return Watch(tmp_path, text, asked or Client(str(warden.path), timeout=2.0))

    return make


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines about bans that the journal got since the last call."""
    return lambda: [line for line in capfd.readouterr().err.splitlines() if line.startswith("ban ")]


# -- bans, and what is banned already --


def test_a6_one_ban_reaches_the_firewall_by_way_of_the_warden_named_after_its_rule(watch, real, access, log) -> None:
    """Deliberately not through a jail: the warden is the narrow way to ban, and it enforces."""
    watch(FLOOD + web(access), real).sees(access, log.lines(60, NOW))
    assert [(ban["network"], ban["source"]) for ban in real.asked] == [("203.0.113.1", "watcher/flood")]
    assert real.host.firewall.bans == {"203.0.113.1": 3600}


def test_a6_a9_unchanged_is_told_once_and_not_asked_again(watch, warden, access, log, told) -> None:
    def unchanged(request: dict[str, Any]) -> dict[str, Any]:
        rows = [{"network": ban["network"], "state": "unchanged", "message": ""} for ban in request["bans"]]
        return {"v": 1, "ok": True, "result": {"changed": False, "results": rows}}

    warden.answer = unchanged
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(200, NOW))
    for _look in range(3):
        watching.sees(access, log.lines(200, NOW + 20), after=1)
    (line,) = told()
    assert "result=unchanged" in line.split()
    assert warden.networks == ["203.0.113.1"]
    assert watching.service.status()["bans"] == 0


def test_a9_an_address_whose_text_begins_another_banned_one_is_banned(watch, real, access, log) -> None:
    real.host.ban("203.0.113.51")
    watch(FLOOD + web(access), real).sees(access, log.lines(30, NOW, "203.0.113.5"))
    assert real.host.banned() == ["203.0.113.5", "203.0.113.51"]


def test_d10_what_is_banned_already_stays_as_it_was(watch, real, access, log, told) -> None:
    """Deliberately asked all the same, as only the warden knows what is in force: the same verdict makes no second
    ban, and the operator's longer one holds."""
    real.host.ban("203.0.113.1", duration="permanent")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(30, NOW))
    bans = real.host.ask("bans")["bans"]
    (access.parent / "state.json").unlink()
    watching.open()  # the same lines are read and judged again
    settle(watching.service)
    assert [line.rpartition("result=")[2] for line in told()] == ["banned", "unchanged"]
    assert real.host.ask("bans")["bans"] == bans
    assert list(real.host.firewall.bans.values()) == [None]


def test_ah15_neither_the_next_minute_nor_a_later_run_bans_again(watch, warden, access, log, told) -> None:
    minute = NOW - NOW % 60
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(40, minute + 50), after=minute + 50 - NOW)
    watching.sees(access, log.lines(40, minute + 70), after=20)
    watching.restart()
    settle(watching.service)
    assert warden.networks == ["203.0.113.1"]
    assert len(told()) == 1


# -- the whitelist, which is the warden's --


def whitelisted(real: RealWarden, *networks: str) -> None:
    entries = [{"network": network} for network in networks]
    real.host.ask("whitelist_set", entries=entries, prune=True)


def test_a10_ch20_bh14_whitelisted_clients_do_not_count(watch, real, access, log, told) -> None:
    """A10: silently. Whom the warden refuses is somebody of whom the watcher learns within half a minute."""
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(200, NOW))
    assert (told(), real.asked) == ([], [])
    whitelisted(real, "192.0.2.77")
    watching.service._due.pop("housekeeping")  # half a minute later
    watching.sees(access, log.lines(29, NOW + 61), after=61)
    assert real.host.banned() == []
    watching.sees(access, log.lines(1, NOW + 61))
    assert real.host.banned() == ["203.0.113.1"]


def test_bh14_what_lies_outside_the_window_when_the_entry_goes_does_not_count(watch, real, access, log) -> None:
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(29, NOW))
    whitelisted(real, "192.0.2.77")
    watching.sees(access, log.lines(1, NOW + 60), after=60)
    assert real.asked == []


def test_bh14_failures_of_while_it_was_whitelisted_do_not_help_to_ban(watch, real, access) -> None:
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(ssh(access) + LOGINS.format(5), real)
    watching.sees(access, [failed("203.0.113.1")] * 9)  # refused
    watching.sees(access, [failed("203.0.113.1", when=NOW + 100)] * 4, after=100)
    whitelisted(real, "192.0.2.77")
    watching.sees(access, [failed("203.0.113.1", when=NOW + 400)], after=300)
    assert real.host.banned() == []


def test_ch20_nobody_is_asked_about_this_host_itself(watch, real, access, log) -> None:
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(40, NOW, "127.0.0.1") + log.lines(40, NOW, "::1"))
    assert real.asked == []
    assert [rule["tracked"] for rule in watching.service.status()["rules"]] == [0]


# -- what is told and kept --


def test_b28_every_ban_is_one_journal_line_of_fields(watch, real, access, log, told) -> None:
    """Deliberately bans alone: what was merely seen is in the events database, as a journal would drown in it."""
    whitelisted(real, "203.0.113.3")
    addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8::1"]
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, [line for address in addresses for line in log.lines(30, NOW, address)])
    found = []
    for line in told():
        fields = dict(word.split("=", 1) for word in line.partition(" result=")[0].split()[1:])
        assert set(fields) == {"network", "rule", "count", "window", "threshold", "duration", "id"}
        found.append((fields["network"], line.partition(" result=")[2].split()[0]))
    assert found == [(network, "banned") for network in (*addresses[:2], "2001:db8::/64")]


def test_c14_the_attempts_and_the_threshold_stand_in_the_journal(watch, warden, access, told) -> None:
    """Deliberately at the threshold, not at each attempt: those are events of the database."""
    watching = watch(ssh(access) + LOGINS.format(3))
    watching.sees(access, [failed("203.0.113.1")] * 2)
    assert told() == []
    watching.sees(access, [failed("203.0.113.1")])
    (line,) = told()
    assert {"count=3", "threshold=3/600s", "network=203.0.113.1"} <= set(line.split())


def test_c14_an_address_that_is_banned_already_is_no_warning(watch, warden, access, log, monkeypatch, capfd) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    states = ["banned", "unchanged"]
    warden.answer = lambda request: {
        "v": 1,
        "ok": True,
        "result": {"results": [{"network": "x", "state": states.pop(0), "message": ""}]},
    }
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(30, NOW))
    watching.sees(access, log.lines(30, NOW + 90), after=90)
    priorities = [line[:3] for line in capfd.readouterr().err.splitlines() if ">ban " in line]
    assert priorities == ["<4>", "<6>"]


def test_c14_the_first_sight_of_an_address_is_told(watch, warden, access, capfd) -> None:
    watch(ssh(access) + LOGINS.format(3)).sees(access, [failed("203.0.113.1")])
    assert "203.0.113.1" in capfd.readouterr().err


def test_b8_a_message_that_no_rule_counts_is_kept_all_the_same(watch, warden, access, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.service.EVENTS", 0.0)
    watching = watch("[events]\ntext = true\n" + ssh(access) + NEVER)
    watching.sees(access, [failed("203.0.113.10"), said("Server listening on :: port 22.")])
    (event,) = events(tmp_path / "events.db", Question())
    expected = {"at": NOW, "input": "ssh", "rule": "", "address": "203.0.113.10", "kind": "failure", "user": "root"}
    assert {key: event[key] for key in expected} == expected
    assert event["text"] == "Failed password for root from 203.0.113.10 port 4711 ssh2"
    assert [rule["tracked"] for rule in watching.service.status()["rules"]] == [0]


def test_ch19_the_events_are_private_indexed_and_end(watch, warden, access, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stockade.watcher.service.EVENTS", 0.0)
    monkeypatch.setattr("stockade.watcher.eventlog.PRUNE", 0.0)
    monkeypatch.chdir("/")  # the file is where the state is, not where somebody stood
    before = os.umask(0)
    try:
        watching = watch("[events]\ndays = 3\n" + ssh(access) + NEVER)
        watching.sees(access, [failed("203.0.113.10")])
    finally:
        os.umask(before)
    path = tmp_path / "events.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as database:
        for question in (Question(address=parse_network("203.0.113.10")), Question(since=NOW, until=NOW + 1)):
            query, values = question.sql()
            plan = " ".join(str(row) for row in database.execute(f"EXPLAIN QUERY PLAN {query}", values))
            assert "USING INDEX" in plan
            assert "SCAN events" not in plan
    database.close()
    assert events(path, Question(rule="x' OR ''='")) == []
    assert len(events(path, Question())) == 1
    watching.sees(access, [], after=3 * 86_400 + 1)
    assert events(path, Question()) == []


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
    assert (counter.tallies[0].tracked, list(counter.records())) == (0, [])


# -- the configuration --


def banned_by(text: str, lines: list[bytes], directory: Path) -> list[tuple[str, str]]:
    """Rule and client of each verdict about the first input of such a configuration."""
    path = directory / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return [(verdict.rule, verdict.network) for verdict in Engine(read(path)).feed(lines)]


SAID = [said(f"Invalid user bob from 203.0.113.1 port {port}") for port in range(11)]


@pytest.mark.parametrize(
    ("rule", "bans"),
    [
        ('name = "invalid_user"\nstart = "Invalid user"\nmaxretry = 11', ["invalid_user"]),
        ('name = "renamed"\nstart = "Invalid user"\nmaxretry = 11', ["renamed"]),
        ('name = "invalid_user"\nanywhere = "user bob"\nmaxretry = 11', ["invalid_user"]),
        ('name = "invalid_user"\nstart = "user bob"\nmaxretry = 11', []),
        ('name = "invalid_user"\nanywhere = "user alice"\nmaxretry = 11', []),
        ('name = "invalid_user"\nstart = "Invalid user"\nmaxretry = 12', []),
    ],
)
def test_b9_name_mode_text_and_limit_make_a_rule(tmp_path, access, rule, bans) -> None:
    """Deliberately TOML, and the limit is the count that bans: 10 that are allowed are `maxretry = 11`."""
    found = banned_by(ssh(access) + f'[[rule]]\ntype = "text"\n{rule}\n', SAID, tmp_path)
    assert found == [(name, "203.0.113.1") for name in bans]


def test_b25_a_source_more_is_one_entry_of_the_configuration(watch, warden, access, tmp_path, log) -> None:
    auth = tmp_path / "auth.log"
    auth.write_bytes(b"")
    watching = watch('preset = "default"\nmax_bans_per_minute = 0\n' + web(access))
    both = log.lines(30, NOW, "203.0.113.1", status=404), [failed("203.0.113.2")] * 5
    watching.sees(auth, both[1])
    watching.sees(access, both[0])
    assert warden.networks == ["203.0.113.1"]
    watching.config.write_text(watching.config.read_text() + ssh(auth))
    watching.service.reload_wanted = True
    settle(watching.service)
    assert [(ban["network"], ban["source"]) for ban in warden.asked[1:]] == [("203.0.113.2", "watcher/logins")]
    assert [entry["name"] for entry in watching.service.status()["inputs"]] == ["web", "ssh"]


@pytest.mark.parametrize(
    "text",
    [
        "treshold = 3\n{web}",
        '{web}colour = "red"\n',
        '{web}[[rule]]\nname = "r"\ntype = "rate"\nlimit = 3\n',
        '{web}[easing]\nusers = ["bob"]\nfor = "1h"\n',
        "{web}[events]\nweeks = 3\n",
    ],
)
def test_b29_unknown_keys_are_rejected_and_named(tmp_path, access, text) -> None:
    path = tmp_path / "trial.toml"
    path.write_text(text.format(web=web(access)))
    unknown = next(key for key in ("treshold", "colour", "limit", "for", "weeks") if f"{key} =" in text)
    with pytest.raises(ConfigError, match=f"unknown key '{unknown}'"):
        read(path)


@pytest.mark.parametrize("key", ["regex", "pattern", "failregex"])
def test_c6_a_broken_pattern_ends_the_start_and_names_its_rule(tmp_path, access, key) -> None:
    """Deliberately there are no patterns to get wrong: a rule that brings one is refused as a whole."""
    with pytest.raises(ConfigError, match=r"rule 2 \(broken\).*" + key):
        banned_by(ssh(access) + NEVER + f'[[rule]]\nname = "broken"\ntype = "text"\n{key} = "(["\n', [], tmp_path)


def test_c6_what_would_be_a_broken_pattern_is_plain_text(tmp_path, access) -> None:
    rules = "".join(
        f"[[rule]]\nname = 'r{n}'\ntype = 'text'\nmaxretry = 1\nanywhere = '{text}'\n"
        for n, text in enumerate(("user ([", "Invalid .* from", "user"))
    )
    line = said("Invalid user ([ from 203.0.113.1 port 1")
    assert [rule for rule, _network in banned_by(ssh(access) + rules, [line], tmp_path)] == ["r0", "r2"]


def test_c19_ch18_a_threshold_that_is_missing_is_the_one_of_the_documentation(tmp_path, access, log) -> None:
    module = (Path(__file__).parents[3] / "plugins" / "modules" / "watcher.py").read_text()
    words = " ".join(module.partition(" maxretry:\n")[2].partition(" type: int")[0].split())
    # "… 30 for V(rate), 3 for V(probe), 5 for V(failures) and V(text), 2 for V(users)."
    documented = {
        name: int(count)
        for count, names in re.findall(r"(\d+) for (V\(\w+\)(?: and V\(\w+\))*)", words)
        for name in re.findall(r"V\((\w+)\)", names)
    }
    assert sorted(documented) == ["failures", "probe", "rate", "text", "users"]
    more = {"users": 'names = ["root"]\n', "text": 'start = "Failed"\n'}
    probes = [log.line(NOW, request=f"GET {path} HTTP/1.1") for path in ("/.env", "/.git/config", "/.aws/credentials")]
    for kind, count in documented.items():
        requests = {"rate": log.lines(30, NOW), "probe": probes}
        lines = requests.get(kind, [failed("203.0.113.1")] * 10)
        source = web(access) if kind in requests else ssh(access)
        text = f'{source}[[rule]]\nname = "r"\ntype = "{kind}"\n{more.get(kind, "")}'
        assert banned_by(text, lines[: count - 1], tmp_path) == [], kind
        assert banned_by(text, lines[:count], tmp_path) == [("r", "203.0.113.1")], kind


@pytest.mark.parametrize("value", ['""', '"# how many"', "", "[]", "3.5", "-1", "0"])
def test_ch18_a_threshold_that_is_none_is_an_error_that_names_it(tmp_path, access, value) -> None:
    with pytest.raises(ConfigError) as caught:
        banned_by(ssh(access) + LOGINS.format(value), [], tmp_path)
    assert "trial.toml" in str(caught.value)
    assert "maxretry" in str(caught.value) or not value


@pytest.mark.parametrize("given", ["", "path = ''\n", "path = 'auth.log'\n"])
def test_c19_a_log_that_is_not_named_is_an_error(tmp_path, given) -> None:
    with pytest.raises(ConfigError, match=r"input 1 \(web\).*path"):
        banned_by(f'[[input]]\nname = "web"\n{given}', [], tmp_path)


def ftp(code: str, response: str, after: int) -> bytes:
    stamp = time.strftime("[%d/%b/%Y:%H:%M:%S +0000]", time.gmtime(NOW + after))
    start = f'{{"remote_ip":"203.0.113.1","response_code":"{code}","time":"{stamp}",'
    return f'{start}"client_response":"{response}"}}'.encode()


TRIED = [
    ftp("331", "Password required for root", 0),
    *[ftp("530", "Login incorrect.", 59 * number) for number in range(6)],
    ftp("331", "Password required for admin", 3000),
]


@pytest.mark.parametrize(
    ("names", "tries", "logins", "period", "bans"),
    [
        (["root", "admin", "administrator"], 2, 6, 300, ["names", "logins"]),
        (["root", "administrator"], 2, 6, 300, ["logins"]),
        (["root", "admin", "administrator"], 3, 6, 300, ["logins"]),
        (["root", "admin", "administrator"], 2, 7, 300, ["names"]),
        (["root", "admin", "administrator"], 2, 6, 295, ["names"]),
    ],
)
def test_d1_each_key_changes_what_is_banned(tmp_path, access, names, tries, logins, period, bans) -> None:
    """The whitelist is the warden's (CH20); `login_attempts_threshold = 5` was the count that is allowed."""
    text = f'[[input]]\nname = "ftp"\npath = "{access}"\nformat = "proftpd-json"\n'
    text += f'[[rule]]\nname = "names"\ntype = "users"\nnames = {names!r}\nmaxretry = {tries}\n'
    text += f'[[rule]]\nname = "logins"\ntype = "failures"\nmaxretry = {logins}\nfindtime = {period}\n'
    assert sorted(banned_by(text, TRIED, tmp_path)) == sorted((rule, "203.0.113.1") for rule in bans)


@pytest.mark.parametrize(
    ("rule", "missing"),
    [('type = "users"', "name is missing"), ('name = "x"', "type is missing"), ('name = "x"\ntype = "users"', "names")],
)
def test_d1_a_key_that_is_missing_is_named(tmp_path, access, rule, missing) -> None:
    with pytest.raises(ConfigError, match=f"rule 1.*{missing}"):
        banned_by(ssh(access) + f"[[rule]]\n{rule}\n", [], tmp_path)


def test_c23_the_python_is_named_and_what_development_needs_is_pinned() -> None:
    """Deliberately nothing to pin on a host: the watcher needs Python's own library alone."""
    root = Path(__file__).parents[3]
    assert "Python 3.11 or later as `/usr/bin/python3`" in (root / "README.md").read_text()
    source = root / "roles" / "agent" / "files" / "src" / "stockade"
    known = {*sys.stdlib_module_names, "stockade", "systemd", "nftables"}  # the last two come with the distribution
    for path in sorted(source.rglob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 11))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= known, path
    locks = sorted((root / "requirements").glob("dev-*.txt"))
    assert locks
    for lock in locks:
        wanted = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
        assert wanted
        for line in wanted:
            assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+", line), f"{lock.name}: {line}"
