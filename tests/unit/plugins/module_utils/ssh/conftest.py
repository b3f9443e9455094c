# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded outputs of real hosts: tests/data/ssh/<distribution>/."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the lab of the tests of an armed change

DATA = Path(__file__).resolve().parents[4] / "data" / "ssh"


@pytest.fixture
def recorded() -> Callable[[str, str], str]:
    """The text of one recorded output, by distribution and name."""

    def read(distribution: str, name: str) -> str:
        return (DATA / distribution / name).read_text(encoding="utf-8")

    return read
