# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stockade report`: who did what, by address, rule and time; and that a planted database gains nothing."""

from __future__ import annotations

import json
import os
import pwd
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clilab import Console, Done
from wardenlab import NOW

from stockade.watcher import eventquery
from stockade.watcher.eventlog import EventLog
from stockade.watcher.eventquery import NoEvents, Question, events

EVENTS: tuple[dict[str, Any], ...] = (
    {"at": NOW - 7200, "source": "auth", "rule": "logins users", "address": "203.0.113.9", "user": "root", "text": "a"},
    {
        "at": NOW - 3600,
        "source": "auth",
        "rule": "logins",
        "address": "2001:db8:1:2::/64",
        "user": "Pa55!",
        "text": "b",
    },
    {"at": NOW - 60, "source": "", "rule": "logins", "address": "203.0.113.9", "kind": "ban", "text": "c", "count": 6},
    {"at": NOW - 30, "source": "web", "rule": "my_rule", "address": "198.51.100.0/24", "kind": "ban", "text": "d"},
    {"at": NOW - 20, "source": "web", "rule": "myxrule", "address": "198.51.100.7@proxy", "kind": "probe", "text": "e"},
)
NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """An events database, in a directory that others may enter."""
    state = tmp_path / "state"
    state.mkdir()
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    log = EventLog(state / "events.db", text=True, known_user=lambda name: name == "root")
    for event in EVENTS:
        log.add(**{"kind": "failure", **event})
    log.flush()
    yield state / "events.db"
    log.close()


@pytest.fixture
def report(console: Console, path: Path) -> Callable[..., Done]:
    def run(*words: str) -> Done:
        return console.run("report", "--events", str(path), *words)

    return run


def found(done: Done) -> str:
    """The texts of the events in an answer, newest first."""
    assert done.code == 0, done.err
    return "".join(event["text"] for event in json.loads(done.out)["events"])


def test_c12_a_table_for_people(report: Callable[..., Done]) -> None:
    done = report()
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "TIME                 ADDRESS             WHAT     TIMES  RULE          USER          TEXT",
        "2027-01-15 07:59:40  198.51.100.7@proxy  probe    1      myxrule                     e",
        "2027-01-15 07:59:30  198.51.100.0/24     ban      1      my_rule                     d",
        "2027-01-15 07:59:00  203.0.113.9         ban      6      logins                      c",
        "2027-01-15 07:00:00  2001:db8:1:2::/64   failure  1      logins        (no account)  b",
        "2027-01-15 06:00:00  203.0.113.9         failure  1      logins users  root          a",
    ]


def test_c9_c12_json_for_programs_in_utc(report: Callable[..., Done]) -> None:
    answer = json.loads(report("--json", "--limit", "4", "--until", "2027-01-15T07:30:00Z").out)
    assert answer == {
        "events": [
            {
                "at": NOW - 3600,
                "time": "2027-01-15T07:00:00Z",
                "input": "auth",
                "rule": "logins",
                "address": "2001:db8:1:2::/64",
                "kind": "failure",
                "user": None,
                "text": "b",
                "count": 1,
            },
            {
                "at": NOW - 7200,
                "time": "2027-01-15T06:00:00Z",
                "input": "auth",
                "rule": "logins users",
                "address": "203.0.113.9",
                "kind": "failure",
                "user": "root",
                "text": "a",
                "count": 1,
            },
        ],
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ((), "edcba"),
        (("--address", "203.0.113.9"), "ca"),
        (("--address", "203.0.113.8"), ""),
        (("--address", "2001:db8:1:2::77"), "b"),  # counted by its /64
        (("--address", "2001:DB8:1:2:0::/64"), "b"),
        (("--address", "198.51.100.7"), "ed"),  # behind a proxy; and in its /24
        (("--address", "::ffff:203.0.113.9"), "ca"),
        (("--rule", "logins"), "cba"),
        (("--rule", "users"), "a"),  # one of several that saw it
        (("--rule", "login"), ""),
        (("--rule", "my_rule"), "d"),  # no pattern
        (("--rule", "%"), ""),
        (("--rule", "x' OR '1'='1"), ""),
        (("--since", "2h"), "edcba"),
        (("--since", "1h"), "edcb"),
        (("--since", "59m"), "edc"),
        (("--until", "1m"), "ba"),
        (("--since", "90m", "--until", "30s"), "cb"),
        (("--since", "2027-01-15T07:59"), "edc"),
        (("--since", "2027-01-15T08:59:30+01:00"), "ed"),
        (("--until", "2027-01-15"), ""),
        (("--address", "203.0.113.9", "--rule", "logins", "--since", "1h", "--limit", "1"), "c"),
    ],
)
def test_c12_by_address_rule_and_time(report: Callable[..., Done], words: tuple[str, ...], texts: str) -> None:
    assert found(report("--json", *words)) == texts


def test_more_than_the_limit_is_said(report: Callable[..., Done]) -> None:
    assert report("--limit", "2").lines[-1] == "… the newest 2; --limit shows more"
    assert len(report("--limit", "2").lines) == 4
    assert len(report("--limit", "5").lines) == 6
    assert [json.loads(report("--json", "--limit", n).out)["truncated"] for n in ("4", "5")] == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        ("--address", "300.1.1.1"),
        ("--address", "example.org"),
        ("--since", "yesterday"),
        ("--since", "permanent"),
        ("--until", "2027-13-01"),
        ("--since", "1m", "--until", "1h"),
        ("--limit", "0"),
        ("--limit", "-1"),
        ("--limit", "100001"),
        ("--rule", "\udcff"),
    ],
)
def test_what_cannot_be_understood_is_bad_usage(report: Callable[..., Done], words: tuple[str, ...]) -> None:
    done = report(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("stockade: ")


def test_no_such_events(report: Callable[..., Done]) -> None:
    assert report("--rule", "other").lines == ["no such events"]


def test_hostile_text_does_not_reach_the_terminal(report: Callable[..., Done], path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        evil = "\x1b[2J\x07\u202egpj"
        db.execute("DELETE FROM events")
        row = (NOW, evil, evil, evil, evil, evil, evil + " 100% \U0001f9f1", 1)
        db.execute(
            "INSERT INTO events (at, input, rule, address, kind, user, text, count) VALUES (?,?,?,?,?,?,?,?)", row
        )
        db.commit()
    shown = report().out
    assert "\x1b" not in shown and "\x07" not in shown and "\u202e" not in shown
    assert "100% \U0001f9f1" in shown
    raw = report("--json").out
    assert raw.isascii() and "\x1b" not in raw
    assert json.loads(raw)["events"][0]["text"] == row[6]


def test_a_host_without_events_says_what_to_do(console: Console, tmp_path: Path) -> None:
    done = console.run("report", "--events", str(tmp_path / "events.db"))
    assert (done.code, done.out) == (1, "")
    assert f"there is no {tmp_path / 'events.db'}" in done.err
    assert "systemctl status stockade-watcher" in done.err


def test_a_watcher_that_has_stopped_can_be_asked(report: Callable[..., Done], path: Path) -> None:
    EventLog(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert found(report("--json")) == "edcba"


def test_asking_writes_nothing(report: Callable[..., Done], path: Path) -> None:
    before = path.read_bytes()
    report()
    assert path.read_bytes() == before


# A database that somebody planted


def refused(path: Path, **question: Any) -> str:
    with pytest.raises(NoEvents) as caught:
        events(path, Question(**question))
    return str(caught.value)


def planted(path: Path, *statements: str) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_ah1_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.db"
    path.rename(secret)
    path.symlink_to(secret)
    assert refused(path) == f"cannot read {path}: it is not a regular file"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)
    assert "it is not a regular file" in refused(path)


def test_a_view_in_the_place_of_the_table_is_refused(path: Path) -> None:
    planted(path, "CREATE VIEW events AS SELECT 1 AS at, 2 AS input, 3 AS rule, 4 AS address")
    assert "it is no events database" in refused(path)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_broken_file_is_told(path: Path, content: bytes) -> None:
    path.with_name("events.db-wal").unlink()
    path.write_bytes(content)
    assert refused(path).startswith(f"cannot read {path}: ")


def test_values_of_any_kind_are_shown_as_text_and_numbers(report: Callable[..., Done], path: Path) -> None:
    path.with_name("events.db-wal").unlink()
    planted(
        path,
        "CREATE TABLE events (id, at, input, rule, address, kind, user, text, count)",
        "INSERT INTO events VALUES (1, 'soon', NULL, 5, x'ff00', 1e999, x'41', NULL, 'many')",
        "INSERT INTO events VALUES (2, 9223372036854775807, 1, 1, 1, 1, 1, CAST(x'ff41' AS TEXT), -5)",
    )
    assert report().code == 0
    times = [(event["at"], event["count"]) for event in json.loads(report("--json").out)["events"]]
    assert times == [(0, 0), (253402300799, 0)]


def test_a_query_that_takes_too_long_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventquery, "TIMEOUT", -1.0)
    with closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO events SELECT NULL, at, input, rule, address, kind, user, text, count FROM events", [()] * 12
        )
        db.commit()
    assert "interrupted" in refused(path, rule="none")


# As root, of a file that belongs to the watcher's user


@pytest.fixture
def foreign(path: Path) -> Path:
    """The same database, and its directory, of somebody else."""
    for file in (path.parent, *path.parent.iterdir()):
        os.chown(file, NOBODY.pw_uid, NOBODY.pw_gid)
    path.parent.chmod(0o700)
    return path


@needs_root
def test_ah1_root_asks_as_the_files_owner_and_stays_root(
    foreign: Path, report: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    said.touch()
    said.chmod(0o666)
    asked = eventquery._asked

    def noting(path: Path, question: Question) -> list[Any]:
        text = f"{os.getresuid()} {os.getresgid()} {os.getgroups()}"
        said.write_text(text)
        with pytest.raises(PermissionError):
            os.setresuid(0, 0, 0)
        return asked(path, question)

    monkeypatch.setattr(eventquery, "_asked", noting)
    assert found(report("--json")) == "edcba"
    assert said.read_text() == f"{(NOBODY.pw_uid,) * 3} {(NOBODY.pw_gid,) * 3} []"
    assert os.getresuid() == (0, 0, 0) and os.getresgid() == (0, 0, 0)


@needs_root
def test_root_leaves_no_files_of_its_own_beside_the_watchers(foreign: Path, report: Callable[..., Done]) -> None:
    for ending in ("-wal", "-shm"):
        foreign.with_name(foreign.name + ending).unlink()
    report()
    assert {file.stat().st_uid for file in foreign.parent.iterdir()} == {NOBODY.pw_uid}


@needs_root
def test_ah1_a_link_of_the_owner_to_a_file_of_roots_is_refused(foreign: Path) -> None:
    foreign.unlink()
    foreign.touch()
    assert "it does not belong to the owner of its directory" in refused(foreign)


@needs_root
def test_a_child_that_dies_is_no_answer(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventquery, "_asked", lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
    assert "could not be read to its end" in refused(foreign)


@needs_root
@pytest.mark.parametrize("said", ["[1, 2, 3]", '{"a": 1}', "[" * 100_000, "no", "\x00"])
def test_what_the_child_says_is_not_trusted(foreign: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def answering(_owner: object, _path: Path, _question: Question, sending: int) -> None:
        os.write(sending, said.encode()[:60_000])
        os._exit(0)

    monkeypatch.setattr(eventquery, "_answer", answering)
    assert "could not be read to its end" in refused(foreign, limit=2)


@needs_root
def test_a_child_that_never_answers_is_ended(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventquery, "TIMEOUT", 0.1)
    monkeypatch.setattr(eventquery, "_answer", lambda *_arguments: time.sleep(60))
    began = time.monotonic()
    assert "that takes too long" in refused(foreign)
    assert time.monotonic() - began < 30


@needs_root
def test_an_error_of_the_child_is_told(foreign: Path) -> None:
    foreign.with_name("events.db-wal").unlink()
    foreign.write_bytes(b"no database at all")
    assert "file is not a database" in refused(foreign)
