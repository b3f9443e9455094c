# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when the registry is full, what each service may ask for in a minute, and how much fits in one request."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.protocol import ProtocolError
from stockade.warden.callers import SERVICES
from stockade.warden.limits import CROWD, MARGIN, MOST_BANS, Quota, Shedding
from stockade.warden.policy import Surroundings
from stockade.warden.requests import MAX_ENTRIES

WATCHER, EXCHANGE = SERVICES["stockade-watcher"], SERVICES["stockade-exchange"]
DAY = 86400


def with_room_for(host: Host, most: int) -> Host:
    host.warden._execution.shedding = Shedding(host.registry, "web1", most)
    return host


def timed(first: int, behind: int, seconds: int = 3600, **fields: Any) -> list[dict[str, Any]]:
    """Bans of 203.0.113.<first> and on; each ends a second after the one before."""
    return [{"network": f"203.0.113.{n}", "duration": seconds + n, **fields} for n in range(first, behind)]


def sixty_fours(count: int, prefix: str = "2001:db8:5") -> list[str]:
    return [f"{prefix}:{number:x}::/64" for number in range(count)]


# Full


def test_ah28_what_ends_soonest_goes_first_with_a_margin(host: Host) -> None:
    with_room_for(host, 100)
    host.ask("ban", bans=timed(0, 100))
    assert len(host.banned()) == 100
    assert host.ask("status")["shed"] == 0
    host.now += 1
    host.ask("ban", bans=timed(100, 101))
    kept = sorted(f"203.0.113.{number}" for number in range(11, 101))
    assert host.banned() == sorted(host.firewall.bans) == kept
    assert host.ask("status")["shed"] == 11
    host.ask("ban", bans=timed(101, 111))  # the margin is there so that this sheds nothing
    assert len(host.banned()) == 100
    assert host.ask("status")["shed"] == 11
    assert host.ask("why", address="203.0.113.0")["history"][0]["ended_by"] == "shed"


def test_ah28_permanent_and_listed_bans_neither_count_nor_go(host: Host) -> None:
    with_room_for(host, 10)
    listed = [{"network": f"198.18.0.{number}", "duration": "10m"} for number in range(30)]
    host.ask("permanent_bans", list="timed", entries=listed)
    host.ask("permanent_bans", list="site", entries=[f"198.18.1.{number}" for number in range(30)])
    host.ban(*[f"198.18.2.{number}" for number in range(30)], duration="permanent")
    host.ask("ban", bans=timed(0, 10))
    assert len(host.banned()) == 100
    host.now += 1
    host.ask("ban", bans=timed(10, 11))
    assert len([text for text in host.banned() if text.startswith("198.18.")]) == 90
    assert len([text for text in host.banned() if text.startswith("203.0.113.")]) == 9


def test_bans_that_are_over_make_room_by_themselves(host: Host) -> None:
    with_room_for(host, 10)
    host.ask("ban", bans=timed(0, 10))
    host.wait(3700)
    host.ask("ban", bans=timed(20, 30))
    assert len(host.banned()) == 10
    assert host.ask("status")["shed"] == 0


def test_a_network_of_two_sources_stays_banned_when_one_of_them_goes(host: Host) -> None:
    with_room_for(host, 10)
    host.ban("198.18.0.1", duration="10m", source="fail2ban/sshd")
    host.ban("198.18.0.1", duration="permanent")
    host.ask("ban", bans=timed(0, 10))
    assert host.firewall.bans["198.18.0.1"] is None


def test_what_was_just_acknowledged_is_not_what_goes(host: Host) -> None:
    """An answer without error means: in force."""
    with_room_for(host, 10)
    host.ask("ban", bans=timed(0, 10))
    host.now += 1
    answer = host.ban("198.18.0.1", duration="10m")
    assert answer["results"][0]["state"] == "banned"
    assert "198.18.0.1" in host.firewall.bans


def test_the_defaults_are_the_documented_ones(host: Host) -> None:
    assert (MOST_BANS, MARGIN, CROWD) == (200_000, 2000, 64)
    shedding = Shedding(host.registry, "web1")
    assert (shedding._most, shedding._margin) == (MOST_BANS, MARGIN)
    assert Shedding(host.registry, "web1", 5)._margin == 1


def test_status_warns_for_a_day(host: Host) -> None:
    with_room_for(host, 10)
    assert host.ask("status")["warnings"] == []
    host.ask("ban", bans=timed(0, 10))
    host.now += 1
    host.ask("ban", bans=timed(10, 11))
    (warning,) = host.ask("status")["warnings"]
    assert warning == "too many bans, last at 2027-01-15 08:00:01 UTC: 2 that end soonest were let go since the start"
    assert host.ask("status")["state"] == "enforcing"
    host.wait(DAY + 1)
    assert host.ask("status")["warnings"] == []


# Crowds


def test_many_64_of_one_48_become_the_48(host: Host) -> None:
    with_room_for(host, 70)
    inside = [{"network": text, "duration": 3600 + n} for n, text in enumerate(sixty_fours(CROWD))]
    host.ask("ban", bans=inside)
    host.ban("2001:db8:5:ffff::/64", duration="permanent")
    host.ask("permanent_bans", list="site", entries=["2001:db8:5:eeee::/64"])
    host.ask("ban", bans=timed(0, 7))
    kept = [f"203.0.113.{number}" for number in range(7)]
    assert host.banned() == sorted(["2001:db8:5::/48", "2001:db8:5:ffff::/64", "2001:db8:5:eeee::/64", *kept])
    assert host.firewall.bans["2001:db8:5::/48"] == 3600 + CROWD - 1
    assert sorted(host.firewall.bans) == host.banned()
    assert host.ask("status")["shed"] == 0
    why = host.ask("why", address="2001:db8:5:7::9")
    assert why["bans"][0]["reason"] == "64 bans in this network, the registry is full"
    assert why["history"][0]["ended_by"] == "merged"


@pytest.mark.parametrize("entry", ["2001:db8:5:1234::/64", "2001:db8:5:1234::9", "2001:db8:0::/44"])
def test_a_crowd_with_somebody_whitelisted_in_it_is_not_merged(host: Host, entry: str) -> None:
    with_room_for(host, 70)
    host.ban(*sixty_fours(CROWD), duration="2h")
    host.ask("whitelist_set", entries=[entry])
    host.ask("ban", bans=timed(0, 71))
    assert "2001:db8:5::/48" not in host.firewall.bans


@pytest.mark.parametrize("duration", ["permanent", "30d"])
def test_a_merged_crowd_takes_nothing_from_a_ban_of_the_48(host: Host, duration: str) -> None:
    with_room_for(host, CROWD + 8)
    host.ban("2001:db8:5::/48", duration=duration)
    held = host.ask("bans", covering="2001:db8:5::/48")["bans"][0]["expires_at"]
    host.ask("ban", bans=[{"network": text, "duration": "1h"} for text in sixty_fours(CROWD + 8)])
    host.now += 1
    host.ban("203.0.113.9")
    assert host.banned() == ["2001:db8:5::/48", "203.0.113.9"]
    assert host.ask("bans", covering="2001:db8:5::/48")["bans"][0]["expires_at"] == held


def test_fewer_than_a_crowd_stay_what_they_are(host: Host) -> None:
    with_room_for(host, 70)
    host.ban(*sixty_fours(CROWD - 1), *sixty_fours(1, "2001:db8:6"), duration="2h")
    host.ask("ban", bans=timed(0, 7))
    assert not [text for text in host.firewall.bans if text.endswith("/48")]


def test_one_64_that_a_whole_fleet_banned_is_no_crowd(host: Host) -> None:
    with_room_for(host, 70)
    fleet = [
        {"network": "2001:db8:5::/64", "source": "fleet", "origin": f"web{n}", "duration": "1h"} for n in range(CROWD)
    ]
    host.ask("ban", EXCHANGE, bans=fleet)
    host.ask("ban", bans=timed(0, 7))
    assert "2001:db8:5::/48" not in host.firewall.bans


def test_a_merged_crowd_is_lifted_as_one(host: Host) -> None:
    with_room_for(host, 70)
    host.ban(*sixty_fours(CROWD), duration="1h", source="watcher/requests")
    host.ask("ban", bans=timed(0, 7))
    host.ask("unban", networks=["2001:db8:5::/48"])
    assert not [text for text in host.firewall.bans if ":" in text]


# Quota


def quota_of(host: Host, caller: Any, bans: list[dict[str, Any]]) -> str:
    with pytest.raises(ProtocolError) as caught:
        host.ask("ban", caller, bans=bans)
    assert caught.value.code == "quota"
    return str(caught.value)


def watched(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"network": f"203.0.{number // 256}.{number % 256}", "source": "watcher/requests"}
        for number in range(first, first + count)
    ]


def test_a_service_over_its_share_is_refused_and_told_when_to_come_back(host: Host) -> None:
    for first in (0, 1000):
        host.ask("ban", WATCHER, bans=watched(first, 1000))
    message = quota_of(host, WATCHER, watched(2000, 100))
    assert message == "watcher may ask for 2000 bans a minute: ask again in 4 s"
    assert host.ask("status")["networks"] == 2000
    host.now += 600  # a step of the wall clock gives nobody anything
    quota_of(host, WATCHER, watched(2000, 100))
    host.wait(4)
    host.ask("ban", WATCHER, bans=watched(2000, 100))
    quota_of(host, WATCHER, watched(2100, 100))


def test_what_is_already_banned_or_only_asked_for_costs_nothing(host: Host) -> None:
    for _number in range(3):
        host.ask("ban", WATCHER, bans=watched(0, 1000))
        host.ask("ban", WATCHER, bans=watched(5000, 1000), check=True)
    host.ask("ban", WATCHER, bans=watched(1000, 1000))
    quota_of(host, WATCHER, watched(2000, 1))


def test_each_service_has_its_own_share_and_root_has_no_bound(host: Host) -> None:
    for first in (0, 1000):
        host.ask("ban", WATCHER, bans=watched(first, 1000))
    quota_of(host, WATCHER, watched(2000, 1))
    host.ask("ban", EXCHANGE, bans=[{"network": "198.18.0.1", "source": "fleet", "origin": "web2"}])
    host.ask("ban", bans=[{"network": f"198.18.{n // 256}.{n % 256}"} for n in range(20_000)])


def test_the_share_fills_up_to_one_minutes_worth_and_no_further() -> None:
    clock = [0.0]
    quota = Quota(lambda: clock[0])
    quota.take(WATCHER, 2000)
    for seconds, has in ((0, 0), (1, 33), (3600, 2000), (0, 0), (30, 1000)):
        clock[0] += seconds
        with pytest.raises(ProtocolError) as caught:
            quota.take(WATCHER, has + 1)
        quota.take(WATCHER, has)
        wait = re.search(r"in (\d+) s", str(caught.value))
        assert wait is not None
        assert int(wait[1]) >= 1


# One request


@pytest.mark.parametrize("op", ["ban", "unban", "permanent_bans", "whitelist_set"])
def test_more_entries_than_a_request_may_have_are_refused_whole(host: Host, op: str) -> None:
    key = {"ban": "bans", "unban": "networks"}.get(op, "entries")
    with pytest.raises(ProtocolError) as caught:
        host.ask(op, **{key: ["203.0.113.9"] * (MAX_ENTRIES + 1)})
    assert (caught.value.code, MAX_ENTRIES) == ("invalid", 200_000)
    assert f"{key}: 200001 entries at once (at most 200000)" in str(caught.value)
    assert host.banned() == []


def test_one_ban_looks_at_the_hosts_surroundings_once(host: Host) -> None:
    """Routes, addresses and resolvers are read from the kernel: not again for a registry that has room."""
    read, looked = host.warden._execution.surroundings, []

    def look() -> Surroundings:
        looked.append(host.now)
        return read()

    host.warden._execution.surroundings = look
    host.ban("203.0.113.9")
    assert looked == [NOW]


def test_a_holed_ban_answers_with_no_more_holes_than_any_list_shows(host: Host) -> None:
    entries = [f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(10_000)]
    host.ask("whitelist_set", entries=entries)
    answer = host.ban("198.0.0.0/8")
    assert len(answer["results"][0]["holes"]) <= 100


def test_an_answer_has_no_more_rows_than_the_caller_may_have(host: Host) -> None:
    """Else a service with a ban under each of many names makes answers that no memory holds."""
    watcher = replace(WATCHER, max_rows=10)
    host.ask("ban", watcher, bans=[{"network": "203.0.113.0/24", "source": f"watcher/{n}"} for n in range(30)])
    inside = [f"203.0.113.{number}" for number in range(20)]
    results = host.ask("unban", watcher, networks=inside, source="watcher/x")["results"]
    assert [result["network"] for result in results] == inside
    assert sum(len(result["remaining"]) for result in results) == 10
    assert len(host.ask("why", watcher, address=inside[0])["bans"]) == 10
    answer = host.ask("bans", watcher, covering=inside[0])
    assert (len(answer["bans"]), answer["total"], answer["truncated"]) == (10, 30, True)
    assert len(host.ask("unban", networks=[inside[0]])["results"][0]["remaining"]) == 30


def test_a_network_that_is_named_twice_is_lifted_once(host: Host) -> None:
    host.ban("203.0.113.9")
    results = host.ask("unban", networks=["203.0.113.9", "::ffff:203.0.113.9"])["results"]
    assert [(result["network"], result["state"]) for result in results] == [("203.0.113.9", "lifted")]
