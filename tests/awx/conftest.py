# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the tests about AWX: an inventory without hosts elsewhere, jobs of several ansible-core versions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import runner

# Those of AWX's execution environments: 2.18 still renders extra variables whenever they are used.
CORES = ("2.18", "2.19")
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: {python}
  children:
    web:
      hosts:
        web1:
        web2:
    other:
      hosts:
        db1:
"""

Launch = Callable[..., runner.Job]


@pytest.fixture(scope="session", params=CORES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An ansible-core version, and a private data directory with the project as AWX fetches it."""
    reason = runner.why_not(request.param)
    if reason:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp(f"job-{request.param}")
    runner.fetch_project(directory, request.param)
    return request.param, directory


@pytest.fixture
def launch(project: tuple[str, Path], tmp_path: Path) -> Launch:
    """Run a playbook with answers, against hosts that are this machine."""
    core, directory = project
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.format(python=sys.executable), encoding="utf-8")

    def launch(playbook: str, answers: dict[str, Any], *arguments: str, **options: Any) -> runner.Job:
        return runner.run(
            f"playbooks/{playbook}", inventory, answers, core, directory=directory, arguments=arguments, **options
        )

    return launch
