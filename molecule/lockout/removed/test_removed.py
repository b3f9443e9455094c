# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left on the hosts: nothing."""

from __future__ import annotations

from typing import Any


def test_nothing_is_left(differences: Any) -> None:
    assert differences("web1", "web2", "gate") == []
