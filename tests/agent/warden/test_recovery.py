# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that is broken, lost or locked: what comes back from its copy and from the kernel, and what is said."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from wardenlab import NOW, RecordedFirewall

from stockade.addresses import parse_network
from stockade.warden import recovery
from stockade.warden.policy import Surroundings
from stockade.warden.recovery import Opened, keep_copy, open_registry
from stockade.warden.registry import Registry
from stockade.warden.rows import Ban, Change, WhitelistEntry

HOUR = 3600
ADDRESSES = [f"203.0.{number // 200}.{number % 200}" for number in range(600)]


class State:
    """A state directory with a registry of 600 permanent bans, a kernel that holds them, and a copy if asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file, self.copy = path / "registry.db", path / "registry.copy.db"
        self.firewall = RecordedFirewall()
        self.ban(*ADDRESSES)
        self.whitelist("203.0.113.7")

    def change(self, change: Change) -> None:
        with closing(Registry(self.file)) as registry:
            registry.change(NOW, change)

    def ban(self, *texts: str, ends: int | None = None, source: str = "list/x") -> None:
        bans = [Ban(parse_network(text), source, "web1", f"{source}:{text}:{ends}", "", NOW, ends) for text in texts]
        self.change(Change(put=bans))
        self.firewall.bans.update(dict.fromkeys(texts, ends and ends - NOW))

    def lift(self, text: str) -> None:
        with closing(Registry(self.file)) as registry:
            registry.change(NOW, Change(end=registry.live(NOW, network=parse_network(text)), ended_by="unban/root"))
        del self.firewall.bans[text]

    def whitelist(self, text: str) -> None:
        self.change(Change(put_whitelist=[WhitelistEntry(parse_network(text), "site", "", NOW, None)]))
        self.firewall.whitelist.add(text)

    def keep_copy(self) -> None:
        with closing(Registry(self.file)) as registry:
            registry.changed = True
            keep_copy(registry, self.path)
        assert self.copy.exists()

    def open(self) -> Opened:
        return open_registry(self.path, self.firewall, "web1")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    clock = SimpleNamespace(time=lambda: float(NOW), strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr(recovery, "time", clock)
    return State(tmp_path)


def in_force(opened: Opened) -> dict[str, int | None]:
    return {str(network): ends for network, ends in opened.registry.in_force(NOW).items()}


def pages(content: bytes) -> bytes:
    return content[:4096] + b"\xff" * (len(content) - 8192) + content[-4096:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "pages": pages,
    "truncated": lambda content: content[: len(content) // 2],
    "cut in a page": lambda content: content[: len(content) // 2 + 100],
    "no database": lambda content: b"bans: none\n" * 1000,
    "header": lambda content: b"\0" * 16 + content[16:],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_ch10_a_damaged_registry_comes_back_whole(state: State, damage: str, copied: bool) -> None:
    if copied:
        state.keep_copy()
    broken = DAMAGES[damage](state.file.read_bytes())
    state.file.write_bytes(broken)
    opened = state.open()
    assert in_force(opened) == dict.fromkeys(ADDRESSES)
    assert [str(entry.network) for entry in opened.registry.whitelist(NOW)] == ["203.0.113.7"]
    (warning,) = opened.warnings
    assert ("from its copy of 2" in warning) == copied
    assert (f"{0 if copied else 600} bans that the kernel held") in warning
    moved = state.path / f"registry.db.corrupt-{NOW}"
    assert str(moved) in warning
    assert moved.read_bytes() == broken
    assert {ban.source for ban in opened.registry.live(NOW)} == {"list/x" if copied else "operator"}
    opened.registry.close()
    assert state.open().warnings == ()


def test_a_copy_that_is_broken_too_is_not_taken(state: State) -> None:
    state.keep_copy()
    for file in (state.file, state.copy):
        file.write_bytes(pages(file.read_bytes()))
    opened = state.open()
    assert "from nothing (there was no copy)" in opened.warnings[0]
    assert in_force(opened) == dict.fromkeys(ADDRESSES)
    assert [entry.list_name for entry in opened.registry.whitelist(NOW)] == ["recovered"]


def test_nothing_left_but_the_kernel_that_cannot_be_read(state: State) -> None:
    state.file.write_bytes(b"no")
    state.firewall.broken = True
    opened = state.open()
    assert "there was no copy" in opened.warnings[0]
    assert in_force(opened) == {}
    opened.registry.change(NOW, Change(put=[Ban(parse_network("203.0.113.1"), "operator", "w", "1", "", NOW, None)]))


def test_a_registry_that_is_gone_comes_back_and_a_first_start_is_no_loss(state: State, tmp_path: Path) -> None:
    state.keep_copy()
    state.file.unlink()
    assert in_force(state.open()) == dict.fromkeys(ADDRESSES)
    empty = tmp_path / "new"
    empty.mkdir()
    assert open_registry(empty, RecordedFirewall(), "web1").warnings == ()


# Copy and kernel


def rebuilt(state: State) -> Opened:
    state.file.write_bytes(pages(state.file.read_bytes()))
    return state.open()


def test_what_was_banned_after_the_copy_comes_from_the_kernel(state: State) -> None:
    state.keep_copy()
    state.ban("198.51.100.1", ends=NOW + HOUR, source="watcher/requests")
    state.ban("2001:db8:1::/48", source="operator")
    opened = rebuilt(state)
    added = {"198.51.100.1": NOW + HOUR, "2001:db8:1::/48": None}
    assert in_force(opened) == dict.fromkeys(ADDRESSES) | added
    assert "2 bans that the kernel held" in opened.warnings[0]
    (row,) = opened.registry.live(NOW, network=parse_network("198.51.100.1"))
    assert (row.source, row.origin, row.reason) == ("operator", "web1", "recovered from the kernel")


def test_what_was_lifted_after_the_copy_stays_lifted(state: State) -> None:
    state.keep_copy()
    state.lift(ADDRESSES[5])
    opened = rebuilt(state)
    assert in_force(opened).keys() == set(ADDRESSES) - {ADDRESSES[5]}
    (ended,) = opened.registry.past(NOW, parse_network(ADDRESSES[5]), 9)
    assert (ended.ended_by, ended.ended_at) == ("lifted after the copy", NOW)


def test_a_kernel_that_holds_nothing_after_a_reboot_lifts_nothing(state: State) -> None:
    state.keep_copy()
    state.firewall.bans, state.firewall.whitelist = {}, set()
    opened = rebuilt(state)
    assert in_force(opened) == dict.fromkeys(ADDRESSES)
    assert [entry.list_name for entry in opened.registry.whitelist(NOW)] == ["site"]


@pytest.mark.parametrize("longer", [NOW + 24 * HOUR, None])
def test_a_ban_made_longer_after_the_copy_stays_longer(state: State, longer: int | None) -> None:
    state.ban("198.51.100.1", ends=NOW + HOUR, source="operator")
    state.keep_copy()
    state.ban("198.51.100.1", ends=longer, source="operator")
    assert in_force(rebuilt(state))["198.51.100.1"] == longer


def test_b31_whitelist_changes_after_the_copy_are_taken_from_the_kernel(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways are in the kernel's whitelist as well: they become no entries that nobody declared."""
    gateway = frozenset({parse_network("198.51.100.254")})
    monkeypatch.setattr(recovery.Surroundings, "read", lambda: Surroundings(own=frozenset(), reachable=gateway))
    state.keep_copy()
    state.firewall.whitelist |= {"198.51.100.254", "198.51.100.7"}
    held = {str(one.network): one.list_name for one in rebuilt(state).registry.whitelist(NOW)}
    assert held == {"203.0.113.7": held["203.0.113.7"], "198.51.100.7": "recovered"}


def test_b31_an_entry_that_was_taken_out_after_the_copy_does_not_come_back(state: State) -> None:
    state.keep_copy()
    state.firewall.whitelist = {"198.51.100.7"}
    assert [str(one.network) for one in rebuilt(state).registry.whitelist(NOW)] == ["198.51.100.7"]


def test_followers_hear_new_changes_after_a_rebuild(state: State) -> None:
    """Numbers that were given out after the copy are not used again for something else."""
    state.keep_copy()
    for number in range(5):
        state.ban(f"198.51.100.{number}", source="operator")
        state.lift(f"198.51.100.{number}")
    with closing(Registry(state.file)) as registry:
        seen = registry.last_change()
    registry = rebuilt(state).registry
    registry.change(NOW, Change(put=[Ban(parse_network("192.0.2.1"), "operator", "w", "1", "", NOW, None)]))
    assert "192.0.2.1" in [change["network"] for change in registry.changes_after(seen, 100)]


# What no check of the file's structure sees


def test_a_row_that_names_no_network_is_found_at_the_start(state: State) -> None:
    state.keep_copy()
    with closing(sqlite3.connect(state.file)) as db:
        db.execute("UPDATE bans SET key = substr(key, 1, 16) || x'e0' WHERE id = ?", (f"list/x:{ADDRESSES[9]}:None",))
        db.execute("UPDATE bans SET key = x'00' WHERE id = ?", (f"list/x:{ADDRESSES[8]}:None",))
        db.commit()
    assert in_force(state.open()) == dict.fromkeys(ADDRESSES)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_bytes_are_wrong_the_warden_starts_and_enforces(state: State, seed: int) -> None:
    dice = random.Random(seed)
    content = bytearray(state.file.read_bytes())
    for _number in range(dice.choice((1, 20, 400))):
        content[dice.randrange(len(content))] = dice.randrange(256)
    state.file.write_bytes(content)
    opened = state.open()
    for network in opened.registry.in_force(NOW):
        assert parse_network(str(network)) == network
    assert len(opened.registry.whitelist(NOW)) <= 1
    assert opened.registry.counts(NOW)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE bans SET expires_at = x'6b49d200' WHERE id LIKE '%203.0.1.7:%'",
        "UPDATE bans SET banned_at = 'kIO' WHERE id LIKE '%203.0.1.7:%'",
        "UPDATE bans SET source = x'6c' WHERE id LIKE '%203.0.1.7:%'",
        "UPDATE whitelist SET expires_at = x'6b49d200'",
        "UPDATE whitelist SET comment = x'00'",
        "PRAGMA user_version=2",
        *(
            f"UPDATE sqlite_master SET sql = replace(sql, '{right}', '{wrong}') WHERE name = '{table}'"
            for table, right, wrong in (
                ("bans", "expires_at", "expires_qt"),
                ("whitelist", "comment", "colment"),
                ("history", "ended_by", "endad_by"),
                ("settings", "value", "valve"),
            )
        ),
    ],
)
def test_one_wrong_bit_in_a_type_or_name_is_found_at_the_start(state: State, damage: str) -> None:
    state.keep_copy()
    with closing(sqlite3.connect(state.file)) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute(damage)
        db.commit()
    opened = state.open()
    assert opened.warnings and "was lost" in opened.warnings[0]
    assert in_force(opened) == dict.fromkeys(ADDRESSES)
    assert [str(entry.network) for entry in opened.registry.whitelist(NOW)] == sorted(state.firewall.whitelist)


# Locked


def test_another_warden_is_not_taken_for_a_disk_that_cannot_be_written(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **fields: connect(*args, timeout=0, **fields))
    with closing(Registry(state.file)) as other:
        other.change(NOW, Change(put=[Ban(parse_network("192.0.2.1"), "operator", "w", "1", "", NOW, None)]))
        with pytest.raises(sqlite3.OperationalError) as caught:
            state.open()
    assert "locked" in str(caught.value)
    assert sorted(path.name for path in state.path.iterdir()) == ["registry.db"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY])
def test_every_kind_of_busy_is_busy(state: State, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def busy(_path: Path) -> Registry:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(recovery, "Registry", busy)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        state.open()


# The copy


def test_the_copy_is_renewed_when_something_changed(state: State) -> None:
    with closing(state.open().registry) as registry:
        assert registry.copied_at is None
        keep_copy(registry, state.path)
        assert not state.copy.exists()
        registry.change(NOW, Change(end=registry.live(NOW)[:1], ended_by="unban/root"))
        keep_copy(registry, state.path)
        assert (registry.copied_at, registry.changed) == (NOW, False)
        before = state.copy.stat().st_ino
        keep_copy(registry, state.path)
        assert state.copy.stat().st_ino == before
    with closing(sqlite3.connect(state.copy)) as copy:
        assert copy.execute("SELECT COUNT(*) FROM bans").fetchone()[0] == len(ADDRESSES) - 1
    assert sorted(path.name for path in state.path.iterdir()) == ["registry.copy.db", "registry.db"]


def test_a_copy_that_fails_leaves_the_last_one_and_is_tried_again(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state.keep_copy()
    before = state.copy.read_bytes()
    registry = state.open().registry
    registry.change(NOW, Change(end=registry.live(NOW)[:1], ended_by="unban/root"))

    def half(path: Path) -> None:
        path.write_bytes(b"SQLite format 3\0")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "copy_to", half)
        keep_copy(registry, state.path)
    assert "could not be copied: database or disk is full" in caplog.text
    assert (state.copy.read_bytes(), registry.changed) == (before, True)
    keep_copy(registry, state.path)
    assert state.copy.read_bytes() != before
