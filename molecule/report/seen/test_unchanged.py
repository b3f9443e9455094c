# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither report nor audit changes a host."""

from __future__ import annotations

from typing import Any

import pytest

HOSTS = ("web1", "web2", "gate", "plain")


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_is_different_on_a_host(seen: Any, name: str) -> None:
    """Files to the nanosecond, databases, units, rules, listeners, accounts: after two reports and an audit, over
    logins of their own."""
    assert seen.changes[name] == []


@pytest.mark.parametrize("run", ["report", "audit", "again"])
def test_no_task_says_that_it_changed_something(seen: Any, run: str) -> None:
    recap = getattr(seen, run).recap
    assert set(recap) == {*HOSTS, "lost"}
    assert {name: counts["changed"] for name, counts in recap.items() if counts["changed"]} == {}
