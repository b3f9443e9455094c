# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation `alarm`: who may tell one, how many, who hears it, and that nothing else changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.protocol import DENIED, INVALID, QUOTA, UNAVAILABLE, ProtocolError
from stockade.warden.callers import SERVICES, STRANGER, Caller
from stockade.warden.registry import CHANGES_SECONDS
from stockade.warden.rows import NO_NETWORK, network_of

WATCHER = SERVICES["stockade-watcher"]
EXCHANGE = SERVICES["stockade-exchange"]
NOTIFIER = SERVICES["stockade-notifier"]
STORM = {"about": "storm", "text": "more than 200 bans in a minute: only told"}


def refusal(host: Host, caller: Caller = WATCHER, **fields: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        host.ask("alarm", caller, **fields)
    return caught.value


def told(host: Host, after: int = 0) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = host.ask("changes", NOTIFIER, after=after, limit=1000)["changes"]
    return answer


def test_bh10_an_alarm_of_the_watcher_reaches_followers_as_it_is(host: Host) -> None:
    assert host.ask("alarm", WATCHER, **STORM) == {"changed": True}
    assert told(host) == [
        {
            "seq": 1,
            "at": NOW,
            "kind": "alarm",
            "network": None,
            "source": "watcher",
            "origin": "web1",
            "id": "",
            "reason": STORM["text"],
            "expires_at": None,
            "about": "storm",
        }
    ]
    assert host.ask("changes", EXCHANGE)["last"] == 1


def test_an_alarm_of_root_is_the_operators(host: Host) -> None:
    host.ask("alarm", **STORM)
    assert [change["source"] for change in told(host)] == ["operator"]


def test_alarms_stand_among_bans_in_their_order(host: Host) -> None:
    host.ban("203.0.113.9")
    host.ask("alarm", WATCHER, **STORM)
    host.ask("unban", networks=["203.0.113.9"])
    kinds = [(change["kind"], change["network"], "about" in change) for change in told(host)]
    assert kinds == [("banned", "203.0.113.9", False), ("alarm", None, True), ("lifted", "203.0.113.9", False)]
    assert [change["seq"] for change in told(host, after=1)] == [2, 3]


def test_nothing_else_changes(host: Host) -> None:
    host.ban("203.0.113.9", duration="1h")
    before, bans, kernel = host.ask("status"), host.ask("bans"), dict(host.firewall.bans)
    host.ask("alarm", WATCHER, **STORM)
    assert (host.ask("status"), host.ask("bans"), host.firewall.bans) == (before, bans, kernel)


@pytest.mark.parametrize("caller", [EXCHANGE, NOTIFIER, STRANGER])
def test_others_may_not_tell_alarms(host: Host, caller: Caller) -> None:
    assert refusal(host, caller, **STORM).code == DENIED
    assert host.registry.last_change() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("about", ""),
        ("about", "x" * 65),
        ("about", "two\nlines"),
        ("about", "turned \u202e round"),
        ("about", "\x1b[2J"),
        ("about", 7),
        ("about", None),
        ("about", ["storm"]),
        ("text", ""),
        ("text", "x" * 201),
        ("text", None),
        ("text", {"a": 1}),
        ("network", "203.0.113.9"),
        ("source", "operator"),
    ],
)
def test_what_is_no_alarm_is_refused(host: Host, field: str, value: object) -> None:
    assert refusal(host, **{**STORM, field: value}).code == INVALID
    assert host.registry.last_change() == 0


def test_the_longest_alarm_fits(host: Host) -> None:
    host.ask("alarm", WATCHER, about="ü" * 64, text="x" * 200)
    assert [(change["about"], change["reason"]) for change in told(host)] == [("ü" * 64, "x" * 200)]


def test_control_characters_of_the_text_are_shown_as_text(host: Host) -> None:
    host.ask("alarm", WATCHER, about="format web", text="\x1b[2Jgone\n")
    assert told(host)[0]["reason"] == "\\x1b[2Jgone\\n"


def test_a_service_may_tell_twenty_a_minute_and_root_any_number(host: Host) -> None:
    for _time in range(20):
        host.ask("alarm", WATCHER, **STORM)
    error = refusal(host, **STORM)
    assert error.code == QUOTA
    assert "20 alarms a minute" in str(error)
    assert len(told(host)) == 20
    for _time in range(30):
        host.ask("alarm", **STORM)
    host.wait(3)  # one more every three seconds
    host.ask("alarm", WATCHER, **STORM)
    assert refusal(host, **STORM).code == QUOTA
    host.wait(3600)  # however long it was quiet: a minute's worth
    for _time in range(20):
        host.ask("alarm", WATCHER, **STORM)
    assert refusal(host, **STORM).code == QUOTA


def test_alarms_and_bans_have_shares_of_their_own(host: Host) -> None:
    for _time in range(20):
        host.ask("alarm", WATCHER, **STORM)
    answer = host.ban("203.0.113.9", caller=WATCHER, source="watcher/requests", duration="1h")
    assert answer["results"][0]["state"] == "banned"


def test_check_tells_nobody_and_takes_nothing(host: Host) -> None:
    for _time in range(50):
        assert host.ask("alarm", WATCHER, check=True, **STORM) == {"changed": True}
    assert host.registry.last_change() == 0
    host.ask("alarm", WATCHER, **STORM)


# Degraded


def test_bh10_an_alarm_is_told_while_the_firewall_is_broken_or_released(host: Host) -> None:
    host.firewall.broken = True
    with pytest.raises(ProtocolError):
        host.ban("203.0.113.9")
    assert host.ask("status")["state"] == "degraded"
    host.ask("alarm", WATCHER, **STORM)
    assert told(host)[-1]["about"] == "storm"
    host.firewall.broken = False
    host.ask("release")
    host.ask("alarm", WATCHER, about="later", text="text")
    assert told(host)[-1]["about"] == "later"


def test_on_a_full_disk_the_answer_says_that_nobody_hears_it(host: Host) -> None:
    host.registry.refusal = "database or disk is full"
    error = refusal(host, **STORM)
    assert (error.code, str(error)) == (UNAVAILABLE, "NOT recorded: database or disk is full")
    assert host.warden.broken == ""
    host.registry.refusal = ""
    host.ask("alarm", WATCHER, **STORM)
    assert len(told(host)) == 1


def test_a_broken_registry_is_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_row: object, **_fields: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(host.registry, "record_alarm", broken)
    assert refusal(host, **STORM).code == UNAVAILABLE
    assert host.warden.broken == "database disk image is malformed"


# Kept


def test_alarms_survive_a_restart_and_are_forgotten_with_the_other_changes(tmp_path: Path) -> None:
    host = Host(str(tmp_path / "registry.db"))
    host.ask("alarm", WATCHER, **STORM)
    host.restart()
    assert [change["about"] for change in told(host)] == ["storm"]
    host.wait(CHANGES_SECONDS + 1)
    host.warden.tidy()
    assert told(host) == []
    host.ask("alarm", WATCHER, **STORM)
    assert told(host)[0]["seq"] == 2


def test_an_agent_from_before_alarms_can_read_their_rows() -> None:
    """It takes every key for a network's: this one is, of an address that nothing can have."""
    assert str(network_of(NO_NETWORK)) == "::"
