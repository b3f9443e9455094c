# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After `harden.yml --check --diff` on hosts nobody touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("name", ["web1", "web2", "gate"])
def test_check_mode_changed_nothing(differences: Callable[..., list[str]], name: str) -> None:
    assert differences(name) == []
