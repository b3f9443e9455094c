# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad jail among good ones: refused with the reason, and nothing else happens.

Every row of the table of defects that fail2ban's own `-t` passes or that stop its server, by the modules' input.
"""

from __future__ import annotations

from typing import Any

import pytest
from jailhosts import Target, both

LOG = "/var/log/shop/login.log"


def jail(name: str = "bad", **options: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "backend": "auto", "logpath": [LOG], "filter": "shop", **options}


# What is declared, and words of the reason: what is wrong, and in which jail.
DEFECTS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "expression does not compile": ([jail(failregex=["^bad (<ADDR>$"])], ["bad", "(<ADDR>"]),
    "no address group": ([jail(failregex=["^bad login$"])], ["bad", "bad login"]),
    "no duration": ([jail(bantime="xx")], ["bad", "bantime", "xx"]),
    "no such log": ([jail(logpath=["/var/log/nobody/writes.log"])], ["bad", "/var/log/nobody/writes.log"]),
    "no such filter": ([jail(filter="nofilter")], ["bad", "nofilter"]),
    "no such action": ([jail(banaction="noaction")], ["bad", "noaction"]),
    "misspelt option": ([jail(options={"maxretri": 3})], ["bad", "maxretri", "maxretry"]),
    "an option of a later version": ([jail(options={"skip_if_nologs": True})], ["bad", "skip_if_nologs"]),
    "a lone percent sign in a duration": ([jail(bantime="5%")], ["bad", "bantime", "5%"]),
    "same name twice": ([jail(), jail(maxretry=9)], ["bad"]),
}


def state(target: Target) -> tuple[str, set[str], str]:
    """What must not change: files to the byte, the jails that run, and the process that runs them."""
    files = target.script(
        "cd /etc/fail2ban; find . -type f ! -path '*/__pycache__/*' -exec sha256sum {} + | sort; find . | sort"
    )
    return files, target.jails(), target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban")


@both
@pytest.mark.parametrize("defect", DEFECTS)
def test_ah26_a_bad_jail_costs_nothing(target: Target, defect: str) -> None:
    """A35, AH26: the reason names the jail and what is wrong; check mode says the same; an earlier ban holds."""
    declared, words = DEFECTS[defect]
    target.socket(["set", "shop", "banip", target.client.ipv4])
    assert not target.client.reaches(target)
    before = state(target)
    for check in (True, False):
        result = target.module("fail2ban_jails", jails=[jail("fine"), *declared], check=check)
        assert result["failed"] and not result.get("changed"), result
        assert all(word in result["msg"] for word in words), result["msg"]
        assert "Traceback" not in result["msg"]
    assert state(target) == before
    assert target.banned("shop") and not target.client.reaches(target)


@both
def test_the_good_one_alone_would_have_run(target: Target) -> None:
    """What was declared beside the bad ones is no defect itself, and a percent sign alone is none either."""
    try:
        result = target.module("fail2ban_jails", jails=[jail("fine", failregex=[r"^\s*100% of <ADDR>$"])])
        assert result["changed"] and result["reloaded"] == ["fine"], result
        assert not target.module("fail2ban_jails", jails=[jail("fine", failregex=[r"^\s*100% of <ADDR>$"])])["changed"]
        target.log(LOG, *[f"100% of {target.client.ipv4}"] * 5)
        assert target.eventually(lambda: target.banned("fine"))
        assert not target.client.reaches(target)
    finally:
        gone = target.module("fail2ban_jails", name="fine", state="absent")
    assert gone["changed"] and gone["stopped"] == ["fine"], gone


@both
def test_e12_a_jail_without_program_or_log_is_left_out(target: Target) -> None:
    """E12, AH26: beside one that runs; told by name, and the task counts as what it did."""
    jails = [
        jail("fine"),
        jail("no-program", if_present=["/usr/sbin/nobody"]),
        jail("no-log", if_present=["/usr/sbin/nginx"], logpath=["/var/log/nobody/*.log"]),
    ]
    try:
        result = target.module("fail2ban_jails", jails=jails)
        assert result["changed"] and result["reloaded"] == ["fine"] and "skipped" not in result, result
        assert {one["name"]: one["reason"] for one in result["left_out"]} == {
            "no-program": "none of these is there: /usr/sbin/nobody",
            "no-log": "no log is there: /var/log/nobody/*.log",
        }
        assert {"no-program", "no-log"}.isdisjoint(target.jails())
        assert not target.module("fail2ban_jails", jails=jails)["changed"]
    finally:
        target.module("fail2ban_jails", name="fine", state="absent")


@both
def test_a_percent_sign_that_refers_to_nothing_is_refused(target: Target) -> None:
    before = state(target)
    for check in (True, False):
        result = target.module("fail2ban_jails", jails=[jail(logpath=["%(no_such_log)s"])], check=check)
        assert result["failed"] and "no_such_log" in result["msg"], result
    assert state(target) == before


@both
@pytest.mark.parametrize("text", ["[sshd]\nmaxretry = 3\n[sshd]\nmaxretry = 4\n", "[sshd\n", "[shop]\nbantime = 5%\n"])
def test_a_foreign_file_that_fail2ban_cannot_read(target: Target, text: str) -> None:
    """AH26: a section twice in somebody's file, a line that is none, a lone percent sign: said before anything is live.

    fail2ban would not start with it.
    """
    path = "/etc/fail2ban/jail.d/foreign.local"
    target.write(path, text)
    try:
        before = state(target)
        for check in (True, False):
            result = target.module("fail2ban_jails", jails=[jail("fine")], check=check)
            assert result["failed"] and not result.get("changed"), result
            assert any(word in result["msg"] for word in ("foreign.local", "sshd", "shop")), result["msg"]
        assert state(target) == before
    finally:
        target.shell("rm", path)


@both
def test_a35_a_reload_with_a_bad_file_of_somebody_elses(target: Target) -> None:
    """A35: fail2ban's own reload of such files is what takes the other jails down; a run of the module is not."""
    path = "/etc/fail2ban/jail.d/foreign.local"
    target.socket(["set", "shop", "banip", target.client.ipv4])
    target.write(path, f"[foreign]\nenabled = true\nbackend = auto\nlogpath = {LOG}\nfailregex = ^bad (<ADDR>$\n")
    try:
        before = state(target)
        for check in (True, False):
            result = target.module("fail2ban_jails", jails=[jail("fine")], check=check)
            assert result["failed"] and "foreign" in result["msg"], result
        assert state(target) == before
        assert target.banned("shop") and not target.client.reaches(target)
    finally:
        target.shell("rm", path)


@both
def test_removing_a_filter_in_use_fails(target: Target) -> None:
    """AH26: the jail shop would not come up again."""
    before = state(target)
    for check in (True, False):
        result = target.module("fail2ban_filters", name="shop", state="absent", check=check)
        assert result["failed"] and "shop" in result["msg"], result
    assert state(target) == before


@both
def test_an_action_that_needs_what_is_not_there(target: Target) -> None:
    """AH26: ufw bans nobody while it is not active."""
    before = state(target)
    result = target.module("fail2ban_jails", jails=[jail(banaction="ufw")], check=True)
    assert result["failed"] and "ufw" in result["msg"], result
    assert state(target) == before


@both
def test_ignoreip_is_the_whitelists(target: Target) -> None:
    """EH11: two places would contradict each other."""
    result = target.module("fail2ban_jails", jails=[jail(options={"ignoreip": "203.0.113.0/24"})], check=True)
    assert result["failed"] and "whitelist" in result["msg"], result


@pytest.mark.parametrize("module", ["fail2ban_jails", "fail2ban_filters", "fail2ban_actions", "fail2ban_daemon"])
def test_without_privilege(operator: Any, module: str) -> None:
    arguments: dict[str, Any] = {"name": "x"} if module != "fail2ban_daemon" else {"loglevel": "INFO"}
    result = operator.adhoc("jail13", module, arguments, become=False, inventory="jails.yml")
    assert result["failed"] and "needs root: add -b (become)" in result["msg"], result
