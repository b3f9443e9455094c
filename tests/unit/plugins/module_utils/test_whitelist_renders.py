# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows the whitelist is told the right part of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils import _whitelist_renders as renders
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

ENTRIES = [
    {"network": "203.0.113.9", "list": "controller", "expires_at": 1_800_000_000},
    {"network": "203.0.113.10", "list": "a", "expires_at": None},
    {"network": "198.51.100.0/24", "list": "a", "expires_at": 1_800_000_000},
    {"network": "198.51.100.0/24", "list": "b", "expires_at": None},
    {"network": "2001:db8:7::/64", "list": "b", "expires_at": None},
]


class Told:
    """What fail2ban and sshd were told."""

    def __init__(self) -> None:
        self.jails: tuple[list[str], set[str]] = ([], set())
        self.sshd: list[str] = []
        self.broken = False

    def follow(self, unlimited: list[Any], whitelisted: list[Any], *, check: bool) -> tuple[list[str], list[str]]:
        if self.broken:
            raise StockadeError("jail sshd does not take it")
        self.jails = ([str(network) for network in unlimited], {str(network) for network in whitelisted})
        return ["fail2ban line"], ["fail2ban warning"]

    def exempt(self, networks: list[str], **_options: Any) -> dict[str, Any]:
        self.sshd = networks
        return {"changed": True, "added": ["x"], "removed": ["y"], "warnings": ["sshd warning"]}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(renders, "IgnoreIp", lambda *_arguments, **_options: told)
    monkeypatch.setattr(renders.exempt, "follow", told.exempt)
    return told


def test_files_hold_what_has_no_end_and_bans_go_for_all(told: Told) -> None:
    """AH13 B31: nobody could take a timed entry out of a file again."""
    result = renders.render(ENTRIES, run=lambda _argv: (0, "", ""), check=False)
    assert told.sshd == ["198.51.100.0/24", "203.0.113.10", "2001:db8:7::/64"]
    assert told.jails[0] == ["198.51.100.0/24", "203.0.113.10/32", "2001:db8:7::/64"]
    assert told.jails[1] == {"198.51.100.0/24", "203.0.113.9/32", "203.0.113.10/32", "2001:db8:7::/64"}
    assert result == {
        "changed": True,
        "lines": ["fail2ban line", "sshd's penalties spare x", "sshd's penalties no longer spare y"],
        "warnings": ["fail2ban warning", "sshd warning"],
    }


def test_an_error_says_that_the_whitelist_holds(told: Told) -> None:
    told.broken = True
    with pytest.raises(StockadeError, match="the whitelist itself is in force, but: jail sshd does not take it"):
        renders.render(ENTRIES, run=lambda _argv: (0, "", ""), check=False)
