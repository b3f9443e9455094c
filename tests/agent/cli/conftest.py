# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the command line's tests."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "warden"))
sys.path.insert(0, str(Path(__file__).parent))

from clilab import Console
from reportlab import ReportingHost
from wardenlab import NOW


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Console]:
    """A console of a host whose warden runs, at a time that stands still; nothing of the tester's terminal is seen."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    running = Console(tmp_path / "warden.sock", monkeypatch, capsys)
    yield running
    running.close()
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def host(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> ReportingHost:
    """The host of that console, with what its own reports are made of."""
    return ReportingHost(tmp_path, console, monkeypatch)
