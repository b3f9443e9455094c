# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests against the warden's core: what is recorded, what the firewall holds, what is refused."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.protocol import ProtocolError
from stockade.warden.callers import SERVICES, STRANGER
from stockade.warden.registry import Registry

WATCHER = SERVICES["stockade-watcher"]


def refusal(host: Host, op: str, **fields: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        host.ask(op, **fields)
    return caught.value


def test_ban_is_recorded_and_enforced_for_the_configured_hour(host: Host) -> None:
    result = host.ban("203.0.113.9", reason="test")
    assert result["changed"]
    assert result["results"][0]["state"] == "banned"
    assert result["results"][0]["expires_at"] == NOW + 3600
    assert host.firewall.bans == {"203.0.113.9": 3600}


def test_asking_twice_is_asking_once(host: Host) -> None:
    host.ban("203.0.113.9", duration="7d")
    host.now += 30
    assert host.ban("203.0.113.9", duration="7d") == {
        "changed": False,
        "results": [
            {
                "network": "203.0.113.9",
                "state": "unchanged",
                "message": "",
                "expires_at": NOW + 7 * 86400,
                "holes": [],
            }
        ],
    }


def test_the_operators_later_word_counts_even_if_it_is_shorter(host: Host) -> None:
    host.ban("203.0.113.9", duration="7d")
    assert host.ban("203.0.113.9", duration="10m")["results"][0]["state"] == "renewed"
    assert host.firewall.bans == {"203.0.113.9": 600}


def test_the_longest_of_several_sources_is_in_force(host: Host) -> None:
    host.ban("203.0.113.9", duration="10m", source="fail2ban/sshd")
    host.ban("203.0.113.9", duration="permanent")
    assert host.firewall.bans == {"203.0.113.9": None}
    host.ask("unban", networks=["203.0.113.9"], source="operator")
    assert host.firewall.bans == {"203.0.113.9": 600}


def test_a_ban_ends_with_the_clock_and_comes_back_with_it(host: Host) -> None:
    host.ban("203.0.113.9", duration="10m")
    host.now += 601
    assert host.banned() == []
    host.now -= 3600
    assert host.banned() == ["203.0.113.9"]


def test_ipv4_mapped_becomes_ipv4(host: Host) -> None:
    host.ban("::ffff:203.0.113.9")
    assert host.banned() == ["203.0.113.9"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example.com", "host names are not allowed"),
        ("203.0.113.9/24", "did you mean 203.0.113.0/24?"),
        ("203.0.113.09", "leading zeros"),
        ("999.1.1.1", "0 to 255"),
        ("fe80::1%eth0", "zone ids"),
        ("203.0.113.0/255.255.255.0", "prefix length"),
        ("--help", "host names are not allowed"),
        ("$(touch x)", "host names are not allowed"),
        ("", "not an address"),
        ("203.0.113.9\x00", "not an address"),
    ],
)
def test_ah17_what_is_no_address_is_refused_before_anything_is_written(host: Host, text: str, reason: str) -> None:
    error = refusal(host, "ban", bans=[{"network": "203.0.113.8"}, {"network": text}])
    assert error.code == "invalid"
    assert reason in str(error)
    assert host.banned() == []


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("198.51.100.10", "address of this host"),
        ("2001:db8::10", "address of this host"),
        ("198.51.100.1", "gateway or resolver"),
        ("0.0.0.0/0", "wider than /8"),
    ],
)
def test_ah13_what_the_host_needs_is_never_banned(host: Host, network: str, reason: str) -> None:
    error = refusal(host, "ban", bans=[{"network": network}])
    assert error.code == "refused"
    assert reason in str(error)
    assert host.banned() == []


@pytest.mark.parametrize("network", ["127.0.0.1", "198.51.100.10", "198.51.100.1"])
def test_force_does_not_ban_what_is_never_banned(host: Host, network: str) -> None:
    assert refusal(host, "ban", bans=[{"network": network}], force=True).code == "refused"


def test_one_refused_entry_writes_nothing_unless_it_is_to_be_skipped(host: Host) -> None:
    wanted = [{"network": "203.0.113.9"}, {"network": "127.0.0.1"}]
    refusal(host, "ban", bans=wanted)
    assert host.banned() == []
    result = host.ask("ban", bans=wanted, on_refused="skip")
    assert [item["state"] for item in result["results"]] == ["banned", "refused"]
    assert host.banned() == ["203.0.113.9"]


def test_a10_a_whitelisted_address_is_refused_and_its_neighbour_is_not(host: Host) -> None:
    host.ask("whitelist_set", entries=[{"network": "203.0.113.5", "comment": "monitoring"}])
    error = refusal(host, "ban", bans=[{"network": "203.0.113.5"}])
    assert "203.0.113.5 is whitelisted by list operator (monitoring)" in str(error)
    host.ban("203.0.113.51")
    assert host.banned() == ["203.0.113.51"]


def test_whitelisting_lifts_the_bans_it_covers(host: Host) -> None:
    host.ban("203.0.113.9", "203.0.113.200", "198.51.100.99")
    result = host.ask("whitelist_set", entries=[{"network": "203.0.113.0/24"}])
    assert sorted(row["network"] for row in result["lifted"]) == ["203.0.113.200", "203.0.113.9"]
    assert list(host.firewall.bans) == ["198.51.100.99"]
    assert "203.0.113.0/24" in host.firewall.whitelist


def test_a_ban_around_a_whitelisted_network_names_its_holes(host: Host) -> None:
    host.ask("whitelist_set", entries=[{"network": "203.0.113.5"}])
    result = host.ban("203.0.113.0/24")
    assert result["results"][0]["holes"] == ["203.0.113.5"]
    assert host.firewall.bans == {"203.0.113.0/24": 3600}


def test_the_controllers_entry_is_renewed_when_half_is_gone(host: Host) -> None:
    entry = {"list": "controller", "renew": True, "entries": [{"network": "203.0.113.7", "duration": "30d"}]}
    assert host.ask("whitelist_set", **entry)["changed"]
    host.now += 14 * 86400
    assert not host.ask("whitelist_set", **entry)["changed"]
    host.now += 2 * 86400
    assert host.ask("whitelist_set", **entry)["changed"]


def test_a_timed_entry_of_another_list_keeps_its_first_end(host: Host) -> None:
    entry = {"list": "site", "entries": [{"network": "203.0.113.7", "duration": "7d"}]}
    host.ask("whitelist_set", **entry)
    host.now += 6 * 86400
    assert not host.ask("whitelist_set", **entry)["changed"]
    entry["entries"] = [{"network": "203.0.113.7", "duration": "14d"}]
    assert host.ask("whitelist_set", **entry)["changed"]


def test_a_timed_entry_of_a_permanent_list_keeps_its_first_end(host: Host) -> None:
    entries = [{"network": "203.0.113.9", "duration": "7d"}]
    host.ask("permanent_bans", list="site", entries=entries)
    host.now += 6 * 86400
    assert not host.ask("permanent_bans", list="site", entries=entries)["changed"]
    assert host.ask("permanent_bans", list="site", entries=[{"network": "203.0.113.9"}])["changed"]


def test_a_whitelist_entry_that_ended_no_longer_passes(host: Host) -> None:
    host.ask("whitelist_set", entries=[{"network": "203.0.113.7", "duration": "1h"}])
    host.wait(3601)
    assert host.firewall.whitelist == {"198.51.100.1"}
    host.ban("203.0.113.7")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "8.0.0.0/7", "2001::/16"])
def test_a_whitelist_entry_may_not_be_wider_than_a_8_or_32(host: Host, network: str) -> None:
    assert refusal(host, "whitelist_set", entries=[{"network": network}]).code == "invalid"


def test_unban_names_a_network_that_still_covers_the_address(host: Host) -> None:
    host.ban("203.0.113.0/24", reason="scan")
    result = host.ask("unban", networks=["203.0.113.9"])
    assert not result["changed"]
    assert result["results"][0]["state"] == "absent"
    assert [row["network"] for row in result["results"][0]["remaining"]] == ["203.0.113.0/24"]


def test_a38_unban_lifts_every_source(host: Host) -> None:
    host.ban("203.0.113.9", source="fail2ban/sshd")
    host.ban("203.0.113.9", source="watcher/requests")
    result = host.ask("unban", networks=["203.0.113.9"])
    assert len(result["results"][0]["lifted"]) == 2
    assert host.firewall.bans == {}


def test_permanent_bans_are_declared(host: Host) -> None:
    first = host.ask(
        "permanent_bans", list="scanners", entries=[{"network": "203.0.113.9"}, {"network": "2001:db8:1::/48"}]
    )
    assert first["added"] == ["203.0.113.9", "2001:db8:1::/48"]
    assert host.firewall.bans == {"203.0.113.9": None, "2001:db8:1::/48": None}
    again = host.ask("permanent_bans", list="scanners", entries=[{"network": "203.0.113.9"}])
    assert (again["added"], again["removed"]) == ([], ["2001:db8:1::/48"])
    assert again["counts"] == {
        "added": 0,
        "removed": 1,
        "refused": 0,
        "lifted": 0,
        "expired": 0,
        "total": 1,
    }
    assert host.banned() == ["203.0.113.9"]


def test_check_answers_as_if_done_and_changes_nothing(host: Host) -> None:
    assert host.ask("ban", bans=[{"network": "203.0.113.9"}], check=True)["changed"]
    assert host.ask("permanent_bans", list="x", entries=[{"network": "203.0.113.9"}], check=True)["added"]
    assert host.ask("whitelist_set", entries=[{"network": "203.0.113.7"}], check=True)["added"]
    assert host.ask("release", check=True)["changed"]
    assert host.banned() == []
    assert host.ask("status")["state"] == "enforcing"
    assert host.ask("status")["whitelist"] == 0


def test_a_service_speaks_only_for_itself(host: Host) -> None:
    host.ban("203.0.113.9", caller=WATCHER, source="watcher/requests")
    for source in ("operator", "fail2ban/sshd", None):
        with pytest.raises(ProtocolError) as caught:
            host.ask("ban", WATCHER, bans=[{"network": "203.0.113.10", "source": source}])
        assert caught.value.code == "denied"
    host.ban("203.0.113.11")
    with pytest.raises(ProtocolError):
        host.ask("unban", WATCHER, networks=["203.0.113.11"], source="operator")
    assert host.banned() == ["203.0.113.11", "203.0.113.9"]


@pytest.mark.parametrize("op", ["permanent_bans", "whitelist_set", "release", "resume"])
def test_what_is_roots_alone(host: Host, op: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        host.ask(op, WATCHER)
    assert caught.value.code == "denied"


@pytest.mark.parametrize("op", ["status", "bans", "ban", "release"])
def test_a_stranger_is_told_nothing(host: Host, op: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        host.ask(op, STRANGER)
    assert caught.value.code == "denied"


@pytest.mark.parametrize("network", ["10.1.2.3", "192.168.1.9", "fd00::1", "203.0.0.0/16"])
def test_services_spare_private_and_wide_networks(host: Host, network: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        host.ban(network, caller=WATCHER, source="watcher/requests")
    assert caught.value.code == "refused"
    host.ban(network)  # the operator may


def test_an_id_bans_once_even_after_an_unban(host: Host) -> None:
    fields = {"source": "watcher/requests", "id": "requests:203.0.113.9:30000000"}
    assert host.ban("203.0.113.9", caller=WATCHER, **fields)["changed"]
    assert not host.ban("203.0.113.9", caller=WATCHER, **fields)["changed"]
    host.ask("unban", networks=["203.0.113.9"])
    assert not host.ban("203.0.113.9", caller=WATCHER, **fields)["changed"]
    assert host.banned() == []


def test_a_firewall_that_refuses_is_said_and_retried(host: Host) -> None:
    host.firewall.broken = True
    error = refusal(host, "ban", bans=[{"network": "203.0.113.9"}])
    assert error.code == "unavailable"
    assert "recorded, NOT in force" in str(error)
    assert host.ask("status")["state"] == "degraded"
    host.firewall.broken = False
    host.now -= 7200  # a step of the clock must not stop the retry
    host.wait(6)
    assert host.ask("status")["state"] == "enforcing"
    assert host.banned() == list(host.firewall.bans) == ["203.0.113.9"]


@pytest.mark.parametrize("again", ["ban", "unban", "permanent_bans", "whitelist_set"])
def test_asking_again_is_not_taken_for_success_while_the_firewall_refuses(host: Host, again: str) -> None:
    fields: dict[str, Any] = {
        "ban": {"bans": [{"network": "203.0.113.9"}]},
        "unban": {"networks": ["203.0.113.8"]},
        "permanent_bans": {"list": "x", "entries": [{"network": "203.0.113.9"}]},
        "whitelist_set": {"entries": [{"network": "203.0.113.7"}]},
    }[again]
    host.ban("203.0.113.8")
    host.firewall.broken = True
    for _number in range(2):
        assert refusal(host, again, **fields).code == "unavailable"
    host.firewall.broken = False
    host.ask(again, **fields)
    assert host.ask("status")["state"] == "enforcing"


def test_what_others_took_out_is_put_back(host: Host) -> None:
    host.ban("203.0.113.9")
    host.firewall.remove()
    host.warden.tick()
    assert host.firewall.bans == {"203.0.113.9": 3600}


def test_release_stays_across_a_restart_until_resume(tmp_path: Any) -> None:
    host = Host(str(tmp_path / "registry.db"))
    host.ban("203.0.113.9")
    host.ask("release")
    assert host.firewall.gone
    host.restart()
    assert host.firewall.bans == {}
    assert "NOT in force" in str(refusal(host, "ban", bans=[{"network": "203.0.113.10"}]))
    assert "NOT in force" in str(refusal(host, "ban", bans=[{"network": "203.0.113.10"}]))
    assert host.ask("unban", networks=["203.0.113.9"])["changed"]
    host.ask("resume")
    assert sorted(host.firewall.bans) == ["203.0.113.10"]


def test_a_release_that_failed_half_way_is_finished(host: Host) -> None:
    host.ban("203.0.113.9")
    host.firewall.broken = True
    assert "NOT released" in str(refusal(host, "release"))
    host.firewall.broken = False
    host.wait(6)
    assert host.firewall.gone
    host.firewall.bans = {"203.0.113.9": None}  # somebody restores a saved ruleset
    host.wait(1)
    assert host.firewall.bans == {}


def full_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_fields: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Registry, "transaction", fail)


def test_on_a_full_disk_the_answer_says_which_half_is_missing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ban("203.0.113.9")
    full_disk(host, monkeypatch)
    error = refusal(host, "ban", bans=[{"network": "203.0.113.10"}])
    assert (error.code, str(error)) == ("unavailable", "in force, NOT recorded: database or disk is full")
    assert sorted(host.firewall.bans) == ["203.0.113.10", "203.0.113.9"]
    assert "NOT recorded" in str(refusal(host, "unban", networks=["203.0.113.9"]))
    assert sorted(host.firewall.bans) == ["203.0.113.10"]


def test_release_works_on_a_full_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ban("203.0.113.9")
    full_disk(host, monkeypatch)
    assert "released until the next start, NOT recorded" in str(refusal(host, "release"))
    assert host.firewall.bans == {}
    host.wait(1)
    assert host.firewall.bans == {}


def test_the_registry_of_a_newer_agent_is_enforced_and_not_written(host: Host) -> None:
    host.ban("203.0.113.9")
    host.registry.version = 99
    assert "of a newer agent" in str(refusal(host, "ban", bans=[{"network": "203.0.113.10"}]))
    host.firewall.remove()
    host.wait(1)
    assert list(host.firewall.bans) == ["203.0.113.9"]
    host.ask("release")


def test_what_a_ban_replaces_stays_in_the_history(host: Host) -> None:
    fields = {"caller": WATCHER, "source": "watcher/requests"}
    host.ban("203.0.113.9", id="first", duration="10m", **fields)
    host.now += 1200
    host.ban("203.0.113.9", id="second", duration="10m", **fields)
    assert not host.ban("203.0.113.9", id="first", duration="10m", **fields)["changed"]
    twice = [{"network": "203.0.113.20", "id": "same", "source": "watcher/requests"}] * 2
    assert [item["state"] for item in host.ask("ban", WATCHER, bans=twice)["results"]] == ["banned", "unchanged"]


def test_a_wide_ban_spares_what_is_never_banned_and_says_so(host: Host) -> None:
    assert host.ban("169.0.0.0/8")["results"][0]["holes"] == ["169.254.0.0/16"]
    assert host.ban("198.51.100.0/24")["results"][0]["holes"] == ["198.51.100.1", "198.51.100.10"]


def test_a_whitelisted_ipv6_network_lifts_no_ipv4(host: Host) -> None:
    host.ban("203.0.113.9")
    assert host.ask("whitelist_set", entries=[{"network": "::/32"}])["lifted"] == []


def test_a_service_is_told_a_bounded_number_of_rows(host: Host) -> None:
    host.ask("permanent_bans", list="x", entries=[{"network": f"203.0.{n // 256}.{n % 256}"} for n in range(1500)])
    assert len(host.ask("bans", WATCHER, limit=200_000)["bans"]) == 1000
    assert len(host.ask("bans", limit=200_000)["bans"]) == 1500


def test_bans_survive_a_restart(tmp_path: Any) -> None:
    host = Host(str(tmp_path / "registry.db"))
    host.ban("203.0.113.9", duration="permanent")
    host.firewall.bans = {}
    host.restart()
    assert host.firewall.bans == {"203.0.113.9": None}
    assert os.path.exists(host.path)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"op": "nothing"}, "unknown operation"),
        ({"op": "ban", "bans": "203.0.113.9"}, "a list is needed"),
        ({"op": "ban", "bans": [["203.0.113.9"]]}, "each entry is an object"),
        ({"op": "ban", "wrong": 1}, "knows no 'wrong'"),
        ({"op": "ban", "bans": [{"network": "203.0.113.9", "until": 1}]}, "unknown key 'until'"),
        ({"op": "ban", "bans": [{"network": "203.0.113.9", "duration": "soon"}]}, "is not a duration"),
        ({"op": "ban", "bans": [{"network": "203.0.113.9", "duration": True}]}, "is not a duration"),
        ({"op": "ban", "bans": [{"network": "203.0.113.9", "reason": "x" * 201}]}, "at most 200"),
        ({"op": "ban", "bans": [{"network": "203.0.113.9", "source": "list/../x"}]}, "not a valid source"),
        ({"op": "bans", "limit": -1}, "a number from 0"),
        ({"op": "unban", "all": "yes"}, "true or false"),
    ],
)
def test_a_message_that_is_not_understood_names_what_and_why(host: Host, message: Any, reason: str) -> None:
    error = refusal(host, **message)
    assert error.code == "invalid"
    assert reason in str(error)


def test_invisible_characters_in_a_reason_are_made_visible(host: Host) -> None:
    host.ban("203.0.113.9", reason="a\x1b[31mb\u202ec\nd")
    assert host.ask("bans")["bans"][0]["reason"] == r"a\x1b[31mb\u202ec\nd"


def test_nobody_keeps_another_source_from_banning_by_using_its_id_up(host: Host) -> None:
    host.ban("203.0.113.10", caller=WATCHER, source="watcher/x", id="sshd:1")
    assert host.ban("203.0.113.9", source="fail2ban/sshd", id="sshd:1")["results"][0]["state"] == "banned"
    rows = [{"network": "203.0.113.11", "source": f"fail2ban/{jail}", "id": "same"} for jail in ("sshd", "nginx")]
    assert [result["state"] for result in host.ask("ban", bans=rows)["results"]] == ["banned", "banned"]
    assert host.ask("unban", networks=["203.0.113.11"])["total"] == 2
    host.ask("ban", bans=[{**row, "id": "again"} for row in rows])
    assert host.ask("whitelist_set", entries=["203.0.113.11"])["counts"]["lifted"] == 2


@pytest.mark.parametrize(
    ("op", "field"), [("ban", "bans"), ("permanent_bans", "entries"), ("whitelist_set", "entries")]
)
def test_an_end_is_a_date_that_can_be_shown(host: Host, op: str, field: str) -> None:
    last = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    host.ask(op, **{field: [{"network": "203.0.113.9", "expires_at": last}]})
    with pytest.raises(ProtocolError, match="expires_at") as caught:
        host.ask(op, **{field: [{"network": "203.0.113.10", "expires_at": last + 1}]})
    assert caught.value.code == "invalid"
