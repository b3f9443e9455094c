# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After `remove.yml`: the host is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("name", ["web1", "web2", "gate"])
def test_the_host_is_as_it_was(differences: Callable[..., list[str]], name: str) -> None:
    assert differences(name) == []


def test_nothing_failed(host: Any) -> None:
    assert host.run("systemctl --failed --no-legend").stdout == ""


def test_a_second_removal_changes_nothing(operator: Any) -> None:
    done = operator.playbook("remove.yml")
    assert done.returncode == 0, done.stdout
    recap = [line for line in done.stdout.splitlines() if "changed=" in line]
    assert len(recap) == 3 and all("changed=0" in line for line in recap), recap
