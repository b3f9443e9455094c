# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts and the record."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import Operator
from lockouthosts import HOSTS, Host, Record


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One case of each kind on one host, another one each time, unless the whole campaign is asked for.

    `make test-slow` asks for it.
    """
    if os.environ.get("STOCKADE_CAMPAIGN") == "full":
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        name = item.nodeid.replace(f"[{params.get('host')}", "[")
        if "case" in params:
            name = f"{item.nodeid.partition('[')[0]}[{params['case'].kind}]"
        cases.setdefault(name, []).append(item)
    kept = {group[number % len(group)].nodeid for number, group in enumerate(cases.values())}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = [item for item in items if item.nodeid in kept]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, operator: Operator) -> Iterator[Host]:
    found = Host(operator, request.param)
    before = found.files()
    yield found
    left = found.files() != before
    if left:  # one failure is one, and not one of every test after it
        operator.fleet("reset", found.name)
    assert not left, "the test left something"


@pytest.fixture(scope="session")
def record() -> Record:
    return Record()
