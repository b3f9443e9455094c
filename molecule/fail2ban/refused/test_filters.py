# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters are tried with their samples, by fail2ban itself, before they are live; actions and settings beside them."""

from __future__ import annotations

from typing import Any

import pytest
from jailhosts import Target, both

FAILED = "2026-03-01 12:00:00 app: login failed for bob from 203.0.113.9"
FINE = "2026-03-01 12:00:00 app: login of bob from 203.0.113.9"
GOOD = r"^\s*app: login failed for \S+ from <ADDR>$"


def declared(*failregex: str, **samples: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "failregex": list(failregex),
        "samples": {"must_match": [{"line": FAILED, "address": "203.0.113.9"}], "must_not_match": [FINE], **samples},
    }


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another address": (declared(GOOD, must_match=[{"line": FAILED, "address": "203.0.113.8"}]), ["203.0.113.8"]),
    "another time": (
        declared(GOOD, must_match=[{"line": FAILED, "address": "203.0.113.9", "time": "2026-03-01T13:00:00"}]),
        ["13:00:00"],
    ),
    "no hit": (declared(r"^\s*app: login refused for \S+ from <ADDR>$"), ["login failed for bob"]),
    "hits what is no failure": (declared(r"^\s*app: login (?:failed for|of) \S+ from <ADDR>$"), ["login of bob"]),
    "an expression that no sample hits": (declared(GOOD, r"^\s*app: other \S+ from <ADDR>$"), ["other"]),
    "open in front of the address": (declared(r"^.*login failed for .* from <HOST>"), ["open"]),
    "open behind the address": (declared(r"^\s*app: login failed for \S+ from <HOST>.*$"), ["open"]),
    "does not compile": (declared(r"^\s*app: (login failed for \S+ from <ADDR>$"), ["app"]),
    "no address group": (declared(r"^\s*app: login failed for \S+ from"), ["app"]),
}


@both
@pytest.mark.parametrize("defect", BAD)
def test_e9_a_bad_filter_is_not_written(target: Target, defect: str) -> None:
    """E9: refused with the filter's name and the reason, by check mode as well."""
    wanted, words = BAD[defect]
    for check in (True, False):
        result = target.module("fail2ban_filters", filters=[wanted], check=check)
        assert result["failed"], result
        assert all(word in result["msg"] for word in ["app", *words]), result["msg"]
    assert target.script("ls /etc/fail2ban/filter.d/app* 2>/dev/null || true") == ""


@both
def test_e9_a_good_filter_is_written_with_its_jail_and_bans(target: Target) -> None:
    """E9: and a change of it reloads the jail that uses it, without losing its ban."""
    log = "/var/log/shop/app.log"
    target.shell("touch", log)
    jail = {"name": "app", "enabled": True, "backend": "auto", "logpath": [log], "maxretry": 3}
    filters = [declared(GOOD)]
    try:
        done = target.module("fail2ban_jails", jails=[jail], filters=filters)
        assert done["changed"] and done["reloaded"] == ["app"], done
        target.log(log, *[f"app: login failed for bob from {target.client.ipv4}"] * 3)
        assert target.eventually(lambda: target.banned("app"))
        assert not target.client.reaches(target)
        assert not target.module("fail2ban_filters", filters=filters)["changed"]
        wider = [declared(r"^\s*app: login failed for \S{1,32} from <ADDR>$")]
        assert target.module("fail2ban_filters", filters=wider, check=True)["changed"]
        assert "S{1,32}" not in str(target.get("app", "failregex"))
        assert target.module("fail2ban_filters", filters=wider)["changed"]
        assert "S{1,32}" in str(target.get("app", "failregex"))
        assert target.banned("app") and not target.client.reaches(target)
    finally:
        target.module("fail2ban_jails", name="app", state="absent")
        gone = target.module("fail2ban_filters", name="app", state="absent")
    assert gone["changed"]
    assert target.script("ls /etc/fail2ban/*/app.* /etc/fail2ban/jail.d/*app.local 2>/dev/null || true") == ""


@both
def test_who_knows_what_he_does_may_leave_a_filter_open(target: Target) -> None:
    """E9: `allow_open`, for lines of which no client chooses any part."""
    wanted = {**declared(r"^.*login failed for .* from <HOST>"), "allow_open": True}
    assert target.module("fail2ban_filters", filters=[wanted], check=True)["changed"]


@both
def test_an_action_of_ones_own(target: Target) -> None:
    """A39: it is called for a ban and for the unban; a misspelt name would never be."""
    wanted = {
        "name": "note",
        "actionban": "echo ban <ip> >>/var/log/shop/noted",
        "actionunban": "echo unban <ip> >>/var/log/shop/noted",
    }
    wrong = {"name": "note", "options": {"actionbann": "echo"}}
    refused = target.module("fail2ban_actions", actions=[wrong])
    assert refused["failed"] and "actionban" in refused["msg"] and "note" in refused["msg"], refused
    jail = {"name": "noted", "enabled": True, "backend": "auto", "logpath": ["/var/log/shop/login.log"]}
    jail.update(filter="shop", action=["note"])
    try:
        assert target.module("fail2ban_jails", jails=[jail], actions=[wanted])["changed"]
        assert not target.module("fail2ban_actions", actions=[wanted])["changed"]
        target.socket(["set", "noted", "banip", target.client.ipv4], ["set", "noted", "unbanip", target.client.ipv4])
        said = f"ban {target.client.ipv4}\nunban {target.client.ipv4}\n"
        assert target.eventually(lambda: target.shell("cat", "/var/log/shop/noted", check=False) == said)
        in_use = target.module("fail2ban_actions", name="note", state="absent")
        assert in_use["failed"] and "noted" in in_use["msg"], in_use
    finally:
        target.module("fail2ban_jails", name="noted", state="absent")
        gone = target.module("fail2ban_actions", name="note", state="absent")
        target.shell("rm", "-f", "/var/log/shop/noted")
    assert gone["changed"]


@both
def test_settings_of_the_server(target: Target) -> None:
    """A35: what the socket can set needs no restart; what no server knows is refused with the nearest name."""
    pid = target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban")
    wrong = target.module("fail2ban_daemon", dbpurgeagee="2d")
    assert wrong["failed"] and "dbpurgeage" in wrong["msg"], wrong
    bad = target.module("fail2ban_daemon", dbpurgeage="xx")
    assert bad["failed"] and "xx" in bad["msg"], bad
    jails = target.jails()
    try:
        assert target.module("fail2ban_daemon", dbpurgeage="2d", check=True)["changed"]
        assert target.socket(["get", "dbpurgeage"]) != [172800]
        assert target.module("fail2ban_daemon", dbpurgeage="2d")["changed"]
        assert not target.module("fail2ban_daemon", dbpurgeage="2d")["changed"]
        assert target.socket(["get", "dbpurgeage"]) == [172800]
        assert target.shell("systemctl", "show", "--value", "-p", "MainPID", "fail2ban") == pid
    finally:
        assert target.module("fail2ban_daemon", state="absent")["changed"]
    assert target.jails() == jails
    assert target.script("ls /etc/fail2ban/fail2ban.d") == ""
