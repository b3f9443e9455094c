# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a declared jail to fail2ban's text."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _declare_jails as d


def test_everything_at_once() -> None:
    jail: dict[str, Any] = {
        "name": "web",
        "enabled": True,
        "port": ["http", "https"],
        "logpath": ["/var/log/nginx/*.log", "%(apache_error_log)s"],
        "maxretry": 3,
        "bantime": "-1",
        "bantime_increment": False,
        "findtime": None,
        "banaction": "stockade",
        "options": {"datepattern": "^[%Y-%m-%d", "usedns": "no", "maxLines": 1, "sender": None},
    }
    assert d.render(jail) == (
        "[web]\n"
        "enabled = true\n"
        "port = http,https\n"
        "logpath = /var/log/nginx/*.log\n"
        "          %(apache_error_log)s\n"
        "maxretry = 3\n"
        "bantime = -1\n"
        "bantime.increment = false\n"
        "banaction = stockade.py\n"
        "datepattern = ^[%%Y-%%m-%%d\n"
        "maxlines = 1\n"
        "usedns = no\n"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("stockade", "stockade.py"),
        ("stockade[timeout=1]", "stockade.py[timeout=1]"),
        ("stockade.py", "stockade.py"),
        ("stockades", "stockades"),
        ("nftables", "nftables"),
        ("iptables-ipset", "iptables-ipset[type=multiport]"),
        ("iptables-ipset[type=oneport]", "iptables-ipset[type=oneport]"),
    ],
)
def test_our_action_is_found_by_its_file_name(written: str, read: str) -> None:
    assert "banaction = %s\n" % read in d.render({"name": "x", "banaction": written})


def test_our_action_is_found_in_a_list_as_well() -> None:
    text = d.render({"name": "x", "action": ["stockade", "ledger", "stockade[timeout=1]", "stockades"]})
    assert text.split() == ["[x]", "action", "=", "stockade.py", "ledger", "stockade.py[timeout=1]", "stockades"]


@pytest.mark.parametrize(
    "name", ["", None, "a b", "a\n", "-x", ".x", "a/b", "a]b", "ä", "loglevel", "INCLUDES", "x" * 101]
)
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(StockadeError, match="jail "):
        d.render({"name": name})


@pytest.mark.parametrize("text", ["10", "10m", "1h", "1d 12h", "1d12h", "2weeks", "%(bantime)s"])
def test_durations(text: str) -> None:
    assert "findtime = %s\n" % text in d.render({"name": "x", "findtime": text})


@pytest.mark.parametrize("text", ["xx", "", "-1", "10 m m", "__import__('os')", "1h;2h", "1e3"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(StockadeError, match="jail 'x': findtime"):
        d.render({"name": "x", "findtime": text})
    with pytest.raises(StockadeError, match=r"bantime\.rndtime"):
        d.render({"name": "x", "options": {"bantime.rndtime": text}})


@pytest.mark.parametrize(
    "text", ["a\n[evil]", "a\rb", "a\x00", "a\x1b[0m", " a", "a ", "a ; b", ";a", "#a", "a\u2028b"]
)
def test_values_that_would_not_arrive(text: str) -> None:
    for jail in ({"filter": text}, {"logpath": ["/ok", text]}, {"options": {"sender": text}}):
        with pytest.raises(StockadeError, match="jail 'x': (filter|logpath|sender) is "):
            d.render({"name": "x", **jail})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"maxretri": 1}, "did you mean maxretry"),
        ({"ignoreip": "192.0.2.1"}, "stockade.fleet.whitelist"),
        ({"maxretry": 1}, "given twice"),
        ({"MaxRetry": 1}, "given twice"),
        ({"a = b": 1}, "cannot be the name"),
        ({"x\n[evil]": 1}, "cannot be the name"),
        ({"mta": {"a": 1}}, "not a mapping"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], why: str) -> None:
    with pytest.raises(StockadeError, match=why):
        d.render({"name": "x", "maxretry": 2, "options": options})


def test_a_name_of_its_own_is_allowed_where_something_reads_it() -> None:
    wanted = {"name": "x", "logpath": ["%(my_log)s"], "options": {"my_log": "/x"}}
    assert "my_log = /x\n" in d.render(wanted)
    assert "sshd_log = /x\n" in d.render({"name": "x", "options": {"sshd_log": "/x"}}, named={"sshd_log"})
    with pytest.raises(StockadeError, match=r"no option 'my_log', and nothing refers to it as %\(my_log\)s"):
        d.render({"name": "x", "options": {"my_log": "/x"}})


@pytest.mark.parametrize(
    ("name", "near"), [("maxretri", "maxretry"), ("log_path", "logpath"), ("bantme", "bantime"), ("find", "findtime")]
)
def test_a_misspelt_name_is_told_the_nearest(name: str, near: str) -> None:
    with pytest.raises(
        StockadeError, match=r"jail 'x': fail2ban knows no option '%s' \(did you mean %s\?\)" % (name, near)
    ):
        d.render({"name": "x", "options": {name: "1"}})


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("bantime_factor", "__import__('os')", "not a number"),
        ("bantime_multipliers", "1 2 x", "not numbers apart by blanks"),
        ("bantime_maxtime", "xx", "not a duration"),
        ("bantime_rndtime", "-1", "not a duration"),
    ],
)
def test_what_fail2ban_would_compute_is_a_number(option: str, value: str, why: str) -> None:
    with pytest.raises(StockadeError, match=why):
        d.render({"name": "x", option: value})


def test_growing_bans_under_fail2bans_names() -> None:
    jail = {
        "name": "x", "bantime_increment": True, "bantime_factor": "1.5", "bantime_multipliers": "1 5 30",
        "bantime_maxtime": "4w", "bantime_rndtime": "5m", "bantime_overalljails": True,
    }  # fmt: skip
    assert d.render(jail) == (
        "[x]\nbantime.increment = true\nbantime.factor = 1.5\nbantime.multipliers = 1 5 30\nbantime.maxtime = 4w\n"
        "bantime.rndtime = 5m\nbantime.overalljails = true\n"
    )


def test_default_turns_nothing_on() -> None:
    assert d.render({"name": "DEFAULT", "bantime": "1h"}) == "[DEFAULT]\nbantime = 1h\n"
    with pytest.raises(StockadeError, match="enable jails one by one"):
        d.render({"name": "DEFAULT", "enabled": True})
    assert d.wants_running({"name": "DEFAULT", "enabled": False}) is None


@pytest.mark.parametrize(
    ("given", "written"),
    [("True", "yes"), ("False", "no"), ("warn", "warn"), ("raw", "raw"), ("%(known/usedns)s", "%(known/usedns)s")],
)
def test_usedns_as_yaml_reads_yes_and_no(given: str, written: str) -> None:
    """fail2ban takes any other word for `no` and says so in its log alone."""
    assert "usedns = %s\n" % written in d.render({"name": "x", "usedns": given})
    assert "usedns = %s\n" % written in d.render({"name": "x", "options": {"usedns": given}})


@pytest.mark.parametrize("given", ["on", "1", "never"])
def test_usedns_that_fail2ban_would_take_for_no(given: str) -> None:
    with pytest.raises(StockadeError, match="jail 'x': usedns is '%s': none of yes, warn, no and raw" % given):
        d.render({"name": "x", "usedns": given})


def test_a_condition_is_none_of_a_jail() -> None:
    with pytest.raises(StockadeError, match="jail 'x': 'port.family=inet6' cannot be the name of an option"):
        d.render({"name": "x", "options": {"port?family=inet6": "22"}})


@pytest.mark.parametrize("name", ["DEFAULT", "x"])
def test_a_jail_is_turned_on_by_its_own_option_alone(name: str) -> None:
    """Among the others nothing would look at it: not whether it runs afterwards, nor whether it is DEFAULT."""
    with pytest.raises(StockadeError, match="jail '%s': enabled has an option of its own" % name):
        d.render({"name": name, "options": {"Enabled": True}})


@pytest.mark.parametrize("option", [{"port": [""]}, {"port": []}, {"protocol": ""}, {"options": {"protocol": ""}}])
def test_a_ban_of_no_port_is_none(option: dict[str, Any]) -> None:
    with pytest.raises(StockadeError, match="jail 'x': (port|protocol) is empty: a ban would refuse nothing"):
        d.render({"name": "x", **option})
