# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot: bans are in force before anything listens."""

from __future__ import annotations

from typing import Any

WEB2 = "198.18.77.12"


def entered(host: Any, unit: str, state: str) -> int:
    """Microseconds since the machine started, when the unit became active or began to start; 0 if it never did."""
    return int(host.run("systemctl show --value -p %s %s", f"{state}TimestampMonotonic", unit).stdout)


def test_the_warden_is_active_before_sshd_and_nginx_start(host: Any) -> None:
    warden = entered(host, "stockade-warden.service", "ActiveEnter")
    assert warden > 0
    for unit in ("ssh.service", "nginx.service"):
        started = entered(host, unit, "InactiveExit")
        assert started == 0 or started > warden, unit


def test_all_bans_are_in_force(host: Any) -> None:
    rules = host.run("nft list table inet stockade").stdout
    assert "203.0.113.128" in rules and "2001:db8:bad::" in rules


def test_nothing_failed(host: Any) -> None:
    assert host.run("systemctl --failed --no-legend").stdout == ""
    assert host.run("stockade status").rc == 0
