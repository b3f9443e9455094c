# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded outputs of real hosts: tests/data/ssh/<distribution>/."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from portlab import Made

sys.path.insert(0, str(Path(__file__).parent))  # for the labs

DATA = Path(__file__).resolve().parents[4] / "data" / "ssh"


@pytest.fixture
def recorded() -> Callable[[str, str], str]:
    """The text of one recorded output, by distribution and name."""

    def read(distribution: str, name: str) -> str:
        return (DATA / distribution / name).read_text(encoding="utf-8")

    return read


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Makes a host with the files or the socket that a test wants."""
    from portlab import PortLab

    def made(**arguments: Any) -> PortLab:
        return PortLab(tmp_path, monkeypatch, **arguments)

    return made
