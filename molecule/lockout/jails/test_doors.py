# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A firewall that drops what nobody allowed: the new port is opened before sshd moves there, and shut after it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Operator

HOST, ADDRESS = "jail13", "198.18.77.22"
OPENED = "/var/lib/stockade-ssh/opened"
KEPT = "/run/ufw.before"
# The tables that ufw leaves behind are not those of anybody else's: there were none.
_ON = f"""
cp -a /etc/ufw {KEPT}
nft list tables > {KEPT}.tables
ufw default deny incoming
ufw allow 22/tcp
ufw --force enable
"""
_OFF = f"""
ufw --force disable
rm -rf /etc/ufw && cp -a {KEPT} /etc/ufw
for family in ip ip6; do
  grep -q "^table $family filter$" {KEPT}.tables || nft delete table $family filter
done
rm -rf {KEPT} {KEPT}.tables
"""


class Walled:
    """The host behind its firewall."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def script(self, text: str) -> str:
        """What lines of shell print, run by root past the network."""
        done = self._operator.shell(HOST, "sh", "-euc", text)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def harden(self, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """One run of the module over whichever of the ports answers."""
        return self._operator.adhoc(HOST, "ssh_hardening", arguments, check=check, inventory="jails.yml")

    def answers(self, port: int) -> bool:
        """Whether a stranger's packet to a port is answered by a listener."""
        return self._operator.connects("attacker", ADDRESS, port)

    def rules(self) -> str:
        """What the firewall lets in."""
        return self.script("ufw status")

    def record(self) -> str:
        """What was opened for sshd."""
        return self.script(f"cat {OPENED} 2>/dev/null || true")


@pytest.fixture
def walled(operator: Operator) -> Iterator[Walled]:
    host = Walled(operator)
    host.script(_ON)
    try:
        yield host
        host.harden(state="absent", port=2222)
    finally:
        host.script(_OFF)


def test_the_port_moves_through_ufw_and_back(walled: Walled) -> None:
    """A42, A48: opened before sshd listens there, and no rule for the old port is left, in v4 or v6."""
    before = walled.rules()
    assert "22/tcp" in before and "2222" not in before and not walled.answers(2222)

    predicted = walled.harden(port=2222, check=True)
    assert predicted["changed"] and walled.rules() == before and not walled.record(), predicted

    moved = walled.harden(port=2222)
    assert not moved["failed"] and moved["changed"] and moved["port"] == 2222, moved
    assert "2222/tcp" in walled.rules() and walled.record() == "ufw 2222\n"
    assert walled.answers(2222) and not walled.answers(22)

    again = walled.harden(port=2222)  # logs in by 2222, for nothing else listens
    assert not again["failed"] and not again["changed"], again

    back = walled.harden(state="absent", port=2222)
    assert not back["failed"] and back["changed"] and back["port"] == 22, back
    assert walled.answers(22) and not walled.answers(2222)
    assert walled.rules() == before and not walled.record(), back


def test_a_rule_of_the_site_stays(walled: Walled) -> None:
    """Whom it lets in was somebody's decision: it is neither widened nor taken away."""
    walled.script("ufw allow from 198.18.77.0/24 to any port 2222 proto tcp")
    before = walled.rules()
    moved = walled.harden(port=2222)
    assert not moved["failed"] and moved["changed"], moved
    assert walled.rules() == before and not walled.record()
    back = walled.harden(state="absent", port=2222)
    assert not back["failed"] and back["changed"], back
    assert walled.rules() == before


def test_a_port_that_the_site_keeps_shut_is_refused(walled: Walled) -> None:
    walled.script("ufw deny 2222/tcp")
    before = walled.rules()
    for check in (True, False):
        refused = walled.harden(port=2222, check=check)
        assert refused["failed"] and "`ufw deny 2222/tcp`" in refused["msg"], refused
    assert walled.rules() == before and walled.answers(22)
