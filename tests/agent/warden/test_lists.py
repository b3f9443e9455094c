# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared lists: what a digest still says after everything that can happen to a list, ends, counts, whitelists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from wardenlab import NOW, Host

from stockade.addresses import parse_network
from stockade.protocol import ProtocolError
from stockade.warden.policy import Surroundings

HOUR, DAY = 3600, 86400
ENTRIES: list[Any] = [f"203.0.113.{number}" for number in range(1, 9)]
DIGEST = "sha256:1"


def declare(host: Host, entries: list[Any], op: str = "permanent_bans", **fields: Any) -> dict[str, Any]:
    return host.ask(op, list="x", entries=entries, digest=DIGEST, **fields)


def known(host: Host, op: str = "permanent_bans", name: str = "x", digest: str = DIGEST) -> bool:
    answer = host.ask(op, list=name, digest=digest)
    assert answer["changed"] is False
    return bool(answer["known"])


def moved(host: Host, *own: str) -> None:
    """The host has these addresses from now on."""
    around = Surroundings(frozenset(map(parse_network, own)), frozenset())
    host.warden._execution.surroundings = lambda: around


def as_often_as_asked(host: Host, entries: list[Any], op: str = "permanent_bans", **fields: Any) -> None:
    """What a digest would spare changes nothing if it is carried out all the same; else it must not be known."""
    if known(host, op):
        assert not host.ask(op, list="x", entries=entries, **fields)["changed"]


# A digest


def test_a_second_run_of_a_list_is_a_digest_and_a_yes(host: Host) -> None:
    assert not known(host)
    first = declare(host, ENTRIES)
    assert (first["changed"], first["counts"]["added"], first["counts"]["total"]) == (True, 8, 8)
    assert known(host)
    assert not known(host, digest="sha256:2")
    assert not known(host, name="y")
    assert not known(host, "whitelist_set")
    assert host.ask("permanent_bans", list="x", digest=DIGEST)["counts"]["total"] == 8
    again = declare(host, ENTRIES)
    assert (again["changed"], again["added"], again["removed"]) == (False, [], [])


def test_a_digest_outlives_a_restart(tmp_path: Any) -> None:
    host = Host(str(tmp_path / "registry.db"))
    declare(host, ENTRIES)
    host.restart()
    assert known(host)


def test_check_neither_remembers_nor_forgets(host: Host) -> None:
    declare(host, ENTRIES, check=True)
    assert not known(host)
    declare(host, ENTRIES)
    assert host.ask("permanent_bans", list="x", entries=[], check=True)["counts"]["removed"] == 8
    assert host.ask("permanent_bans", list="x", digest=DIGEST, check=True)["known"]
    assert known(host)


@pytest.mark.parametrize("op", ["permanent_bans", "whitelist_set"])
def test_an_empty_list_is_a_list(host: Host, op: str) -> None:
    declare(host, [], op)
    assert known(host, op)


FORGET: dict[str, Callable[[Host], Any]] = {
    "one row unbanned": lambda host: host.ask("unban", networks=["203.0.113.3"]),
    "everything unbanned": lambda host: host.ask("unban", all=True),
    "whitelisted": lambda host: host.ask("whitelist_set", entries=["203.0.113.3"]),
    "declared differently": lambda host: host.ask("permanent_bans", list="x", entries=ENTRIES[:3]),
    "one more without prune": lambda host: host.ask("permanent_bans", list="x", entries=["192.0.2.1"], prune=False),
    "by another digest": lambda host: host.ask("permanent_bans", list="x", entries=ENTRIES, digest="sha256:2"),
    "a whitelist entry gone": lambda host: host.ask("whitelist_set", remove=["192.0.2.200"]),
}
KEEP: dict[str, Callable[[Host], Any]] = {
    "another list": lambda host: host.ask("permanent_bans", list="y", entries=ENTRIES, digest="sha256:2"),
    "banned by others as well": lambda host: host.ban(*ENTRIES, duration="1h", source="fail2ban/sshd"),
    "lifted for others": lambda host: host.ask("unban", networks=ENTRIES, source="fail2ban/sshd"),
    "an address elsewhere": lambda host: moved(host, "192.0.2.1"),
    "time": lambda host: host.wait(365 * DAY),
    "tidied": lambda host: host.warden.tidy(),
    "refused": lambda host: pytest.raises(ProtocolError, host.ban, "127.0.0.1"),
}


@pytest.mark.parametrize("event", FORGET)
def test_a_list_that_was_touched_is_not_known(host: Host, event: str) -> None:
    host.ask("whitelist_set", entries=["192.0.2.200"])
    declare(host, ENTRIES)
    FORGET[event](host)
    assert not known(host)


@pytest.mark.parametrize("event", KEEP)
def test_a_list_that_was_not_touched_is_known(host: Host, event: str) -> None:
    declare(host, ENTRIES)
    KEEP[event](host)
    assert known(host)
    as_often_as_asked(host, ENTRIES)


def test_known_is_only_said_of_what_is_in_force(host: Host) -> None:
    declare(host, ENTRIES)
    host.firewall.broken = True
    host.firewall.gone = True
    host.wait(1)
    with pytest.raises(ProtocolError, match="NOT in force"):
        known(host)
    host.firewall.broken = False
    assert known(host)
    host.ask("release")
    with pytest.raises(ProtocolError, match="released"):
        known(host)


def test_what_was_refused_is_asked_again_when_the_hosts_addresses_moved(host: Host) -> None:
    entries = [*ENTRIES, "198.51.100.10"]
    assert declare(host, entries, on_refused="skip")["counts"]["refused"] == 1
    assert known(host)
    moved(host, "198.51.100.11")
    assert not known(host)
    assert declare(host, entries, on_refused="skip")["added"] == ["198.51.100.10"]
    moved(host, "198.51.100.10")
    assert known(host)  # nothing was refused: the row stands, and the kernel lets own addresses through


def test_what_was_refused_is_asked_again_when_its_whitelist_entry_ended(host: Host) -> None:
    host.ask("whitelist_set", entries=[{"network": "203.0.113.3", "duration": "1h"}])
    declare(host, ENTRIES, on_refused="skip")
    host.wait(HOUR - 1)
    assert known(host)
    host.wait(1)
    assert not known(host)
    assert declare(host, ENTRIES, on_refused="skip")["added"] == ["203.0.113.3"]


def test_what_was_refused_is_asked_again_when_its_whitelist_entry_was_given_an_end(host: Host) -> None:
    host.ask("whitelist_set", entries=["203.0.113.3"])
    declare(host, ENTRIES, on_refused="skip")
    host.ask("whitelist_set", entries=[{"network": "203.0.113.3", "duration": "1h"}])
    host.wait(HOUR + 1)
    as_often_as_asked(host, ENTRIES, on_refused="skip")


def test_a_list_with_a_duration_is_known_until_the_first_of_it_ends(host: Host) -> None:
    entries = [*ENTRIES, {"network": "192.0.2.1", "duration": "2d"}, {"network": "192.0.2.2", "duration": "1d"}]
    declare(host, entries)
    host.wait(DAY - 1)
    assert known(host)
    host.wait(2)
    assert not known(host)
    assert declare(host, entries)["added"] == ["192.0.2.2"]


@pytest.mark.parametrize("op", ["permanent_bans", "whitelist_set"])
def test_sending_a_list_again_does_not_move_the_end_of_what_it_holds(host: Host, op: str) -> None:
    entries = [{"network": "192.0.2.1", "duration": "7d"}]
    declare(host, entries, op)
    host.wait(6 * DAY)
    assert not declare(host, entries, op)["changed"]
    host.wait(2 * DAY)
    as_often_as_asked(host, entries, op)


def test_a_renewed_entry_is_not_spared_its_renewal_by_a_digest(host: Host) -> None:
    entries = [{"network": "192.0.2.7", "duration": "30d"}]
    declare(host, entries, "whitelist_set", renew=True)
    host.wait(16 * DAY)
    as_often_as_asked(host, entries, "whitelist_set", renew=True)


def test_another_entry_of_the_whitelist_makes_only_its_own_list_unknown(host: Host) -> None:
    declare(host, ["192.0.2.7"], "whitelist_set")
    host.ask("whitelist_set", list="y", entries=["192.0.2.8"], digest="sha256:2")
    host.ask("whitelist_set", list="y", entries=["192.0.2.9"])
    assert known(host, "whitelist_set")
    assert not known(host, "whitelist_set", "y", "sha256:2")
    host.ask("whitelist_set", list="x", remove=["192.0.2.7"])
    assert not known(host, "whitelist_set")


@pytest.mark.parametrize("digest", ["", "a b", "x" * 129, "\u00e9", 7, "a\n"])
def test_a_digest_is_short_and_plain(host: Host, digest: Any) -> None:
    with pytest.raises(ProtocolError, match="is not a valid digest"):
        host.ask("permanent_bans", list="x", digest=digest, entries=[])


# Entries


@pytest.mark.parametrize("op", ["permanent_bans", "whitelist_set"])
def test_an_entry_is_text_or_an_object_with_a_duration_or_an_end(host: Host, op: str) -> None:
    entries = ["192.0.2.1", {"network": "192.0.2.2", "duration": "1h"}, {"network": "192.0.2.3", "expires_at": NOW + 9}]
    over = [{"network": "192.0.2.4", "expires_at": NOW}, {"network": "192.0.2.5", "expires_at": 0}]
    answer = declare(host, [*entries, *over], op)
    assert answer["added"] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert (answer["counts"]["expired"], answer["counts"]["total"]) == (2, 3)
    rows = host.ask("bans")["bans"] if op == "permanent_bans" else host.ask("whitelist")["entries"]
    ends = {row["network"]: row["expires_at"] for row in rows}
    assert ends == {"192.0.2.1": None, "192.0.2.2": NOW + HOUR, "192.0.2.3": NOW + 9}
    assert not declare(host, [*entries, *over], op)["changed"]
    host.wait(10)
    answer = declare(host, [*entries, *over], op)
    assert (answer["changed"], answer["counts"]["expired"], answer["counts"]["total"]) == (False, 3, 2)


@pytest.mark.parametrize("op", ["permanent_bans", "whitelist_set"])
def test_d15_the_same_network_twice_in_a_list_is_the_later_one_every_time(host: Host, op: str) -> None:
    text = "reason" if op == "permanent_bans" else "comment"
    entries = [{"network": "192.0.2.1", text: "first"}, {"network": "192.0.2.1", text: "second"}]
    assert declare(host, entries, op)["counts"]["added"] == 1
    assert not declare(host, entries, op)["changed"]


def test_a_duration_and_an_end_at_once_are_refused(host: Host) -> None:
    both = {"network": "192.0.2.1", "duration": "1h", "expires_at": NOW + 9}
    for op in ("permanent_bans", "whitelist_set"):
        with pytest.raises(ProtocolError, match=r"192.0.2.1: either a duration or an end"):
            declare(host, [both], op)


def test_d30_an_address_in_both_lists_is_never_denied(host: Host) -> None:
    held: list[bool] = []
    apply = host.firewall.apply

    def watched(**fields: Any) -> None:
        apply(**fields)
        held.append("203.0.113.3" in host.firewall.bans)

    host.firewall.apply = watched  # type: ignore[method-assign]
    host.ask("whitelist_set", list="x", entries=["203.0.113.0/29"])
    with pytest.raises(ProtocolError, match="is whitelisted by list x"):
        declare(host, ENTRIES)
    answer = declare(host, ENTRIES, on_refused="skip")
    assert (answer["added"], answer["counts"]["refused"]) == (["203.0.113.8"], 7)
    assert answer["refused"][0] == {
        "network": "203.0.113.1",
        "message": "203.0.113.0/29 is whitelisted by list x",
    }
    assert held == [False]


def test_b31_taking_an_entry_out_takes_effect_and_brings_no_ban_back(host: Host) -> None:
    host.ban("203.0.113.3", "203.0.113.200", duration="7d")
    whitelist = host.ask("whitelist_set", entries=["203.0.113.0/25"])
    assert [row["network"] for row in whitelist["lifted"]] == ["203.0.113.3"]
    assert host.ask("whitelist_set", remove=["203.0.113.0/25"])["removed"] == ["203.0.113.0/25"]
    assert list(host.firewall.bans) == ["203.0.113.200"]
    host.ban("203.0.113.3")
    assert "203.0.113.3" in host.firewall.bans
