# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ban by hand in one jail: the warden decides, fail2ban carries out. Both are played."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _jail_ban
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banUnavailable
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenRefused

BANTIME = 3600


class Host:
    """fail2ban's jails with their bans, and the warden with its whitelist and what it enforces for jails."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, int]] = {"sshd": {}, "nginx": {}}
        self.action = "stockade"
        self.whitelisted: set[str] = set()
        self.holes: list[str] = []
        self.enforced: set[str] = set()
        self.here = self.running = True
        self.deaf = False
        self.changed: list[list[str]] = []

    # fail2ban
    def jails(self) -> list[str]:
        if not self.running:
            raise Fail2banUnavailable("fail2ban is not running on this host: no socket")
        return sorted(self.held)

    def call(self, command: list[str], **_timeout: float) -> Any:
        jail, what = command[1:3]
        if what == "actions":
            return [self.action]
        if what == "bantime":
            return BANTIME
        if command[0] == "get":
            stamp = "%Y-%m-%d %H:%M:%S"
            return [
                f"{ip} \t{time.strftime(stamp, time.localtime(at))} + {BANTIME} = 9999"
                for ip, at in self.held[jail].items()
            ]
        self.changed.append(command)
        for address in command[3:]:
            if what == "unbanip":
                del self.held[jail][address]
            elif address not in self.held[jail]:
                self.held[jail][address] = 1_800_000_000
                if self.action == "stockade" and not self.deaf:
                    self.enforced.add(address)
        return len(command) - 3

    # the warden
    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        if not self.here:
            raise WardenAbsent("no warden on this host")
        if op == "bans":
            return {"bans": [{"network": network} for network in self.enforced]}
        assert (op, fields["check"]) == ("ban", True)
        results = []
        for wanted in fields["bans"]:
            network = wanted["network"].lower()
            assert wanted["source"] == "fail2ban/sshd"
            if not network.replace("/", "").replace(":", "").replace(".", "").isalnum() or network == "host":
                raise WardenRefused("invalid", f"cannot ban {network}: not an address")
            refused = network in self.whitelisted
            if refused and fields["on_refused"] == "fail":
                raise WardenRefused("refused", f"cannot ban {network}: {network} is whitelisted")
            state = "refused" if refused else "unchanged" if network in self.enforced else "banned"
            results.append({"network": network, "state": state, "message": "", "expires_at": None, "holes": self.holes})
        return {"changed": True, "results": results}


class Module:
    def __init__(self, check: bool) -> None:
        self.check_mode = check
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(_jail_ban, "Fail2banClient", lambda: host)
    monkeypatch.setattr(_jail_ban, "WardenClient", lambda: type("Warden", (), {"call": staticmethod(host.ask)}))
    monkeypatch.setattr(_jail_ban, "require_root", lambda: None)
    return host


def ban(*networks: str, check: bool = False, jail: str = "sshd", on_refused: str = "fail") -> dict[str, Any]:
    module: Any = Module(check)
    return _jail_ban.ban(module, list(networks), jail, force=False, on_refused=on_refused)


def test_a39_a_jail_bans_by_hand_and_asking_twice_is_asking_once(host: Host) -> None:
    told = ban("203.0.113.9", "2001:db8:bad::/48")
    assert [(item["network"], item["state"], item["expires_at"]) for item in told["results"]] == [
        ("203.0.113.9", "banned", 1_800_003_600),
        ("2001:db8:bad::/48", "banned", 1_800_003_600),
    ]
    assert host.changed == [["set", "sshd", "banip", "203.0.113.9", "2001:db8:bad::/48"]]
    again = ban("203.0.113.9", "2001:DB8:bad::/48")
    assert (again["changed"], len(host.changed)) == (False, 1)
    assert again["results"][0]["expires_at"] == 1_800_003_600
    assert host.held["nginx"] == {}


def test_a13_a_jail_without_an_end_bans_permanently(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("%s.BANTIME" % __name__, -1)
    assert ban("203.0.113.9", check=True)["results"][0]["expires_at"] is None
    assert ban("203.0.113.9")["results"][0]["expires_at"] is None


def test_ah16_a_whitelisted_address_is_refused_although_banip_would_take_it(host: Host) -> None:
    host.whitelisted = {"203.0.113.7"}
    with pytest.raises(WardenRefused, match="203.0.113.7 is whitelisted"):
        ban("203.0.113.9", "203.0.113.7")
    assert host.changed == []
    told = ban("203.0.113.9", "203.0.113.7", on_refused="skip")
    assert [item["state"] for item in told["results"]] == ["banned", "refused"]
    assert host.held["sshd"].keys() == {"203.0.113.9"}


def test_ah16_a_network_around_a_whitelisted_one_needs_the_warden_to_spare_it(host: Host) -> None:
    host.holes, host.action = ["203.0.113.7"], "nftables"
    with pytest.raises(StockadeError, match="nothing was changed: 203.0.113.7 in it must pass"):
        ban("203.0.113.0/24")
    assert host.changed == []
    host.action = "stockade"
    assert ban("203.0.113.0/24")["results"][0]["holes"] == ["203.0.113.7"]


def test_ah14_the_jail_holds_51_and_5_is_banned_all_the_same(host: Host) -> None:
    host.held["sshd"] = {"203.0.113.51": 1_800_000_000}
    host.enforced = {"203.0.113.51"}
    assert ban("203.0.113.5")["changed"] is True


@pytest.mark.parametrize("bad", ["--help", "$(touch x)", "host"])
def test_ah17_what_is_no_address_never_reaches_fail2ban(host: Host, bad: str) -> None:
    with pytest.raises(WardenRefused):
        ban("203.0.113.9", bad)
    assert host.changed == []


def test_check_mode_predicts(host: Host) -> None:
    told = ban("203.0.113.9", check=True)
    assert (told["changed"], host.changed) == (True, [])
    assert told["results"][0]["expires_at"] == pytest.approx(time.time() + BANTIME, abs=60)
    ban("203.0.113.9")
    assert ban("203.0.113.9", check=True)["changed"] is False


def test_what_the_jail_holds_and_nobody_enforces_is_banned_anew(host: Host) -> None:
    host.held["sshd"] = {"203.0.113.9": 1_700_000_000}
    assert ban("203.0.113.9")["changed"] is True
    assert "203.0.113.9" in host.enforced
    host.action, host.enforced = "nftables", set()
    assert ban("203.0.113.9")["changed"] is False


def test_a_ban_that_the_warden_did_not_hear_of_is_no_success(host: Host) -> None:
    host.deaf = True
    with pytest.raises(StockadeError, match="jail sshd holds 203.0.113.9, but the warden does not: NOT in force"):
        ban("203.0.113.9")


def test_an_unknown_jail_names_those_there_are(host: Host) -> None:
    with pytest.raises(StockadeError, match="no jail 'web', it has: nginx, sshd"):
        ban("203.0.113.9", jail="web")


def test_a_host_without_fail2ban(host: Host) -> None:
    host.running = False
    with pytest.raises(StockadeError, match="jail sshd: fail2ban is not running on this host.*leave jail out"):
        ban("203.0.113.9")


def test_a_host_without_agent(host: Host) -> None:
    host.here = False
    with pytest.raises(WardenAbsent):
        ban("203.0.113.9")
    assert ban("203.0.113.9", check=True)["changed"] is True
    assert host.changed == []


def test_what_banip_cannot_do() -> None:
    _jail_ban.refuse(duration=None, reason="")
    with pytest.raises(StockadeError, match="cannot give duration and reason with jail"):
        _jail_ban.refuse(duration="1h", reason="x")
