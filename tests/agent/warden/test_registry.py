# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry by itself: rows, what became of them, what followers hear of, what is forgotten when."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.addresses import Network, parse_network
from stockade.warden import reader, registry
from stockade.warden.callers import SERVICES
from stockade.warden.registry import CHANGES_SECONDS, GRACE_SECONDS, HISTORY_SECONDS, Registry
from stockade.warden.rows import Ban, Change, WhitelistEntry, key_of, network_of

HOUR, DAY = 3600, 86400
NOTIFIER, EXCHANGE = SERVICES["stockade-notifier"], SERVICES["stockade-exchange"]


@pytest.fixture
def rows() -> Registry:
    return Registry(":memory:")


def ban(text: str, ends: int | None = NOW + HOUR, source: str = "operator", **fields: Any) -> Ban:
    row = Ban(parse_network(text), source, "web1", f"{source}:{text}:{ends}", "", NOW, ends)
    return row._replace(**fields)


def texts(found: list[Ban]) -> list[str]:
    return [str(row.network) for row in found]


def history(rows: Registry, text: str, now: int = NOW) -> list[tuple[str, int, str]]:
    return [(one.ban.id, one.ended_at, one.ended_by) for one in rows.past(now, parse_network(text), 100)]


# Keys


def test_keys_sort_as_networks_do_and_lead_back() -> None:
    dice = random.Random(3)
    networks = [parse_network(text) for text in ("0.0.0.0/0", "::/0", "255.255.255.255", "::fffe:0:0/95", "ff00::/8")]
    for version, bits in ((4, 32), (6, 128)):
        for _number in range(500):
            length = dice.randint(0, bits)
            networks.append(Network(version, dice.getrandbits(bits) >> bits - length << bits - length, length))
    keys = [key_of(network) for network in networks]
    assert all(len(key) == 17 for key in keys)
    assert [network_of(key) for key in keys] == networks
    assert len(set(keys)) == len(set(networks))
    by_key = [network_of(key) for key in sorted(set(keys))]
    for version in (4, 6):
        of_version = [(net.first, net.prefixlen) for net in by_key if net.version == version]
        assert of_version == sorted(of_version)


def test_inside_and_covering_keep_the_families_apart(rows: Registry) -> None:
    held = ("0.0.0.0/0", "203.0.113.0/24", "203.0.113.9", "::/0", "::/32", "2001:db8::/32", "2001:db8::9")
    rows.change(NOW, Change(put=[ban(text) for text in held]))

    def inside(text: str) -> list[str]:
        return sorted(texts(rows.inside(NOW, parse_network(text))))

    assert inside("0.0.0.0/0") == ["0.0.0.0/0", "203.0.113.0/24", "203.0.113.9"]
    assert inside("::/0") == ["2001:db8::/32", "2001:db8::9", "::/0", "::/32"]
    assert inside("::/32") == ["::/32"]
    assert inside("203.0.113.0/25") == ["203.0.113.9"]
    assert texts(rows.covering(NOW, parse_network("203.0.113.9"))) == ["203.0.113.9", "203.0.113.0/24", "0.0.0.0/0"]
    assert texts(rows.covering(NOW, parse_network("2001:db8::9"))) == ["2001:db8::9", "2001:db8::/32", "::/0"]
    assert texts(rows.covering(NOW, parse_network("::9"))) == ["::/32", "::/0"]


def test_inside_and_covering_find_what_a_walk_through_all_finds(rows: Registry) -> None:
    dice, held = random.Random(7), set()
    for _number in range(300):
        version, bits = dice.choice(((4, 32), (6, 128)))
        length = dice.randint(0, 12)
        held.add(Network(version, dice.getrandbits(12) << bits - 12 >> bits - length << bits - length, length))
    rows.change(NOW, Change(put=[ban(str(network)) for network in held]))
    for asked in held:
        same = [one for one in held if one.version == asked.version]
        inside = {one for one in same if asked.first <= one.first <= asked.last and one.prefixlen >= asked.prefixlen}
        covering = {one for one in same if one in asked.supernets()}
        assert {row.network for row in rows.inside(NOW, asked)} == inside
        assert {row.network for row in rows.covering(NOW, asked)} == covering


@pytest.mark.parametrize("few", [0, reader._FEW])
def test_in_force_is_the_longest_of_each_network(rows: Registry, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_FEW", few)
    put = [ban("203.0.113.9", NOW + 60), ban("203.0.113.9", NOW + 90, "fail2ban/sshd"), ban("203.0.113.8", NOW)]
    put += [ban("203.0.113.7", None), ban("203.0.113.7", NOW + 60, "fail2ban/sshd")]
    rows.change(NOW, Change(put=put))
    wanted = {parse_network("203.0.113.9"): NOW + 90, parse_network("203.0.113.7"): None}
    assert rows.in_force(NOW) == wanted
    assert rows.in_force(NOW, wanted.keys() | {parse_network("203.0.113.6")}) == wanted


# Ends


def test_bh15_what_ended_a_ban_and_when_is_kept(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", NOW + 60, id="first")]))
    rows.change(NOW + 30, Change(put=[ban("203.0.113.9", NOW + 120, id="second")]))
    rows.change(NOW + 500, Change(put=[ban("203.0.113.9", NOW + 900, id="third")]))
    third = rows.live(NOW + 600)
    rows.change(NOW + 600, Change(end=third, ended_by="unban/root"))
    assert history(rows, "203.0.113.9") == [
        ("third", NOW + 600, "unban/root"),
        ("second", NOW + 120, "expired"),
        ("first", NOW + 30, "renewed"),
    ]
    assert rows.live(NOW) == []


def test_a_clock_that_goes_back_and_forth_revives_and_loses_nothing(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", NOW + 60), ban("203.0.113.8", NOW + 2 * HOUR)]))
    for now, live in ((NOW + 61, 1), (NOW - HOUR, 2), (NOW + HOUR, 1), (NOW + 59, 2), (NOW + 60, 1)):
        rows.tidy(now)
        assert len(rows.live(now)) == live
        assert len(rows.in_force(now)) == live
        assert rows.past_total() == 0
        assert len(history(rows, "203.0.113.9", now)) == 2 - live


def test_a_ban_that_ended_is_in_the_history_once_before_and_after_it_was_moved(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", NOW + 60, id="x")]))
    later = NOW + 60 + GRACE_SECONDS
    for now in (later - 1, later):
        rows.tidy(now)
        assert history(rows, "203.0.113.9", now) == [("x", NOW + 60, "expired")]
    assert rows.past_total() == 1
    assert rows.known_id("x", "operator", "web1")


def test_an_id_is_known_of_its_own_source_and_origin_alone(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", id="x", source="watcher/a")]))
    assert rows.known_id("x", "watcher/a", "web1")
    assert not rows.known_id("x", "fail2ban/sshd", "web1")
    assert not rows.known_id("x", "watcher/a", "web2")


def test_a_change_that_fails_half_way_changes_nothing(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", id="kept")]))
    broken = ban("203.0.113.7", reason=None)
    with pytest.raises(sqlite3.IntegrityError):
        rows.change(NOW, Change(put=[ban("203.0.113.8"), broken], end=rows.live(NOW), ended_by="unban/root"))
    assert [row.id for row in rows.live(NOW)] == ["kept"]
    assert (rows.past_total(), rows.last_change()) == (0, 1)
    rows.change(NOW, Change(put=[ban("203.0.113.8")]))
    assert len(rows.live(NOW)) == 2


@pytest.mark.parametrize("now", [0, 1, 4_102_444_800])
def test_a_host_whose_clock_is_at_zero_or_in_2100_bans_and_lifts(host: Host, now: int) -> None:
    host.now = now
    host.ban("203.0.113.9", duration="10m")
    assert host.firewall.bans == {"203.0.113.9": 600}
    host.ask("whitelist_set", entries=[{"network": "203.0.113.7", "duration": "1h"}])
    host.warden.tidy()
    assert host.banned() == ["203.0.113.9"]
    host.wait(601)
    assert host.banned() == []
    host.warden.tidy()
    assert host.firewall.bans == {}
    assert host.ask("why", address="203.0.113.9")["history"][0]["ended_by"] == "expired"
    assert host.ask("status")["state"] == "enforcing"


# Tidying


def test_history_older_than_90_days_and_changes_older_than_14_are_forgotten(rows: Registry) -> None:
    rows.change(NOW, Change(put=[ban("203.0.113.9", None)]))
    rows.change(NOW, Change(end=rows.live(NOW), ended_by="unban/root"))
    rows.tidy(NOW + CHANGES_SECONDS)
    assert len(rows.changes_after(0, 10)) == 2
    rows.tidy(NOW + CHANGES_SECONDS + 1)
    assert rows.changes_after(0, 10) == []
    assert rows.last_change() == 2
    rows.tidy(NOW + HISTORY_SECONDS)
    assert rows.past_total() == 1
    rows.tidy(NOW + HISTORY_SECONDS + 1)
    assert rows.past_total() == 0


def end_at(rows: Registry, number: int, when: int) -> None:
    rows.change(when, Change(put=[ban(f"203.0.113.{number}", None, id=str(number))]))
    rows.change(when, Change(end=rows.live(when), ended_by="unban/root"))


def test_the_oldest_go_when_there_is_more_history_than_rows_for_it(
    rows: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "HISTORY_ROWS", 10)
    for number in range(15):
        end_at(rows, number, NOW + number)
    rows.tidy(NOW + 20)
    assert rows.past_total() == 10
    assert not rows.known_id("4", "operator", "web1")
    assert rows.known_id("5", "operator", "web1")


def test_what_age_made_room_for_is_not_made_room_for_again(rows: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HISTORY_ROWS", 10)
    for number in range(20):
        end_at(rows, number, NOW if number < 10 else NOW + HISTORY_SECONDS)
    rows.tidy(NOW + HISTORY_SECONDS + 1)
    assert rows.past_total() == 10


def test_rows_that_expired_do_not_pile_up(rows: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ended within the hour between two tidyings: all of them were over for a day."""
    monkeypatch.setattr(registry, "_TIDY_ROWS", 10)
    rows.change(NOW, Change(put=[ban(f"203.0.113.{number}", NOW + 60) for number in range(35)]))
    for _look in range(5):  # of whatever does a part at a time
        rows.tidy(NOW + 60 + GRACE_SECONDS)
    assert rows.past_total() == 35


def test_whitelist_entries_are_forgotten_a_day_after_their_end(rows: Registry) -> None:
    entry = WhitelistEntry(parse_network("203.0.113.7"), "site", "", NOW, NOW + 60)
    rows.change(NOW, Change(put_whitelist=[entry, entry._replace(list_name="other", expires_at=None)]))
    assert len(rows.whitelist(NOW + 59)) == 2
    assert len(rows.whitelist(NOW + 60)) == 1
    rows.tidy(NOW + GRACE_SECONDS)
    assert len(rows.whitelist(NOW)) == 2
    rows.tidy(NOW + 61 + GRACE_SECONDS)
    assert len(rows.whitelist(NOW)) == 1


# What followers hear of


def told(host: Host, after: int = 0, **fields: Any) -> list[tuple[str, str]]:
    answer = host.ask("changes", NOTIFIER, after=after, **fields)
    return [(change["kind"], change["network"]) for change in answer["changes"]]


def test_one_mixed_batch_is_told_as_what_it_did_to_each(host: Host) -> None:
    host.ban("203.0.113.1", "203.0.113.2", duration="10m")
    host.now += 601  # both are over
    host.ban("203.0.113.3", "203.0.113.4", duration="1h")
    seen = host.ask("changes", NOTIFIER)["last"]
    assert seen == 4
    batch = [{"network": f"203.0.113.{number}", "duration": "1d"} for number in (1, 3, 4, 5)]
    host.ask("ban", bans=[*batch, {"network": "203.0.113.4", "duration": "2d"}])
    host.ask("unban", networks=["203.0.113.3", "203.0.113.99"])
    assert told(host, seen) == [
        ("banned", "203.0.113.1"),
        ("renewed", "203.0.113.3"),
        ("renewed", "203.0.113.4"),
        ("banned", "203.0.113.5"),
        ("lifted", "203.0.113.3"),
    ]


def test_a_change_carries_what_a_message_about_it_needs(host: Host) -> None:
    host.ban("203.0.113.9", reason="scan", duration="1h", caller=EXCHANGE, source="fleet", origin="web2", id="web2:1")
    change = host.ask("changes", EXCHANGE)["changes"][0]
    assert change.pop("seq") == 1
    assert change == {
        "at": NOW,
        "kind": "banned",
        "network": "203.0.113.9",
        "source": "fleet",
        "origin": "web2",
        "id": "web2:1",
        "reason": "scan",
        "expires_at": NOW + HOUR,
    }


def test_lists_and_ends_are_not_told_and_a_whitelist_tells_whom_it_lifted(host: Host) -> None:
    host.ask("permanent_bans", list="x", entries=["203.0.113.1", "203.0.113.2"])
    host.ask("permanent_bans", list="x", entries=["203.0.113.1"])
    host.ban("203.0.113.1", duration="10m")
    host.ban("203.0.113.3", duration="10m")
    host.ask("whitelist_set", entries=["203.0.113.0/30"])
    host.wait(2 * DAY)
    host.warden.tidy()
    assert told(host) == [
        ("banned", "203.0.113.1"),
        ("banned", "203.0.113.3"),
        ("lifted", "203.0.113.1"),
        ("lifted", "203.0.113.3"),
    ]


def test_followers_read_on_where_they_were_and_numbers_never_return(host: Host) -> None:
    for number in range(5):
        host.ban(f"203.0.113.{number}")
    first = host.ask("changes", NOTIFIER, limit=2)
    assert ([change["seq"] for change in first["changes"]], first["last"]) == ([1, 2], 5)
    assert told(host, after=4) == [("banned", "203.0.113.4")]
    assert told(host, after=5) == told(host, after=1 << 40) == []
    host.now += CHANGES_SECONDS + 1
    host.warden.tidy()
    host.ban("203.0.113.9")
    assert host.ask("changes", NOTIFIER)["changes"][0]["seq"] == 6
