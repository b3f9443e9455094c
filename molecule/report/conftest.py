# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report, audit and a second report of all hosts, made once for all tests of a step that ask for it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from reporthosts import HARDENED, PLACE, REACHABLE, Run, changed, look, play, snapshot


@dataclass
class Seen:
    """What the runs printed, and what is different on each host since the moment before the first one."""

    report: Run
    audit: Run
    again: Run
    changes: dict[str, list[str]]


@pytest.fixture(scope="session")
def seen(operator: Any, differences: Callable[..., list[str]]) -> Seen:
    shutil.rmtree(PLACE, ignore_errors=True)
    for name in HARDENED:  # a minute after its start the warden copies its registry, and an hour later again
        copy = ("test", "-e", "/var/lib/stockade/registry.copy.db")
        assert operator.eventually(lambda host=name, words=copy: operator.shell(host, *words).returncode == 0, 80)
    with ThreadPoolExecutor(max_workers=2) as pool:
        snapshot(*REACHABLE)
        before = dict(zip(REACHABLE, pool.map(lambda name: look(operator, name), REACHABLE), strict=True))
        report, audit, again = (play(operator, f"{name}.yml") for name in ("report", "audit", "report"))
        after = dict(zip(REACHABLE, pool.map(lambda name: look(operator, name), REACHABLE), strict=True))
        found = {name: [*changed(before[name], after[name]), *differences(name)] for name in REACHABLE}
    return Seen(report, audit, again, found)
