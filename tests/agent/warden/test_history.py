# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was banned in a span of time: counted once, whether it still holds, ended, was renewed or lifted."""

from __future__ import annotations

from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.protocol import ProtocolError
from stockade.warden.callers import SERVICES, STRANGER

WATCHER = SERVICES["stockade-watcher"]
HOUR = NOW - NOW % 3600


def history(host: Host, since: int = 0, **fields: Any) -> dict[str, Any]:
    return host.ask("history", since=since, **fields)


def test_nothing_was(host: Host) -> None:
    assert history(host, NOW - 60) == {
        "since": NOW - 60,
        "bans": 0,
        "networks": 0,
        "by_hour": {},
        "by_source": {},
        "repeaters": 0,
        "repeated": [],
        "complete": True,
    }


def test_live_ended_and_tidied_bans_count_once_each(host: Host) -> None:
    host.ban("203.0.113.1", duration="1h")
    host.ban("203.0.113.2", duration="10m", caller=WATCHER, source="watcher/requests")
    host.wait(3600)
    host.ban("203.0.113.3", duration="10m", caller=WATCHER, source="watcher/requests")
    expected = {"bans": 3, "networks": 3, "by_source": {"watcher/requests": 2, "operator": 1}}
    assert expected.items() <= history(host).items()
    assert history(host)["by_hour"] == {str(HOUR): 2, str(HOUR + 3600): 1}
    host.wait(3 * 86400)
    host.warden.tidy()
    assert expected.items() <= history(host).items()
    assert history(host, NOW + 1)["bans"] == 1


def test_a_renewed_ban_is_one(host: Host) -> None:
    host.ban("203.0.113.1", duration="1h")
    host.wait(600)
    host.ban("203.0.113.1", duration="7d")
    found = history(host)
    assert (found["bans"], found["repeated"]) == (1, [])


def test_who_came_again_after_its_time(host: Host) -> None:
    for address, times in {"203.0.113.1": 3, "2001:db8::9": 2, "203.0.113.7": 1}.items():
        for _time in range(times):
            host.ban(address, duration="10m")
            host.wait(700)
    found = history(host)
    assert found["repeated"] == [{"network": "203.0.113.1", "bans": 3}, {"network": "2001:db8::9", "bans": 2}]
    assert (found["repeaters"], found["networks"], found["bans"]) == (2, 3, 6)


def test_a_ban_that_was_lifted_was_decided_and_is_no_offence(host: Host) -> None:
    host.ban("203.0.113.1", duration="1h")
    host.ask("unban", networks=["203.0.113.1"])
    host.ban("203.0.113.1", duration="1h")
    found = history(host)
    assert (found["bans"], found["repeated"]) == (2, [])


def test_lists_are_no_decisions(host: Host) -> None:
    host.ask("permanent_bans", list="scanners", entries=["203.0.113.0/24"])
    assert history(host)["bans"] == 0


def test_the_newest_count_where_there_are_too_many(host: Host) -> None:
    host.ban("203.0.113.1", duration="1h")
    host.wait(7200)
    host.ban("203.0.113.2", "203.0.113.3", duration="1h")
    found = history(host, limit=2)
    assert (found["bans"], found["complete"], list(found["by_hour"])) == (2, False, [str(HOUR + 7200)])
    assert history(host, limit=4)["complete"]


def test_only_who_may_look_sees_it(host: Host) -> None:
    with pytest.raises(ProtocolError, match="may not ask history"):
        history(host, caller=STRANGER)
    with pytest.raises(ProtocolError, match="since"):
        history(host, -1)


def test_packets_of_the_newest_bans_where_they_are_asked_for(host: Host) -> None:
    host.ban("203.0.113.1", "2001:db8::9", duration="1h")
    host.firewall.dropped = 7
    assert [row["packets"] for row in host.ask("bans", packets=True)["bans"]] == [7, 7]
    assert all("packets" not in row for row in host.ask("bans")["bans"])


def test_each_of_them_says_what_became_of_it(host: Host) -> None:
    host.ban("203.0.113.1", duration="10m", reason="first")
    host.wait(1)
    host.ban("203.0.113.2", duration="1h", caller=WATCHER, source="watcher/requests")
    host.wait(60)
    host.ban("203.0.113.3")
    host.ask("unban", networks=["203.0.113.2"])
    host.wait(3600)
    host.ban("203.0.113.1", duration="10m", reason="again")
    host.ask("permanent_bans", list="scanners", entries=["203.0.113.4"])
    assert "decisions" not in history(host)
    shown = [
        (row["network"], row["source"], row["reason"], row["banned_at"], row["ended_by"])
        for row in history(host, each=True)["decisions"]
    ]
    assert shown == [
        ("203.0.113.1", "operator", "again", NOW + 3661, ""),
        ("203.0.113.3", "operator", "", NOW + 61, ""),
        ("203.0.113.2", "watcher/requests", "", NOW + 1, "unban/root"),
        ("203.0.113.1", "operator", "first", NOW, "expired"),
    ]
