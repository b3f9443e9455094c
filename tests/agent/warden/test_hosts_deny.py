# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts.deny firewall: what stands in the files that libwrap reads, and what is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stockade.addresses import parse_network
from stockade.warden.firewall import FirewallError
from stockade.warden.hosts_deny import HostsDeny, libwrap
from stockade.warden.ledger import Ledger

ADDRESS = parse_network("203.0.113.9")
NETWORK = parse_network("203.0.113.0/24")
OWN = parse_network("198.51.100.10")


class Place:
    """A host of directories, with clocks that the test moves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1_800_000_000.0
        self.rule = root / "hosts.deny"
        self.rule.write_text(f"# as it was\nALL: {root}/denied EXCEPT {root}/allowed\n")
        self.firewall = self.start()

    def start(self) -> HostsDeny:
        return HostsDeny(
            Ledger(self.root / "ledger"),
            directory=self.root,
            hosts_deny=self.rule,
            clock=lambda: self.now,
            monotonic=lambda: self.now - 1_700_000_000,
            own=lambda: {OWN},
        )

    def denied(self) -> list[str]:
        return (self.root / "denied").read_text().splitlines()

    def allowed(self) -> list[str]:
        return (self.root / "allowed").read_text().splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("network", "pattern"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.112.0/22", "203.0.112.0/255.255.252.0"),
        ("2001:db8::1", "[2001:db8::1]/128"),
        ("2001:db8::/48", "[2001:db8::]/48"),
    ],
)
def test_dh3_every_network_has_libwraps_pattern(network: str, pattern: str) -> None:
    assert libwrap(parse_network(network)) == pattern


def test_d15_a_ban_twice_is_one_line_and_dh17_goes_again(place: Place) -> None:
    place.firewall.synchronise(whitelist=[], bans={})
    for _twice in range(2):
        place.firewall.apply(ban={ADDRESS: 60, NETWORK: None}, lift=[])
    assert sorted(place.denied()) == ["203.0.113.0/255.255.255.0", "203.0.113.9"]
    place.firewall.apply(ban={}, lift=[ADDRESS])
    assert place.denied() == ["203.0.113.0/255.255.255.0"]
    assert place.rule.read_text().startswith("# as it was\n"), "the warden never writes hosts.deny"


def test_dh6_the_whitelist_and_the_host_itself_are_exceptions(place: Place) -> None:
    place.firewall.synchronise(whitelist=[ADDRESS], bans={NETWORK: None})
    assert {"203.0.113.9", "198.51.100.10", "127.0.0.0/255.0.0.0", "[fe80::]/10"} <= set(place.allowed())
    place.firewall.set_whitelist([])
    assert "203.0.113.9" not in place.allowed() and "198.51.100.10" in place.allowed()


def test_d24_whoever_asks_libwrap_can_read_both_files(place: Place) -> None:
    before = os.umask(0o077)  # the warden's
    try:
        place.firewall.synchronise(whitelist=[], bans={ADDRESS: None})
    finally:
        os.umask(before)
    assert [(place.root / name).stat().st_mode & 0o777 for name in ("denied", "allowed")] == [0o644, 0o644]
    assert not list(place.root.glob("*.new"))


def test_dh17_an_end_is_told_once_it_came(place: Place) -> None:
    place.firewall.synchronise(whitelist=[], bans={ADDRESS: 60, NETWORK: None})
    place.now += 59
    assert not place.firewall.disturbed()
    place.now += 1
    assert place.firewall.disturbed()
    place.firewall.synchronise(whitelist=[], bans={NETWORK: None})
    assert place.denied() == ["203.0.113.0/255.255.255.0"] and not place.firewall.disturbed()


def damaged(place: Place) -> None:
    (place.root / "denied").write_text("")


def deleted(place: Place) -> None:
    (place.root / "allowed").unlink()


def unruled(place: Place) -> None:
    place.rule.write_text("")


@pytest.mark.parametrize("hand", [damaged, deleted, unruled])
def test_others_hands_are_noticed(place: Place, hand: Callable[[Place], None]) -> None:
    place.firewall.synchronise(whitelist=[], bans={ADDRESS: None})
    assert not place.firewall.disturbed()
    hand(place)
    assert place.firewall.disturbed()


@pytest.mark.parametrize(
    "rule",
    ["", "# ALL: {0}/denied EXCEPT {0}/allowed\n", "sshd: x \\\nALL: {0}/denied EXCEPT {0}/allowed\n", None],
    ids=["empty", "comment", "continued", "absent"],
)
def test_dh9_files_that_nobody_reads_are_no_ban(place: Place, rule: str | None) -> None:
    place.rule.unlink() if rule is None else place.rule.write_text(rule.format(place.root))
    for change in (
        lambda: place.firewall.apply(ban={ADDRESS: None}, lift=[]),
        lambda: place.firewall.synchronise(whitelist=[], bans={}),
        lambda: place.firewall.set_whitelist([]),
    ):
        with pytest.raises(FirewallError, match="does not have the line .* apply the role"):
            change()


def test_a_disk_that_takes_nothing_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stockade.warden.hosts_deny.os.replace", full)
    with pytest.raises(FirewallError, match="cannot write .*denied: No space left on device"):
        place.firewall.apply(ban={ADDRESS: None}, lift=[])


def test_removing_leaves_empty_files_also_without_the_rule(place: Place) -> None:
    place.firewall.synchronise(whitelist=[], bans={ADDRESS: None})
    assert place.firewall.present()
    unruled(place)
    place.firewall.remove()
    assert not place.firewall.present() and place.denied() == [] and place.firewall.held().bans == {}


def test_what_is_held_is_known_after_a_restart(place: Place) -> None:
    inner = parse_network("2001:db8:1::/48")
    place.firewall.synchronise(whitelist=[inner, NETWORK], bans={ADDRESS: 60, parse_network("2001:db8::/32"): None})
    place.now += 20
    held = place.start().held()
    assert held.bans == {ADDRESS: 40, parse_network("2001:db8::/32"): None} and held.whitelist == {inner, NETWORK}
    place.now += 40
    assert list(place.start().held().bans.values()) == [None], "what ended is not held"
    (place.root / "allowed").write_text("spawn id\n")
    with pytest.raises(FirewallError, match="cannot read .*allowed"):
        place.start().held()


def test_dh10_an_address_elsewhere_in_hosts_deny_is_banned_all_the_same(place: Place) -> None:
    """In a comment, or in a rule for one service: neither is a ban of everything."""
    place.rule.write_text(f"{place.rule.read_text()}# 203.0.113.9 was a test\nsshd: 203.0.113.9\n")
    place.firewall.synchronise(whitelist=[], bans={ADDRESS: None})
    assert place.denied() == ["203.0.113.9"]
