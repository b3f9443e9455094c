# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said beside the ways in: who listens where the operator came, sftp, firewalls before the host."""

from __future__ import annotations

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host, ports
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.planned import upstream, without_sftp

SERVICE = host.Listener("service", Unit("ssh.service", loaded=True, active=True, pid=1, listen=()), None)
SOCKET = host.Listener("socket", None, Unit("ssh.socket", loaded=True, active=True, pid=0, listen=("[::]:22",)))
EVERYWHERE = ["[::]:22", "0.0.0.0:22"]


def deaf(came: str, listen: list[str], listener: host.Listener = SERVICE) -> str:
    return ports.deaf(listener, {"listenaddress": listen}, Connection("operator", "192.0.2.1", came, "22"))


@pytest.mark.parametrize(
    ("came", "listen"),
    [
        ("203.0.113.1", EVERYWHERE),
        ("2001:db8::1", EVERYWHERE),
        ("203.0.113.1", ["0.0.0.0:22"]),
        ("203.0.113.1", ["192.0.2.9:22", "203.0.113.1:22"]),
        ("2001:db8::1", ["[2001:DB8:0::1]:22"]),
        ("fe80::1%eth0", ["[fe80::1%eth0]:22"]),
        ("", ["127.0.0.1:22"]),
        ("203.0.113.1", []),
    ],
)
def test_somebody_listens_or_nobody_knows(came: str, listen: list[str]) -> None:
    assert deaf(came, listen) == ""


@pytest.mark.parametrize(
    ("came", "listen"),
    [
        ("203.0.113.1", ["[::]:22"]),
        ("2001:db8::1", ["0.0.0.0:22"]),
        ("203.0.113.1", ["127.0.0.1:22", "[::1]:22"]),
        ("203.0.113.1", ["203.0.113.10:22"]),
    ],
)
def test_eh22_nobody_listens(came: str, listen: list[str]) -> None:
    """EH22: an address family that was forgotten is told, with the address that it is about."""
    assert f"operator came by {came}" in deaf(came, listen)
    assert deaf(came, listen, SOCKET) == "", "the socket listens, whatever sshd's files say"


def test_files_travel_by_sftp() -> None:
    assert without_sftp({"subsystem": ["netconf /usr/bin/netconf", "sftp internal-sftp -l INFO"]}) == []
    assert "no Subsystem sftp" in without_sftp({"subsystem": ["netconf sftp"]})[0]
    assert "no Subsystem sftp" in without_sftp({})[0]


def test_a41_a49_the_port_is_named_for_firewalls_before_the_host() -> None:
    """A41, A49: said where a port is new, and not in every run."""
    (text,) = upstream((2222,))
    assert "let port 2222 in" in text and "close the old port there" in text
    assert upstream(()) == []
