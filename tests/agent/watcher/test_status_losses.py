# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watcher loses is told: in the status, by `stockade status`, to Prometheus, to ban_facts, in the journal."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wardens import Says, couriers, verdicts

from stockade.cli.service_status import read_watcher, watcher_lines
from stockade.client import WardenUnavailable
from stockade.watcher import textfile
from stockade.watcher.config import read
from stockade.watcher.eventlog import EventLog
from stockade.watcher.service import Service
from stockade.watcher.witness import Witness

FACTS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils" / "_facts_watcher.py"
AWAY = Says(ban=WardenUnavailable("away"), whitelist=WardenUnavailable("away"), alarm=WardenUnavailable("away"))


def event(log: EventLog) -> None:
    log.add(at=1, source="web", rule="r", address="203.0.113.1", kind="ban")


def test_losses_stand_wherever_the_watcher_tells_how_it_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockade.watcher.courier.MAX_PENDING", 5)
    monkeypatch.setattr("stockade.watcher.eventlog.MAX_WAITING", 0)
    service = Service(read(config), warden=AWAY, state_dir=tmp_path, runtime_dir=tmp_path)
    service.courier.take(verdicts(1, duration=1) + verdicts(7))
    service.turn()
    status = json.loads((tmp_path / "status.json").read_text())
    # The first of the eight is dropped and the next as well; those and the events about them are lost.
    assert (status["dropped"], status["late"], status["events_dropped"]) == (3, 0, 3)
    assert "stockade_watcher_events_dropped_total 3" in (tmp_path / "stockade.prom").read_text().splitlines()
    assert "stockade_watcher_verdicts_dropped_total 3" in textfile.render(status).splitlines()
    told = read_watcher(str(tmp_path / "status.json"))
    assert told == status
    facts = _facts().read_status(str(tmp_path / "status.json"))
    assert (facts["available"], facts["status"]) == (True, status)
    assert "lost       3 bans dropped, 3 events not kept" in "\n".join(watcher_lines(status))


def _facts() -> Any:
    spec = importlib.util.spec_from_file_location("facts_watcher", FACTS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_lost_is_nothing_told_and_any_file_can_be_shown() -> None:
    assert "lost" not in "\n".join(watcher_lines({"dropped": 0, "late": 0}))
    assert "lost" not in "\n".join(watcher_lines({"dropped": "x", "late": [], "events_dropped": None}))
    assert "lost       2 bans too late" in "\n".join(watcher_lines({"late": 2}))


def test_dropped_verdicts_are_one_line_of_the_journal(
    start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("stockade.watcher.courier.MAX_PENDING", 1)
    service = start()
    service.courier.take(verdicts(1))
    capfd.readouterr()
    service.courier.take(verdicts(5))
    (line,) = capfd.readouterr().err.splitlines()
    assert "dropped from now on" in line
    assert service.courier.dropped == 5


def test_late_verdicts_are_one_line_of_the_journal_and_are_reported(capfd: Any) -> None:
    courier, outcomes = couriers(Says())
    courier.take(verdicts(5, duration=10))
    courier.deliver(now=1000, monotonic=0)
    assert (courier.late, outcomes) == (5, [f"203.0.113.{number} late" for number in range(1, 6)])
    (line,) = capfd.readouterr().err.splitlines()
    assert "too late" in line


def test_what_begins_again_after_a_quiet_time_is_said_again(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr("stockade.watcher.journal.time.monotonic", lambda: clock[0])
    courier, _outcomes = couriers(Says())
    for moment, lines in ((0.0, 1), (30.0, 0), (80.0, 0), (500.0, 1)):
        clock[0] = moment
        courier.take(verdicts(1, duration=10))
        courier.deliver(now=1000, monotonic=0)
        assert len(capfd.readouterr().err.splitlines()) == lines


def test_lost_events_are_one_line_of_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("stockade.watcher.eventlog.MAX_WAITING", 2)
    log = EventLog(tmp_path / "events.db")
    for _number in range(6):
        event(log)
    assert log.dropped == 4
    (line,) = capfd.readouterr().err.splitlines()
    assert "events" in line and "not kept" in line


def test_events_that_cannot_be_written_at_the_end_are_lost_too(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "no" / "events.db")
    for _number in range(3):
        event(log)
    log.close()
    assert log.dropped == 3


def test_lost_events_are_counted_across_reloads(config: Path, tmp_path: Path) -> None:
    settings = read(config)
    witness = Witness(settings, tmp_path / "no" / "events.db")
    for count in (1, 2):
        witness.verdict(verdicts(1)[0], "banned")
        witness.configure(settings)
        assert witness.dropped == count
    assert Witness(settings, None).dropped == 0
