# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No CAP_NET_ADMIN (D24): what is banned is refused by sshd itself, through the files that hosts.deny names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

PLAIN = {"4": "198.18.77.14", "6": "2001:db8:77::14"}
ATTACKER = {"4": "198.18.77.66", "6": "2001:db8:77::66"}
DENIED = "/var/cache/stockade/denied"
BANNER = """
import socket, sys
with socket.create_connection((sys.argv[1], 22), timeout=5) as connection:
    print(connection.recv(4).decode())
"""


@pytest.fixture(autouse=True)
def nobody_is_banned_afterwards(operator: Any) -> Iterator[None]:
    yield
    operator.shell("plain", "stockade", "unban", "--all")


def greeted(operator: Any, client: str, family: str = "4") -> bool:
    """Whether sshd talks to a client."""
    done = operator.shell(client, "python3", "-c", BANNER, PLAIN[family])
    return bool(done.returncode == 0 and done.stdout == "SSH-\n")


def test_d24_the_warden_runs_without_any_capability(operator: Any, host: Any) -> None:
    assert operator.ask("plain", "status")["backend"] == "hosts_deny"
    pid = host.run("systemctl show --value -p MainPID stockade-warden").stdout.strip()
    assert "CapEff:\t0000000000000000" in host.file(f"/proc/{pid}/status").content_string
    assert not host.package("nftables").is_installed


def test_d14_root_wrote_one_line_and_the_warden_none(host: Any) -> None:
    """D14, DH7, DH9: what stood in the file is where it was."""
    text = host.file("/etc/hosts.deny").content_string
    assert text.splitlines()[0] == "ALL: /var/cache/stockade/denied EXCEPT /var/cache/stockade/allowed"
    assert text.splitlines()[1].startswith("# /etc/hosts.deny:")
    assert host.file("/etc/hosts.deny").user == "root"
    assert host.file(DENIED).user == "stockade-warden" and host.file(DENIED).mode == 0o644


@pytest.mark.parametrize("family", ["4", "6"])
def test_d24_a_ban_is_refused_by_sshd_and_nobody_else_is(operator: Any, host: Any, family: str) -> None:
    """D14, D15, DH3, DH8: one line an address, of either family, however often it is asked for."""
    assert greeted(operator, "attacker", family)
    for _again in range(2):
        assert operator.shell("plain", "stockade", "ban", ATTACKER[family], "--reason", "ALL: ALL").returncode == 0
    assert not greeted(operator, "attacker", family)
    assert greeted(operator, "visitor", family)
    assert len(host.file(DENIED).content_string.splitlines()) == 1
    operator.shell("plain", "stockade", "unban", ATTACKER[family])
    assert greeted(operator, "attacker", family)


def test_dh17_a_ban_ends_by_itself(operator: Any) -> None:
    operator.shell("plain", "stockade", "ban", ATTACKER["4"], "--duration", "3s")
    assert not greeted(operator, "attacker")
    assert operator.eventually(lambda: greeted(operator, "attacker"))


def test_dh6_a_whitelisted_part_of_a_banned_network_gets_in(operator: Any) -> None:
    operator.shell("plain", "stockade", "ban", "198.18.77.64/26")
    assert not greeted(operator, "attacker") and not greeted(operator, "visitor")
    operator.shell("plain", "stockade", "whitelist", "add", ATTACKER["4"])
    assert greeted(operator, "attacker") and not greeted(operator, "visitor")
    operator.shell("plain", "stockade", "whitelist", "remove", ATTACKER["4"])
    assert not greeted(operator, "attacker")


def test_dh7_what_somebody_else_writes_into_the_file_is_put_right(operator: Any, host: Any) -> None:
    operator.shell("plain", "stockade", "ban", "203.0.113.9")
    operator.shell("plain", "sh", "-c", f"echo ALL >{DENIED}")
    assert operator.eventually(lambda: bool(host.file(DENIED).content_string == "203.0.113.9\n"))
    assert greeted(operator, "visitor")


def test_d24_a_flood_is_detected_and_its_client_refused(operator: Any) -> None:
    operator.shell("attacker", "ab", "-n", "400", "-c", "4", "-s", "1", f"http://{PLAIN['4']}/")
    assert operator.eventually(lambda: not greeted(operator, "attacker"))
    assert greeted(operator, "visitor")


def test_dh14_a_firewall_that_cannot_be_is_refused_before_anything_changes(operator: Any) -> None:
    result = operator.adhoc("plain", "agent", {"backends": ["nftables"]}, inventory="clients.yml")
    assert result["failed"]
    assert "CAP_NET_ADMIN" in result["msg"] and "hosts_deny" in result["msg"]
    assert operator.ask("plain", "status")["backend"] == "hosts_deny"
