# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a ban runs: longer each time instead of for ever (AH28, BH15); and who is asked twice for the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import wardenlab
from wardenlab import NOW, Host

from stockade.protocol import ProtocolError
from stockade.warden.callers import ROOT, SERVICES
from stockade.warden.config import WardenConfig

WATCHER, EXCHANGE = SERVICES["stockade-watcher"], SERVICES["stockade-exchange"]
MINUTE, HOUR, DAY = 60, 3600, 86400
ADDRESS = "203.0.113.9"


def watched(host: Host, network: str = ADDRESS, duration: str = "10m", **fields: Any) -> int:
    """Seconds that a ban of the watcher runs."""
    fields = {"source": "watcher/requests", "duration": duration, **fields}
    answer = host.ban(network, caller=WATCHER, **fields)
    return int(answer["results"][0]["expires_at"] - host.now)


def configured(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Host:
    """A host whose warden.toml says this."""
    monkeypatch.setattr(wardenlab, "WardenConfig", partial(WardenConfig, **fields))
    return Host()


def serve_out(host: Host, times: int, **fields: Any) -> None:
    """Ban as often as this, and wait for the end each time."""
    for _number in range(times):
        host.wait(watched(host, **fields) + 1)


def test_ah28_each_repeat_runs_four_times_as_long_up_to_four_weeks(host: Host) -> None:
    # 4 weeks minus what came before fits into the 30 days that count
    lengths = []
    for _number in range(7):
        lengths.append(watched(host))
        host.wait(lengths[-1] + 1)
    assert lengths[:6] == [600 * 4**number for number in range(6)]
    assert lengths[6] == 28 * DAY


@pytest.mark.parametrize("repeats", [7, 26, 31, 40])
@pytest.mark.parametrize("longest", [28 * DAY, None])
def test_ah28_any_number_of_repeats_is_still_a_ban(
    monkeypatch: pytest.MonkeyPatch, repeats: int, longest: int | None
) -> None:
    """fail2ban's short bans are repeats for the watcher: many of them fit into 30 days."""
    host = configured(monkeypatch, longest_duration=longest)
    for _number in range(repeats):
        host.ban(ADDRESS, source="fail2ban/sshd", duration="10m")
        host.wait(601)
    length = watched(host)
    assert host.firewall.bans[ADDRESS] == length
    assert length == longest if longest else length >= 600 * 4**7


def test_bh15_a_repeat_is_forgotten_after_thirty_days(host: Host) -> None:
    serve_out(host, 1)
    host.wait(30 * DAY - 602)
    assert watched(host, "203.0.113.10") == 600
    assert watched(host) == 2400
    host.ask("unban", networks=[ADDRESS])
    host.wait(602)
    assert watched(host) == 600


@pytest.mark.parametrize("tidied", [False, True])
def test_a_repeat_counts_once_wherever_it_is_kept(host: Host, tidied: bool) -> None:
    serve_out(host, 2)
    host.wait(2 * DAY)
    if tidied:
        host.warden.tidy()
        assert host.ask("status")["history"] == 2
    assert watched(host) == 600 * 16


def test_a_ban_that_was_lifted_was_a_mistake_and_does_not_count(host: Host) -> None:
    watched(host)
    host.ask("unban", networks=[ADDRESS])
    watched(host)
    host.ask("whitelist_set", entries=[ADDRESS])
    host.ask("whitelist_set", remove=[ADDRESS])
    assert watched(host) == 600


def test_a_ban_that_was_renewed_is_one_ban(host: Host) -> None:
    for _number in range(4):
        assert watched(host, id=f"requests:{_number}") == 600
        host.wait(300)
    host.wait(600)
    assert watched(host) == 2400


def test_neighbours_and_networks_around_are_not_repeats(host: Host) -> None:
    serve_out(host, 1)
    for network in ("203.0.113.0/24", "203.0.113.8", "2001:db8::9"):
        assert watched(host, network) == 600


def test_a_listed_ban_that_ended_is_no_repeat(host: Host) -> None:
    host.ask("permanent_bans", list="x", entries=[{"network": ADDRESS, "duration": "10m"}])
    host.wait(601)
    assert watched(host) == 600


# Who decides how long


@pytest.mark.parametrize("duration", ["10m", "1d", "permanent"])
def test_the_operators_explicit_duration_is_kept(host: Host, duration: str) -> None:
    serve_out(host, 2)
    host.ban(ADDRESS, duration=duration)
    assert host.firewall.bans[ADDRESS] == {"10m": 600, "1d": DAY, "permanent": None}[duration]


def test_the_operators_default_grows(host: Host) -> None:
    serve_out(host, 1)
    host.ban(ADDRESS)
    assert host.firewall.bans[ADDRESS] == 4 * HOUR


def test_fail2bans_own_bantime_is_kept(host: Host) -> None:
    """It may have grown there already (bantime.increment)."""
    for _number in range(3):
        host.ban(ADDRESS, source="fail2ban/sshd", duration="10m")
        assert host.firewall.bans[ADDRESS] == 600
        host.wait(601)


def test_the_fleets_bans_run_a_day_at_most_whatever_is_asked(host: Host) -> None:
    serve_out(host, 3)
    for number, asked in enumerate(({"duration": "permanent"}, {"duration": "4w"}, {"expires_at": NOW + 900 * DAY})):
        answer = host.ban(ADDRESS, caller=EXCHANGE, source="fleet", origin=f"web{number}", **asked)
        assert answer["results"][0]["expires_at"] == host.now + DAY
    assert watched(host, "203.0.113.77") == 600


def test_an_explicit_duration_beyond_the_longest_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    host = configured(monkeypatch, default_duration=None)
    assert watched(host, duration="60d") == 60 * DAY
    host.ban("203.0.113.77")
    assert host.firewall.bans["203.0.113.77"] is None


def test_a_factor_of_one_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    host = configured(monkeypatch, repeat_factor=1)
    serve_out(host, 3)
    assert watched(host) == 600


# Asking again


def test_bh6_asking_again_while_the_ban_runs_is_no_repeat_and_no_row(host: Host) -> None:
    serve_out(host, 1)
    assert watched(host) == 2400
    for _number in range(5):
        host.wait(10)
        answer = host.ban(ADDRESS, caller=WATCHER, source="watcher/requests", duration="10m")
        assert (answer["changed"], answer["results"][0]["state"]) == (False, "unchanged")
    assert host.ask("status")["bans"] == 1


def test_b20_one_network_has_one_row_for_each_source(host: Host) -> None:
    for duration in ("1h", "2h", "10m"):
        host.ban(ADDRESS, duration=duration)
        host.ban(ADDRESS, duration=duration, source="fail2ban/sshd")
    assert host.ask("status")["bans"] == 2
    assert host.ask("status")["networks"] == 1


def test_d15_the_same_network_twice_in_one_request_is_one_row_and_the_later_word(host: Host) -> None:
    wanted = [{"network": ADDRESS, "duration": duration} for duration in ("1d", "10m", "permanent", "1h")]
    answer = host.ask("ban", bans=wanted)
    assert [result["state"] for result in answer["results"]] == ["banned", "renewed", "renewed", "renewed"]
    assert host.firewall.bans == {ADDRESS: HOUR}
    assert host.ask("status")["bans"] == 1


def test_c15_an_id_bans_once_also_if_another_took_its_place_in_the_same_request(host: Host) -> None:
    """The watcher sends its batch again after a crash; meanwhile an operator lifted the ban."""
    batch = [
        {"network": ADDRESS, "source": "watcher/requests", "duration": duration, "id": f"requests:{duration}"}
        for duration in ("10m", "1d")
    ]
    host.ask("ban", WATCHER, bans=batch)
    host.ask("unban", networks=[ADDRESS])
    answer = host.ask("ban", WATCHER, bans=batch)
    assert [result["state"] for result in answer["results"]] == ["unchanged", "unchanged"]
    assert host.banned() == []


def test_c15_after_a_restart_an_id_is_still_known(tmp_path: Any) -> None:
    host = Host(str(tmp_path / "registry.db"))
    watched(host, id="requests:1")
    host.wait(601)
    host.restart()
    host.ban(ADDRESS, caller=WATCHER, source="watcher/requests", duration="10m", id="requests:1")
    assert host.banned() == []


# Ends in the past


@pytest.mark.parametrize("ends", [0, 1, NOW - 1, NOW])
@pytest.mark.parametrize(("caller", "source"), [(ROOT, "operator"), (EXCHANGE, "fleet")])
def test_a_ban_that_is_over_before_it_began_is_refused_and_counts_for_nothing(
    host: Host, caller: Any, source: str, ends: int
) -> None:
    with pytest.raises(ProtocolError, match="its end has passed"):
        host.ban(ADDRESS, caller=caller, source=source, expires_at=ends)
    assert host.ask("changes")["changes"] == []
    assert watched(host) == 600


@pytest.mark.parametrize(("caller", "source"), [(ROOT, "operator"), (EXCHANGE, "fleet")])
def test_a_ban_that_is_over_is_skipped_where_refused_ones_are(host: Host, caller: Any, source: str) -> None:
    bans = [
        {"network": ADDRESS, "expires_at": NOW - 1, "source": source},
        {"network": "203.0.113.8", "source": source},
    ]
    answer = host.ask("ban", caller, bans=bans, on_refused="skip")
    assert [result["state"] for result in answer["results"]] == ["refused", "banned"]
    assert host.banned() == ["203.0.113.8"]
