# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who bans, with and without a warden on the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _banaction, _jails
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import Host, converge
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._declare_jails import render
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import JAILS
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._specs import JAIL

DEFAULT = {"name": "DEFAULT", "banaction": "auto", "banaction_allports": "auto"}


@pytest.fixture(params=[True, False], ids=["warden", "no warden"])
def warden(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(_banaction, "SOCKET", str(tmp_path / "warden.sock"))
    if request.param:
        (tmp_path / "warden.sock").touch()
    return bool(request.param)


def resolve(*jails: dict[str, Any], check: bool = False, present: tuple[str, ...] = ()) -> Any:
    return _banaction.resolve(
        list(jails), present=present, check=check, run=lambda argv: (0, "", ""), find=lambda name: "/usr/sbin/" + name
    )


def test_auto_is_what_the_host_has(warden: bool) -> None:
    (default, sshd), warnings = resolve(DEFAULT, {"name": "sshd", "enabled": True})
    assert sshd == {"name": "sshd", "enabled": True}
    if warden:
        assert (default["banaction"], default["banaction_allports"], warnings) == ("stockade", "stockade", [])
    else:
        assert (default["banaction"], default["banaction_allports"]) == ("nftables", "nftables[type=allports]")
        assert len(warnings) == 1 and "jails ban by nftables" in warnings[0] and "stockade.fleet.agent" in warnings[0]


def test_check_mode_predicts_the_agent_on_a_new_host_only(warden: bool) -> None:
    (default,), warnings = resolve(DEFAULT, check=True)
    assert default["banaction"] == "stockade"
    assert ["predicted with banaction stockade" in warning for warning in warnings] == ([] if warden else [True])
    (settled,), _warnings = resolve(
        DEFAULT, check=True, present=(JAILS.header + render({"name": "DEFAULT", "banaction": "nftables"}),)
    )
    assert settled["banaction"] == ("stockade" if warden else "nftables")


@pytest.mark.parametrize(
    "asks",
    [
        {"banaction": "stockade"},
        {"banaction": "stockade.py[timeout=1]"},
        {"banaction_allports": "stockade"},
        {"action": ["sendmail", "stockade.py"]},
    ],
)
def test_an_explicit_stockade_needs_a_warden(warden: bool, asks: dict[str, Any]) -> None:
    jail = {"name": "a", **asks}
    if warden:
        assert resolve(jail) == ([jail], [])
        return
    with pytest.raises(StockadeError, match=r"jail a is to ban by it: .*nothing was changed; apply the role stockade"):
        resolve(jail)
    assert resolve(dict(jail, enabled=False)) == ([dict(jail, enabled=False)], [])
    jails, warnings = resolve(jail, check=True)
    assert jails == [jail] and len(warnings) == 1


def test_another_action_is_nobodys_business(warden: bool) -> None:
    jail = {"name": "a", "banaction": "stockade-of-mine"}
    assert resolve(jail) == ([jail], [])


def test_nothing_is_written_before_the_refusal(warden: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if warden:
        return
    monkeypatch.setattr("os.geteuid", lambda: 0)
    etc = tmp_path / "etc"
    (etc / "jail.d").mkdir(parents=True)
    ran: list[list[str]] = []
    host = Host(
        run=lambda argv: ran.append(argv) or (0, "", ""),  # type: ignore[func-returns-value]
        find=lambda name: None if name.startswith("fail2ban") else "/usr/sbin/" + name,
        config_dir=str(etc),
        scratch=str(tmp_path / "s"),
    )
    for jails, failed in (([dict(DEFAULT, banaction="stockade")], "no warden"), ([DEFAULT], "not installed")):
        params = {"jails": jails, "name": None, "filters": None, "actions": None, **dict.fromkeys(JAIL)}
        params.update(state="present", prune=True, start=True, config_dir=str(etc))
        with pytest.raises(StockadeError, match=failed):
            converge(_jails.wish_jails(params, host, False)[0], host, check=False, diff=False)
    assert ran == [] and list((etc / "jail.d").iterdir()) == []


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("banaction", "tools", "why"),
    [
        ("nftables[type=allports]", {}, "banaction nftables needs nft"),
        ("iptables-ipset", {"iptables": ""}, "iptables-ipset needs ipset"),
        ("ufw", {"ufw": "Status: inactive"}, "ufw is not active"),
        ("ufw", {"ufw": "Status: active"}, ""),
        ("hostsdeny", {}, ""),
    ],
)
def test_an_action_that_would_refuse_nobody(banaction: str, tools: dict[str, str], why: str, check: bool) -> None:
    """A jail with such an action detects and does not ban."""

    def resolve(jail: dict[str, Any]) -> list[str]:
        return _banaction.resolve(
            [jail],
            present=(),
            check=check,
            run=lambda argv: (0, tools[Path(argv[0]).name], ""),
            find=lambda name: "/usr/sbin/" + name if name in tools else None,
        )[1]

    assert resolve({"name": "a", "banaction": banaction, "enabled": False}) == []
    if why and (not check or banaction == "ufw"):
        with pytest.raises(StockadeError, match="jail a: .*%s.*nothing was changed" % why):
            resolve({"name": "a", "banaction": banaction})
    else:
        assert [why in warning for warning in resolve({"name": "a", "banaction": banaction})] == [True] * bool(why)
