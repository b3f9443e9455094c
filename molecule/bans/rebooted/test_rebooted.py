# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot under siege: what was banned before is banned, and was before anything listened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ATTACKER, ATTACKER6 = "198.18.77.66", "2001:db8:77::66"
SIEGE = Path(__file__).parents[3] / "build" / "molecule" / "bans-reboot.json"


def test_a13_who_knocked_all_the_time_was_never_answered() -> None:
    """A13, CH10: from the last moment before the reboot to the first login after it, on both hosts and families."""
    result = json.loads(SIEGE.read_text(encoding="utf-8"))
    assert result["attempts"] > 100
    assert result["answers"] == []


def test_ch10_a_permanent_ban_is_still_there(target: Any) -> None:
    """A13, CH10: with its reason and its source, in the kernel and in the registry."""
    for address in (ATTACKER, ATTACKER6):
        row = target.ask("bans", "--why", address)["bans"][0]
        assert row["expires_at"] is None and row["source"] == "operator"
    assert target.reached("attacker", 22, 80) == set()
    assert target.reached("visitor") == {"4 80", "6 80"}


def entered(target: Any, unit: str, state: str) -> int:
    """Microseconds since the start of the machine; 0 if never."""
    return int(target.shell("systemctl", "show", "--value", "-p", f"{state}TimestampMonotonic", unit))


def test_the_warden_was_active_before_anything_listened(target: Any) -> None:
    warden = entered(target, "stockade-warden.service", "ActiveEnter")
    assert warden > 0
    for unit in ("network-pre.target", "ssh.service", "nginx.service", "fail2ban.service"):
        assert entered(target, unit, "ActiveEnter") > warden, unit
    assert target.shell("systemctl", "--failed", "--no-legend") == ""
