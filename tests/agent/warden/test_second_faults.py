# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one fault must not make of another: a broken file on a full disk, a program that cannot subtract, a release."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from wardenlab import Host, RecordedFirewall

from stockade.warden import recovery
from stockade.warden.callers import SERVICES
from stockade.warden.registry import Registry


def test_ch10_a_broken_registry_on_a_full_disk_is_enforced_and_kept_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "registry.db").write_bytes(b"bans: none\n" * 1000)
    firewall = RecordedFirewall()
    firewall.bans = {"203.0.113.9": None, "203.0.113.10": 600}

    class Full(Registry):
        def __init__(self, path: Path | str) -> None:
            if Path(path).parent == tmp_path and not (tmp_path / path).exists():
                raise sqlite3.OperationalError("database or disk is full")
            super().__init__(path)

    with monkeypatch.context() as context:
        context.setattr(recovery, "Registry", Full)
        opened = recovery.open_registry(tmp_path, firewall, "web1")
    now = int(recovery.time.time())
    assert {str(network) for network in opened.registry.in_force(now)} == firewall.bans.keys()
    assert opened.registry.refusal == "database or disk is full"
    recovery.retry(opened.registry, tmp_path)
    assert opened.registry.refusal == ""
    opened.registry.close()
    with sqlite3.connect(tmp_path / "registry.db") as db:
        assert db.execute("SELECT COUNT(*) FROM bans").fetchone()[0] == 2
    db.close()


def test_d22_a_whitelist_entry_inside_a_ban_lifts_it_where_no_part_can_be_let_through(host: Host) -> None:
    host.warden._enforcement.subtracts = False
    host.ban("198.51.100.64/26")
    answer = host.ask("whitelist_set", entries=["198.51.100.77"])
    assert [row["network"] for row in answer["lifted"]] == ["198.51.100.64/26"]
    assert host.banned() == []


def test_where_parts_can_be_let_through_the_ban_around_stays(host: Host) -> None:
    host.ban("198.51.100.64/26")
    assert host.ask("whitelist_set", entries=["198.51.100.77"])["lifted"] == []
    assert host.banned() == ["198.51.100.64/26"]


def test_ah28_what_the_fleet_tells_of_one_offence_is_no_repeat(host: Host) -> None:
    for origin in ("web2", "web3", "web4"):
        ban = {"network": "203.0.113.9", "source": "fleet", "origin": origin, "duration": "10m"}
        host.ask("ban", SERVICES["stockade-exchange"], bans=[ban])
    host.wait(601)
    host.ask("ban", bans=[{"network": "203.0.113.9", "source": "watcher/flood", "duration": "10m"}])
    assert host.firewall.bans["203.0.113.9"] == 600


def test_a_released_warden_says_of_an_unchanged_whitelist_that_it_is_unchanged(host: Host) -> None:
    host.ask("whitelist_set", list="file", entries=["198.51.100.77"], digest="d")
    host.ask("release")
    assert host.ask("whitelist_set", list="file", digest="d")["known"]


def test_one_tidying_that_failed_is_forgotten_with_the_next(host: Host) -> None:
    host.registry.refusal = "database or disk is full"
    host.warden.tidy()
    assert host.ask("status")["state"] == "degraded"
    host.registry.refusal = ""
    host.warden.tidy()
    assert host.ask("status")["state"] == "enforcing"
