# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another port: in two steps, whoever listens, and back again."""

from __future__ import annotations

import time

import pytest
from conftest import Operator
from lockouthosts import ADDRESSES, Host, Record, kill

NEW = 2222
_DROP = f"""table inet lockout {{
  chain input {{
    type filter hook input priority -300
    iifname != "lo" tcp dport {NEW} drop
  }}
}}"""


def _is_back(host: Host) -> None:
    gone = host.harden(state="absent", port=NEW)
    assert not gone["failed"] and gone["ports"] == [22], gone
    assert host.lets_in() and not host.is_armed()


def test_the_port_moves_and_comes_back(host: Host, operator: Operator) -> None:
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
    began = time.monotonic()
    predicted, done = host.harden(port=80, check=True), host.harden(port=80)
    recovered = host.lets_in()
    record.add(
        "wanted port in use", host.name, predicted=bool(predicted["failed"]),
        outcome="refused" if done["failed"] else "changed", recovered=recovered, seconds=time.monotonic() - began,
    )  # fmt: skip
    assert done["failed"] and "port 80 is in use by nginx" in done["msg"] and predicted["msg"] == done["msg"]
    assert recovered


def test_a_firewall_drops_the_new_port(host: Host, record: Record) -> None:
    if not host.has("nft"):
        pytest.skip("no nft on this host before the agent brings it")
    before, began = host.files(), time.monotonic()
    host.shell(f"nft -f - <<'END'\n{_DROP}\nEND\n")
    try:
        done = host.harden(port=NEW, rollback_after=120)
    finally:
        host.shell("nft delete table inet lockout")
    recovered = host.lets_in()
    record.add(
        "firewall drops the new port", host.name, predicted=False,
        outcome="rolled back" if done.get("rolled_back") else "kept", recovered=recovered,
        seconds=time.monotonic() - began,
    )  # fmt: skip
    assert done["failed"] and done["rolled_back"] and host.files() == before and host.ports() == {22}, done
    assert recovered
    assert not host.harden(port=NEW)["failed"]
    _is_back(host)


def test_the_controller_is_killed_between_the_two_steps(host: Host, operator: Operator, record: Record) -> None:
    began = time.monotonic()
    with host.controller(port=NEW, rollback_after=60) as run:
        assert operator.eventually(lambda: host.ports() == {22, NEW} and not host.is_armed(), 60)
        kill(run)
    old, new = host.lets_in(), host.lets_in(NEW)
    assert operator.eventually(lambda: not host.is_armed(), 90)  # it may have begun the second step
    record.add(
        "controller killed between the two steps", host.name, predicted=False, outcome="both ports",
        recovered=old and new, seconds=time.monotonic() - began,
    )  # fmt: skip
    assert old and new
    done = host.harden(port=NEW)
    assert not done["failed"] and host.ports() == {NEW}, done
    _is_back(host)


def test_ports_in_files_of_others_and_sockets_with_an_override(host: Host) -> None:
    before = host.files()
    host.shell("sed -i 's/^#Port 22$/Port 22/' /etc/ssh/sshd_config")
    if host.name == "gate":
        host.shell(
            "mkdir -p /etc/systemd/system/ssh.socket.d && cd /etc/systemd/system/ssh.socket.d"
            " && printf '[Socket]\\nListenStream=2200\\n' > override.conf && systemctl daemon-reload"
            " && systemctl stop ssh.service && systemctl restart ssh.socket"
        )
    else:
        host.shell("systemctl reload ssh.service")
    try:
        with_others = host.files()
        done = host.harden(port=NEW)
        assert not done["failed"] and host.ports() == {NEW}, done
        gone = host.harden(state="absent", port=NEW)
        assert not gone["failed"] and gone["changed"], gone
        assert host.files() == with_others and host.ports() == ({22, 2200} if host.name == "gate" else {22})
    finally:
        host.shell("sed -i 's/^Port 22$/#Port 22/' /etc/ssh/sshd_config")
        if host.name == "gate":
            host.shell(
                "rm -r /etc/systemd/system/ssh.socket.d && systemctl daemon-reload"
                " && systemctl stop ssh.service && systemctl restart ssh.socket"
            )
        else:
            host.shell("systemctl reload ssh.service")
    assert host.files() == before and host.lets_in()
