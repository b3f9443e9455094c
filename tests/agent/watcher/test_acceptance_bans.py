# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the acceptance list that the whole watcher proves: who is banned, who is already, who never is."""

from __future__ import annotations

from typing import Any

from acceptancelab import FLOOD, LOGINS, failed, ssh, web, whitelisted
from wardenlab import NOW
from watcherlab import settle

# -- bans, and what is banned already --


def test_a6_one_ban_reaches_the_firewall_by_way_of_the_warden_named_after_its_rule(watch, real, access, log) -> None:
    """Deliberately not through a jail: the warden is the narrow way to ban, and it enforces."""
    watch(FLOOD + web(access), real).sees(access, log.lines(60, NOW))
    assert [(ban["network"], ban["source"]) for ban in real.asked] == [("203.0.113.1", "watcher/flood")]
    assert real.host.firewall.bans == {"203.0.113.1": 3600}


def test_a6_a9_unchanged_is_told_once_and_not_asked_again(watch, warden, access, log, told) -> None:
    def unchanged(request: dict[str, Any]) -> dict[str, Any]:
        rows = [{"network": ban["network"], "state": "unchanged", "message": ""} for ban in request["bans"]]
        return {"v": 1, "ok": True, "result": {"changed": False, "results": rows}}

    warden.answer = unchanged
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(200, NOW))
    for _look in range(3):
        watching.sees(access, log.lines(200, NOW + 20), after=1)
    (line,) = told()
    assert "result=unchanged" in line.split()
    assert warden.networks == ["203.0.113.1"]
    assert watching.service.status()["bans"] == 0


def test_a9_an_address_whose_text_begins_another_banned_one_is_banned(watch, real, access, log) -> None:
    real.host.ban("203.0.113.51")
    watch(FLOOD + web(access), real).sees(access, log.lines(30, NOW, "203.0.113.5"))
    assert real.host.banned() == ["203.0.113.5", "203.0.113.51"]


def test_d10_what_is_banned_already_stays_as_it_was(watch, real, access, log, told) -> None:
    """Deliberately asked all the same, as only the warden knows what is in force: the same verdict makes no second
    ban, and the operator's longer one holds."""
    real.host.ban("203.0.113.1", duration="permanent")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(30, NOW))
    bans = real.host.ask("bans")["bans"]
    (access.parent / "state.json").unlink()
    watching.open()  # the same lines are read and judged again
    settle(watching.service)
    assert [line.rpartition("result=")[2] for line in told()] == ["banned", "unchanged"]
    assert real.host.ask("bans")["bans"] == bans
    assert list(real.host.firewall.bans.values()) == [None]


def test_ah15_neither_the_next_minute_nor_a_later_run_bans_again(watch, warden, access, log, told) -> None:
    minute = NOW - NOW % 60
    watching = watch(FLOOD + web(access))
    watching.sees(access, log.lines(40, minute + 50), after=minute + 50 - NOW)
    watching.sees(access, log.lines(40, minute + 70), after=20)
    watching.restart()
    settle(watching.service)
    assert warden.networks == ["203.0.113.1"]
    assert len(told()) == 1


# -- the whitelist, which is the warden's --


def test_a10_ch20_bh14_whitelisted_clients_do_not_count(watch, real, access, log, told) -> None:
    """A10: silently. Whom the warden refuses is somebody of whom the watcher learns within half a minute."""
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(200, NOW))
    assert (told(), real.asked) == ([], [])
    whitelisted(real, "192.0.2.77")
    watching.service._due.pop("housekeeping")  # half a minute later
    watching.sees(access, log.lines(29, NOW + 61), after=61)
    assert real.host.banned() == []
    watching.sees(access, log.lines(1, NOW + 61))
    assert real.host.banned() == ["203.0.113.1"]


def test_bh14_what_lies_outside_the_window_when_the_entry_goes_does_not_count(watch, real, access, log) -> None:
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(29, NOW))
    whitelisted(real, "192.0.2.77")
    watching.sees(access, log.lines(1, NOW + 60), after=60)
    assert real.asked == []


def test_bh14_failures_of_while_it_was_whitelisted_do_not_help_to_ban(watch, real, access) -> None:
    whitelisted(real, "203.0.113.1", "192.0.2.77")
    watching = watch(ssh(access) + LOGINS.format(5), real)
    watching.sees(access, [failed("203.0.113.1")] * 9)  # refused
    watching.sees(access, [failed("203.0.113.1", when=NOW + 100)] * 4, after=100)
    whitelisted(real, "192.0.2.77")
    watching.sees(access, [failed("203.0.113.1", when=NOW + 400)], after=300)
    assert real.host.banned() == []


def test_ch20_nobody_is_asked_about_this_host_itself(watch, real, access, log) -> None:
    watching = watch(FLOOD + web(access), real)
    watching.sees(access, log.lines(40, NOW, "127.0.0.1") + log.lines(40, NOW, "::1"))
    assert real.asked == []
    assert [rule["tracked"] for rule in watching.service.status()["rules"]] == [0]
