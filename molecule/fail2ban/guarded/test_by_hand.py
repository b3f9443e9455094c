# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans and unbans by hand, of one jail and of all, with the modules."""

from __future__ import annotations

from jailhosts import Target, both


@both
def test_a39_a_ban_by_one_jail(target: Target) -> None:
    """A39, A37: check mode says what it would do and does nothing; the second run has nothing to do."""
    address = target.client.ipv4
    assert target.module("ban", address=address, jail="shop", check=True)["changed"]
    assert not target.banned("shop") and target.client.reaches(target)
    assert target.module("ban", address=address, jail="shop")["changed"]
    assert target.banned("shop") and not target.client.reaches(target)
    assert not target.module("ban", address=address, jail="shop")["changed"]
    assert target.module("unban", address=address, jail="shop", check=True)["changed"]
    assert target.banned("shop") and not target.client.reaches(target)
    assert target.module("unban", address=address, jail="shop")["changed"]
    assert not target.banned("shop") and target.client.reaches(target)
    assert not target.module("unban", address=address, jail="shop")["changed"]


@both
def test_a38_unban_everywhere(target: Target) -> None:
    """A38, E8: whoever banned: two jails and an operator."""
    address = target.client.ipv4
    target.socket(["set", "shop", "banip", address], ["set", "sshd", "banip", address])
    target.shell("stockade", "ban", address)
    assert target.module("unban", address=address)["changed"]
    assert not target.banned("shop") and not target.banned("sshd")
    assert target.client.reaches(target)
    assert not target.module("unban", address=address)["changed"]


@both
def test_a37_one_jail_leaves_the_others_alone(target: Target) -> None:
    """A37: and says that the client is still banned."""
    address = target.client.ipv4
    target.socket(["set", "shop", "banip", address], ["set", "sshd", "banip", address])
    assert target.module("unban", address=address, jail="shop")["changed"]
    assert target.banned("sshd") and not target.client.reaches(target)


@both
def test_a37_an_unknown_jail_fails(target: Target) -> None:
    """A37: with the jails that there are."""
    for module in ("ban", "unban"):
        for check in (False, True):
            result = target.module(module, address=target.client.ipv4, jail="shopp", check=check)
            assert result["failed"] and "shopp" in result["msg"], result


@both
def test_many_addresses_are_one_request(target: Target) -> None:
    """A39: a batch, and back; fail2ban-client would take a process for each."""
    addresses = [f"192.0.2.{number}" for number in range(1, 201)]
    assert target.module("ban", address=addresses, jail="shop")["changed"]
    assert set(addresses) <= set(target.get("shop", "banned"))
    assert target.module("unban", address=addresses, jail="shop")["changed"]
    assert not set(addresses) & set(target.get("shop", "banned"))
