# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries of older and newer agents: what grows keeps every row, what is newer is enforced and left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from wardenlab import NOW, Host, RecordedFirewall

from stockade.addresses import parse_network
from stockade.protocol import ProtocolError
from stockade.warden import schema
from stockade.warden.recovery import Opened, keep_copy, open_registry
from stockade.warden.rows import key_of

ADDRESSES = [f"203.0.{number // 200}.{number % 200}" for number in range(700)]


def make(path: Path, version: int, *statements: str) -> None:
    """A file as the agent of this schema left it: `statements` stand for the steps of its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for statement in statements:
            db.execute(statement)
        db.execute(f"PRAGMA user_version={version}")


def fill(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        rows = [(key_of(parse_network(text)), "list/x", "web1", text, "old", NOW, None) for text in ADDRESSES]
        db.executemany("INSERT INTO bans VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        gone = (key_of(parse_network("198.51.100.9")), "operator", "web1", "gone", "", NOW - 60, NOW - 30, NOW - 30)
        db.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'expired')", gone)
        passes = (key_of(parse_network("2001:db8:7::/48")), "site", "office", NOW, None)
        db.execute("INSERT INTO whitelist VALUES (?, ?, ?, ?, ?)", passes)
        db.execute("INSERT INTO settings VALUES ('released', 'no')")
        db.commit()


def opened(state: Path) -> Opened:
    return open_registry(state, RecordedFirewall(), "web1")


def tables(path: Path) -> dict[str, str]:
    """Everything in a file by its name, and its own words for it."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT type || ' ' || name, COALESCE(sql, '') FROM sqlite_schema"))


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return schema.version(db)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """The state of an agent of step 2, in full use."""
    make(tmp_path / "registry.db", 2, *schema.STEPS[2])
    fill(tmp_path / "registry.db")
    return tmp_path


def test_a_registry_of_step_2_grows_and_keeps_every_row(second: Path) -> None:
    found = opened(second)
    assert found.warnings == ()
    rows = found.registry
    assert sorted(str(ban.network) for ban in rows.live(NOW)) == sorted(ADDRESSES)
    assert {ban.reason for ban in rows.live(NOW)} == {"old"}
    assert [one.ban.id for one in rows.past(NOW, parse_network("198.51.100.9"), 9)] == ["gone"]
    assert [(str(entry.network), entry.comment) for entry in rows.whitelist(NOW)] == [("2001:db8:7::/48", "office")]
    assert not rows.released
    assert (rows.declaration(NOW, "bans/x"), rows.last_change(), rows.changes_after(0, 9)) == (None, 0, [])
    rows.close()
    assert version_of(second / "registry.db") == schema.VERSION


def test_grown_and_new_registries_are_the_same(second: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = tmp_path_factory.mktemp("fresh")
    opened(second).registry.close()
    opened(fresh).registry.close()
    assert tables(second / "registry.db") == tables(fresh / "registry.db")
    assert not list(fresh.glob("registry.v*"))


def test_before_it_grows_a_copy_is_left_that_the_older_agent_can_take(second: Path) -> None:
    before = tables(second / "registry.db")
    opened(second).registry.close()
    copy = second / "registry.v2.db"
    assert (version_of(copy), tables(copy)) == (2, before)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT COUNT(*) FROM bans").fetchone()[0] == len(ADDRESSES)
    copied = copy.read_bytes()
    opened(second).registry.close()  # grown: nothing left to copy
    assert copy.read_bytes() == copied


def test_what_was_only_in_the_write_ahead_log_is_in_the_copy_too(second: Path) -> None:
    with closing(sqlite3.connect(second / "registry.db")) as killed:
        killed.execute("INSERT INTO settings VALUES ('late', 'yes')")
        killed.commit()
        crashed = second / "crashed"
        crashed.mkdir()
        for name in ("registry.db", "registry.db-wal"):  # as a SIGKILL leaves them
            (crashed / name).write_bytes((second / name).read_bytes())
    opened(crashed).registry.close()
    for name in ("registry.db", "registry.v2.db"):
        with closing(sqlite3.connect(crashed / name)) as db:
            assert db.execute("SELECT value FROM settings WHERE key = 'late'").fetchall() == [("yes",)]


def test_a_copy_that_was_cut_off_is_made_anew(second: Path) -> None:
    (second / "registry.v2.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    found = opened(second)
    assert found.warnings == ()
    assert len(found.registry.live(NOW)) == len(ADDRESSES)
    found.registry.close()
    assert version_of(second / "registry.v2.db") == 2


def test_a_step_that_fails_leaves_the_registry_as_it_was(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables(second / "registry.db")
    monkeypatch.setitem(schema.STEPS, 3, (*schema.STEPS[3], "CREATE TABLE bans (twice TEXT)"))
    with closing(sqlite3.connect(second / "registry.db", isolation_level=None)) as db:
        with pytest.raises(sqlite3.OperationalError):
            schema.upgrade(db)
        assert schema.version(db) == 2
    assert tables(second / "registry.db") == before


def test_steps_only_add() -> None:
    """An older agent reads a newer file: nothing it knows is renamed, dropped or given a column it must fill."""
    for number, statements in schema.STEPS.items():
        for statement in statements:
            adds = statement.startswith(("CREATE TABLE ", "CREATE INDEX "))
            column = " ADD COLUMN " in statement and ("DEFAULT" in statement or "NOT NULL" not in statement)
            assert adds or (statement.startswith("ALTER TABLE ") and column), (number, statement)


# Newer


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The state of an agent one step ahead."""
    extra = ("CREATE TABLE later (key BLOB)", "ALTER TABLE bans ADD COLUMN port INTEGER")
    steps = [statement for number in sorted(schema.STEPS) for statement in schema.STEPS[number]]
    path = tmp_path / "registry.db"
    make(path, schema.VERSION + 1, *steps)
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        for statement in extra:
            db.execute(statement)
    return tmp_path


def test_a_newer_registry_is_enforced_and_every_change_of_it_refused(newer: Path) -> None:
    before = tables(newer / "registry.db")
    host = Host()
    found = opened(newer)
    assert "newer agent" in found.warnings[0]
    host.registry = found.registry
    host.warden = host._warden()
    assert len(host.firewall.bans) == len(ADDRESSES)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("ban", {"bans": ["198.51.100.77"]}),
        ("unban", {"all": True}),
        ("permanent_bans", {"list": "x", "entries": []}),
        ("whitelist_set", {"entries": ["198.51.100.77"]}),
    ]
    for op, fields in asked:
        with pytest.raises(ProtocolError) as caught:
            host.ask(op, **fields)
        assert (caught.value.code, "newer agent" in str(caught.value)) == ("unavailable", True)
    assert host.ask("ban", bans=["198.51.100.77"], check=True)["changed"]
    assert host.ask("why", address=ADDRESSES[0])["verdict"] == "banned"
    host.firewall.remove()
    host.wait(3600)
    host.warden.tidy()
    assert len(host.firewall.bans) == len(ADDRESSES)
    found.registry.close()
    assert (version_of(newer / "registry.db"), tables(newer / "registry.db")) == (schema.VERSION + 1, before)
    assert not list(newer.glob("registry.v*"))


def test_somebody_locked_out_by_a_newer_registry_gets_in(newer: Path) -> None:
    host = Host()
    host.registry = opened(newer).registry
    host.warden = host._warden()
    assert host.ask("release")["changed"]
    assert host.firewall.bans == {}


# From before the first release


def test_layout_1_is_moved_away_and_rebuilt_from_the_kernel(tmp_path: Path) -> None:
    make(tmp_path / "registry.db", 1, "CREATE TABLE bans (network TEXT)", "INSERT INTO bans VALUES ('203.0.113.9')")
    make(tmp_path / "registry.copy.db", 1, "CREATE TABLE bans (network TEXT)")
    firewall = RecordedFirewall()
    firewall.bans, firewall.whitelist = {"203.0.113.9": None, "2001:db8:1::/48": 600}, {"203.0.113.7"}
    found = open_registry(tmp_path, firewall, "web1")
    assert "its layout 1 is from before the first release" in found.warnings[0]
    assert "2 bans that the kernel held" in found.warnings[0]
    assert sorted(map(str, found.registry.in_force(0))) == ["2001:db8:1::/48", "203.0.113.9"]
    assert [str(entry.network) for entry in found.registry.whitelist(0)] == ["203.0.113.7"]
    keep_copy(found.registry, tmp_path)
    found.registry.close()
    moved = list(tmp_path.glob("registry.db.corrupt-*"))
    assert [version_of(path) for path in moved] == [1]
    again = open_registry(tmp_path, firewall, "web1")
    assert (again.warnings, len(again.registry.in_force(0))) == ((), 2)
