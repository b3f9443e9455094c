# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one clear error that names object, reason and next step, before anything changed."""

from __future__ import annotations

from typing import Any

import pytest

WEB2 = "198.18.77.12"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("example.com", "host names are not allowed"),
        ("203.0.113.9/24", "host bits set (did you mean 203.0.113.0/24?)"),
        ("203.0.113.09", "leading zeros"),
        ("fe80::1%eth0", "zone ids"),
        ("$(touch x)", "cannot ban"),
        ("0.0.0.0/0", "wider than /8"),
        ("127.0.0.1", "loopback"),
        (WEB2, "address of this host"),
        ("2001:db8:77::12", "address of this host"),
        ("198.18.77.1", "gateway or resolver of this host"),
        ("198.18.77.11", "whitelisted by list inventory"),
        ("198.51.100.7", "198.51.100.0/24 is whitelisted by list site (office)"),
    ],
)
def test_an_address_that_may_not_be_banned(operator: Any, address: str, reason: str) -> None:
    before = operator.ask("web2", "bans")["total"]
    result = operator.adhoc("web2", "ban", {"address": ["203.0.113.44", address]})
    assert result["failed"] and not result["changed"]
    assert reason in result["msg"] and "cannot ban" in result["msg"]
    assert operator.ask("web2", "bans")["total"] == before


def test_the_same_in_check_mode(operator: Any) -> None:
    done = operator.playbook("ban.yml", "--check", "-l", "web2", "-e", "stockade_addresses=127.0.0.1")
    assert done.returncode != 0
    assert "cannot ban 127.0.0.1" in done.stdout


@pytest.mark.parametrize("module", ["ban", "unban", "whitelist", "permanent_bans", "agent"])
def test_without_privilege(operator: Any, module: str) -> None:
    wanted = {"ban": {"address": "203.0.113.9"}, "unban": {"address": "203.0.113.9"}, "permanent_bans": {"entries": []}}
    arguments = wanted.get(module, {})
    result = operator.adhoc("web2", module, arguments, become=False)
    assert "needs root: add -b (become)" in result["msg"]


def test_a_host_without_the_agent(operator: Any) -> None:
    result = operator.adhoc("visitor", "ban", {"address": "203.0.113.9"}, inventory="clients.yml")
    assert "apply the role stockade.fleet.agent first" in result["msg"]


def test_a_host_without_nft(operator: Any) -> None:
    result = operator.adhoc("visitor", "agent", {}, inventory="clients.yml")
    assert "cannot install the agent: install the package nftables" in result["msg"]
    assert operator.shell("visitor", "ls", "/usr/local/lib/stockade").returncode != 0


@pytest.mark.parametrize("words", [["ban"], ["ban", "--help-me"], ["unban"], ["ban", "203.0.113.9/24"], ["frobnicate"]])
def test_usage_errors_of_the_command_line_end_with_2(operator: Any, words: list[str]) -> None:
    done = operator.shell("web2", "stockade", *words)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr


def test_ah1_the_watcher_may_not_speak_for_the_operator(operator: Any) -> None:
    words = ("runuser", "-u", "stockade-watcher", "-G", "stockade", "--", "stockade")
    for command in (
        ("ban", "203.0.113.9"),
        ("unban", "203.0.113.128/25"),
        ("whitelist", "add", "203.0.113.9"),
        ("release",),
    ):
        done = operator.shell("web2", *words, *command)
        assert done.returncode == 1, done.stdout
        assert "watcher may" in done.stderr
    assert operator.shell("web2", *words, "bans").returncode == 0


def test_who_is_not_in_the_group_is_not_heard(operator: Any) -> None:
    done = operator.shell("web2", "runuser", "-u", "nobody", "--", "stockade", "bans")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
