# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another port: in two steps, whoever listens, and back again."""

from __future__ import annotations

import pytest
from conftest import Operator
from lockouthosts import ADDRESSES, TOKEN, Host, Record, kill

NEW = 2222
_DROP = f"""table inet lockout {{
  chain input {{
    type filter hook input priority -300
    iifname != "lo" tcp dport {NEW} drop
  }}
}}"""

# A socket with one more port than the distribution's, as an upgrade or another role leaves it.
_AGAIN = "systemctl daemon-reload && systemctl stop ssh.service && systemctl restart ssh.socket"
_OVERRIDE = (
    "mkdir -p /etc/systemd/system/ssh.socket.d && cd /etc/systemd/system/ssh.socket.d"
    f" && printf '[Socket]\\nListenStream=2200\\n' > override.conf && {_AGAIN}"
)
_NO_OVERRIDE = f"rm -r /etc/systemd/system/ssh.socket.d && {_AGAIN}"

# Ends in the moment in which both ports are open and nothing is armed. On the host, because the moment is short.
_BETWEEN = f"""timeout 60 sh -c '
    listens() {{ ss -Hltn | grep -q ":$1 "; }}
    until listens 22 && listens {NEW} && ! test -e {TOKEN}; do sleep 0.05; done
'"""


def _is_back(host: Host) -> None:
    gone = host.harden(state="absent", port=NEW)
    assert not gone["failed"] and gone["ports"] == [22], gone
    assert host.lets_in() and not host.is_armed()


def test_the_port_moves_and_comes_back(host: Host, operator: Operator) -> None:
    """A43-A46, A48, EH22: over IPv4 and IPv6, on a service as on a socket."""
    predicted = host.harden(port=NEW, check=True)
    assert predicted["changed"] and predicted["port"] == NEW and host.ports() == {22}
    moved = host.harden(port=NEW)
    assert not moved["failed"] and moved["changed"] and moved["verified"] and moved["ports"] == [NEW], moved
    assert host.ports() == {NEW} and host.lets_in(NEW) and not host.lets_in()
    for address in ADDRESSES[host.name]:
        assert operator.connects("visitor", address, NEW) and not operator.connects("visitor", address, 22)
    for inventory in (22, NEW):
        again = host.harden(port=NEW, inventory_port=inventory)
        assert not again["failed"] and not again["changed"], (inventory, again)
    _is_back(host)
    assert host.ports() == {22}


def test_a_port_in_use(host: Host, record: Record) -> None:
    with record.case("wanted port in use", host) as case:
        predicted, done = host.harden(port=80, check=True), host.harden(port=80)
        case.predicted = bool(predicted["failed"])
        case.of(done)
        case.recovered = host.lets_in()
    assert done["failed"] and "port 80 is in use by nginx" in done["msg"] and predicted["msg"] == done["msg"]
    assert case.recovered


def test_a_firewall_drops_the_new_port(host: Host, record: Record) -> None:
    if not host.has("nft"):
        pytest.skip("no nft on this host before the agent brings it")
    before = host.files()
    with record.case("firewall drops the new port", host) as case:
        host.shell(f"nft -f - <<'END'\n{_DROP}\nEND\n")
        try:
            done = host.harden(port=NEW, rollback_after=120)
        finally:
            host.shell("nft delete table inet lockout")
        case.of(done)
        case.recovered = host.lets_in()
    assert done["failed"] and done["rolled_back"] and host.files() == before and host.ports() == {22}, done
    assert case.recovered
    assert not host.harden(port=NEW)["failed"]
    _is_back(host)


def test_the_controller_is_killed_between_the_two_steps(host: Host, operator: Operator, record: Record) -> None:
    with record.case("controller killed between the two steps", host) as case:
        with host.controller(port=NEW, rollback_after=60) as run:
            host.shell(_BETWEEN)
            kill(run)
        assert operator.eventually(lambda: not host.is_armed(), 90)  # it may have begun the second step
        case.recovered = host.lets_in() and host.lets_in(NEW)
        case.outcome = "both ports"
    assert case.recovered
    done = host.harden(port=NEW)
    assert not done["failed"] and host.ports() == {NEW}, done
    _is_back(host)


def test_ports_in_files_of_others_and_sockets_with_an_override(host: Host, record: Record) -> None:
    """A44: what others wrote is back byte for byte when our port goes."""
    before, socket = host.files(), host.name == "gate"
    with record.case("ssh.socket with a leftover override" if socket else "Port line of another file", host) as case:
        host.shell("sed -i 's/^#Port 22$/Port 22/' /etc/ssh/sshd_config")
        host.shell(_OVERRIDE if socket else "systemctl reload ssh.service")
        try:
            with_others = host.files()
            done = host.harden(port=NEW)
            assert not done["failed"] and host.ports() == {NEW}, done
            gone = host.harden(state="absent", port=NEW)
            assert not gone["failed"] and gone["changed"], gone
            assert host.files() == with_others and host.ports() == ({22, 2200} if socket else {22})
        finally:
            host.shell("sed -i 's/^Port 22$/#Port 22/' /etc/ssh/sshd_config")
            host.shell(_NO_OVERRIDE if socket else "systemctl reload ssh.service")
        case.of(done)
        case.recovered = host.lets_in()
    assert host.files() == before and case.recovered


def test_only_ipv6_is_bound(host: Host, record: Record) -> None:
    """EH22: who comes by IPv4 is not left outside; a socket listens whatever sshd's own files say."""
    wish = {"settings": {"AddressFamily": "inet6"}}
    with record.case("only IPv6 bound", host) as case:
        predicted, done = host.harden(check=True, **wish), host.harden(**wish)
        case.predicted = bool(predicted["failed"])
        case.of(done)
        case.recovered = host.lets_in()
    if host.name == "gate":
        assert not done["failed"] and not host.harden(state="absent")["failed"], done
    else:
        assert done["failed"] and f"and operator came by {ADDRESSES[host.name][0]}" in done["msg"], done
        assert predicted["msg"] == done["msg"]
    assert case.recovered
