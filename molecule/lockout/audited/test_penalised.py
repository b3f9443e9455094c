# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom sshd turns away now, by its own log: no fail2ban knows of them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Operator
from lockouthosts import ADDRESSES, CONTROLLER, Host

ATTACKER = ("198.18.77.66", "2001:db8:77::66")
_KNOCK = "for i in $(seq 40); do echo x | nc -w 1 -q 0 {} 22 > /dev/null; done"
# Anybody can write this into the log.
_FORGED = "drop connection #0 from [203.0.113.5]:1 on [192.0.2.1]:22 penalty: failed authentication"


def knock(host: Host, operator: Operator) -> None:
    """The attacker knocks until it is turned away, over IPv4 and IPv6."""
    for address in ADDRESSES[host.name]:
        operator.shell("attacker", "sh", "-c", _KNOCK.format(address))


def penalties(host: Host, operator: Operator) -> dict[str, Any]:
    """What ssh_info says of them."""
    told = operator.adhoc(host.name, "ssh_info", {})
    assert not told["failed"], told
    return dict(told["ssh"]["penalties"])


@pytest.mark.parametrize("host", ("web2", "gate"), indirect=True)
def test_who_is_turned_away_is_named(guest: Host, operator: Operator) -> None:
    """Everyone, with what the profiles log; sshd as the distribution made it leaves lines out when there are many."""
    done = guest.harden()
    assert not done["failed"], done
    began = guest.shell("date -u +%Y-%m-%dT%H:%M:%SZ").strip()
    knock(guest, operator)
    guest.shell(f"logger -t sshd '{_FORGED}'")
    rows = {row["address"]: row for row in penalties(guest, operator)["penalised"]}
    assert set(ATTACKER) <= set(rows) and not {"203.0.113.5", CONTROLLER} & set(rows), rows
    for address in ATTACKER:
        assert rows[address]["reason"] == "connections without attempting authentication"
        assert rows[address]["last"] >= began and rows[address]["count"] >= 1


@pytest.mark.parametrize("host", ("web1",), indirect=True)
def test_sshd_before_9_8_turns_nobody_away(host: Host, operator: Operator) -> None:
    knock(host, operator)
    told = penalties(host, operator)
    assert (told["known"], told["penalised"]) == (False, [])
