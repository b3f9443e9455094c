# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the arguments of the modules to what is to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _jails
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._converge import Host, Wish
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._files import ACTIONS, FILTERS, JAILS
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._specs import FILTER, JAIL


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for kind in (JAILS, FILTERS, ACTIONS):
        (tmp_path / kind.directory).mkdir()
    return Host(
        run=lambda argv: (0, "", ""), find=lambda name: None, config_dir=str(tmp_path), scratch=str(tmp_path / "s")
    )


def wished(host: Host, **params: Any) -> tuple[Wish, dict[str, Any], list[str]]:
    empty = {**dict.fromkeys(JAIL), "jails": [], "filters": None, "actions": None, "name": None}
    return _jails.wish_jails({**empty, "state": "present", "prune": False, "start": False, **params}, host, False)


def test_one_jail_by_options_at_the_top(host: Host) -> None:
    told, _result, _warnings = wished(host, name="a", enabled=True, filter="sshd", maxretry=3)
    assert told.plan.changes(JAILS) == {"a": JAILS.header + "\n[a]\nenabled = true\nfilter = sshd\nmaxretry = 3\n"}
    assert told.plan.on == {"a"}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"maxretry": 3}, "maxretry without name"),
        ({"name": "a", "jails": [{"name": "b"}]}, "name and jails are both given"),
        ({"jails": [{"name": "a"}, {"name": "a"}]}, "jail a is declared twice"),
        ({"filters": [{"name": "x", "failregx": ["y"]}]}, "filters: .*failregx"),
        ({"filters": [{"failregex": ["y"]}]}, "filters: .*name"),
        ({"filters": [{"name": "x", "failregex": "y", "samples": {"must_match": [{"line": "z"}]}}]}, "address"),
    ],
)
def test_arguments_that_contradict_each_other(host: Host, params: dict[str, Any], why: str) -> None:
    with pytest.raises(StockadeError, match=why):
        wished(host, **params)


def test_a_jail_of_its_own_expressions_needs_no_filter(host: Host, tmp_path: Path) -> None:
    def text(**more: Any) -> str:
        told, _result, _warnings = wished(host, name="a", failregex=["^x <ADDR>$"], **more)
        return str(told.plan.changes(JAILS)["a"])

    assert "\nfilter =\n" in text()
    assert "\nfilter = sshd\n" in text(filter="sshd")
    assert "\nfilter" not in text(filters=[{"name": "a", "failregex": ["^y <ADDR>$"]}])
    (tmp_path / "filter.d" / "a.conf").touch()
    assert "\nfilter" not in text()


def test_filters_and_actions_are_pruned_only_where_they_are_given(host: Host, tmp_path: Path) -> None:
    (tmp_path / "filter.d" / "old.local").write_text(FILTERS.header + "\n[Definition]\n")
    (tmp_path / "filter.d" / "foreign.local").write_text("[Definition]\n")
    assert wished(host, prune=True)[0].plan.changes(FILTERS) == {}
    assert wished(host, prune=True, filters=[])[0].plan.changes(FILTERS) == {"old": None}
    assert wished(host, state="absent", prune=True, filters=[])[0].plan.changes(FILTERS) == {"old": None}


def test_what_is_left_out_is_told_and_its_file_goes(host: Host, tmp_path: Path) -> None:
    (tmp_path / "jail.d" / "zz-stockade-a.local").write_text(JAILS.header + "\n[a]\nenabled = true\n")
    told, result, _warnings = wished(host, name="a", enabled=True, if_present=[str(tmp_path / "nowhere")])
    assert result["left_out"] == [{"name": "a", "reason": "none of these is there: %s/nowhere" % tmp_path}]
    assert told.plan.changes(JAILS) == {"a": None} and told.plan.on == set()


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ({"must_match": [{"line": "x", "address": "not-an-ip"}]}, "sample address 'not-an-ip' is no address"),
        ({"must_match": [{"line": "x", "address": "192.0.2.1", "time": "noon"}]}, "sample time 'noon' is no time"),
        ({}, "samples are given, but no line"),
    ],
)
def test_samples_that_say_nothing(host: Host, samples: dict[str, Any], why: str) -> None:
    filters = [{"name": "x", "failregex": ["^y <ADDR>$"], "samples": samples}]
    with pytest.raises(StockadeError, match=why):
        wished(host, filters=filters)


def test_samples_by_the_module_of_filters(host: Host) -> None:
    given = {
        "must_match": [{"line": "x", "address": "192.0.2.1", "time": None}],
        "must_not_match": [],
        "logtype": "file",
        "options": {"mode": 1},
    }
    params: dict[str, Any] = {**dict.fromkeys(FILTER), "filters": [], "name": "x", "failregex": ["^y <ADDR>$"]}
    params.update(samples=given, allow_open=False, state="present", prune=False, config_dir=host.config_dir)
    told = _jails.wish_filters(params, host, False)[0]
    assert told.samples == {"x": {**given, "options": {"mode": "1"}, "allow_open": False, "expressions": True}}
