# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firewall the configuration makes, and several as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from stockade.addresses import Network, parse_network
from stockade.warden.backends import Combined, build
from stockade.warden.config import WardenConfig
from stockade.warden.firewall import FirewallError, Held

ADDRESS = parse_network("203.0.113.9")
NETWORK = parse_network("203.0.113.0/24")


class Part:
    """A firewall in a dict that refuses while `broken` is set."""

    def __init__(self, name: str, *, subtracts: bool = True) -> None:
        self.name = name
        self.subtracts = subtracts
        self.broken = self.moved = False
        self.state = Held()

    def _check(self) -> None:
        if self.broken:
            raise FirewallError(f"{self.name}: no")

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, int | None]) -> None:
        self._check()
        self.state = Held(dict(bans), set(whitelist))

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        self._check()
        self.state.whitelist = set(whitelist)

    def apply(self, *, ban: Mapping[Network, int | None], lift: Iterable[Network]) -> None:
        self._check()
        self.state.bans.update(ban)
        for network in lift:
            self.state.bans.pop(network, None)

    def remove(self) -> None:
        self._check()
        self.state = Held()

    def present(self) -> bool:
        return bool(self.state.bans)

    def disturbed(self) -> bool:
        return self.moved

    def held(self) -> Held:
        self._check()
        return self.state

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        return dict.fromkeys(networks, 7) if self.name == "counts" else {}


def test_one_backend_is_itself_and_several_are_one(tmp_path: Path) -> None:
    names = ("nftables", "hosts_deny", "command")
    for name in names:
        settings = WardenConfig(origin="web1", backends=(name,), command_ban=("/x",), command_unban=("/y",))
        assert build(settings, tmp_path).name == name
    settings = WardenConfig(origin="web1", backends=names, command_ban=("/x",), command_unban=("/y",))
    assert (build(settings, tmp_path).name, build(settings, tmp_path).subtracts) == (", ".join(names), False)
    assert build(WardenConfig(origin="web1", backends=names[:2]), tmp_path).subtracts


def test_dh14_what_one_refuses_the_others_still_hold_and_the_error_names_it() -> None:
    first, second = Part("first"), Part("second")
    both = Combined([first, second])
    first.broken = True
    for change in (
        lambda: both.synchronise(whitelist=iter([NETWORK]), bans={ADDRESS: 60}),
        lambda: both.apply(ban={NETWORK: None}, lift=iter([ADDRESS])),
        lambda: both.set_whitelist(iter([ADDRESS])),
    ):
        with pytest.raises(FirewallError, match="^first: no$"):
            change()
    assert second.state == Held({NETWORK: None}, {ADDRESS})
    second.broken = True
    with pytest.raises(FirewallError, match="^first: no; second: no$"):
        both.remove()


def test_each_gets_all_of_an_iterator() -> None:
    parts = Part("first"), Part("second")
    Combined(parts).synchronise(whitelist=iter([NETWORK]), bans={ADDRESS: 60})
    Combined(parts).apply(ban={NETWORK: 5}, lift=iter([ADDRESS]))
    assert [part.state for part in parts] == [Held({NETWORK: 5}, {NETWORK})] * 2


def test_any_of_them_is_enough_to_be_present_disturbed_and_counted() -> None:
    first, second = Part("first"), Part("counts")
    both = Combined([first, second])
    assert not both.present() and not both.disturbed()
    second.state.bans[ADDRESS] = None
    second.moved = True
    assert both.present() and both.disturbed() and both.packets(iter([ADDRESS])) == {ADDRESS: 7}


def test_of_each_ban_the_longest_is_held() -> None:
    first, second = Part("first"), Part("second")
    first.state = Held({ADDRESS: 60, NETWORK: None}, {ADDRESS})
    second.state = Held({ADDRESS: 90, NETWORK: 5}, {NETWORK})
    assert Combined([first, second]).held() == Held({ADDRESS: 90, NETWORK: None}, {ADDRESS, NETWORK})
