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
