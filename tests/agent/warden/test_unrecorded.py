# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a full disk the kernel alone follows what is asked; what other rows say of the same network still holds."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from wardenlab import Host

from stockade.protocol import ProtocolError


@pytest.fixture
def full(host: Host) -> Host:
    """A host with one address banned by two sources, on a disk that has just filled up."""
    host.ban("203.0.113.9", duration="permanent")
    host.ban("203.0.113.9", duration="1h", source="fail2ban/sshd")
    host.registry.refusal = "database or disk is full"
    return host


def unrecorded(host: Host, op: str, **fields: Any) -> None:
    with pytest.raises(ProtocolError, match="in force, NOT recorded: database or disk is full"):
        host.ask(op, **fields)


@pytest.mark.parametrize(("lifted", "left"), [("operator", 3600), ("fail2ban/sshd", None)])
def test_lifting_one_of_two_rows_leaves_the_other_in_force(full: Host, lifted: str, left: int | None) -> None:
    unrecorded(full, "unban", networks=["203.0.113.9"], source=lifted)
    assert full.firewall.bans == {"203.0.113.9": left}


def test_lifting_both_rows_lifts_the_ban(full: Host) -> None:
    unrecorded(full, "unban", networks=["203.0.113.9"])
    assert full.firewall.bans == {}


def test_a_shorter_ban_of_another_source_makes_no_ban_shorter(full: Host) -> None:
    unrecorded(full, "ban", bans=[{"network": "203.0.113.9", "duration": "10m", "source": "watcher/requests"}])
    assert full.firewall.bans == {"203.0.113.9": None}


def test_a_released_warden_puts_nothing_into_the_kernel(host: Host) -> None:
    host.ask("release")
    host.registry.refusal = "database or disk is full"
    with pytest.raises(ProtocolError) as caught:
        host.ban("203.0.113.9")
    assert "NOT recorded" in str(caught.value)
    assert "in force, NOT" not in str(caught.value)
    assert host.firewall.bans == {}


def test_the_registry_that_takes_changes_again_is_no_longer_complained_of(full: Host) -> None:
    unrecorded(full, "ban", bans=["203.0.113.8"])
    assert full.ask("status")["problems"] == ["the registry cannot be written: database or disk is full"]
    full.registry.refusal = ""
    full.ban("203.0.113.8")
    assert (full.ask("status")["state"], full.ask("status")["problems"]) == ("enforcing", [])


def test_a_change_that_is_refused_for_another_reason_is_no_broken_disk(host: Host) -> None:
    """An error of the file itself is told apart: then a start rebuilds it."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    host.warden._execution.noticed(error)
    assert host.warden.broken == "database disk image is malformed"
    other = Host()
    other.warden._execution.noticed(sqlite3.OperationalError("disk I/O error"))
    assert other.warden.broken == ""
