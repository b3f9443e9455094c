# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The saved state read back: starts that are killed, records that are damaged, states of the version before."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from watcherlab import add, settle

from stockade.watcher import state
from stockade.watcher.verdict import Verdict


class KilledError(BaseException):
    """The process ends here, as by SIGKILL: nothing catches it."""


def waiting(number: int = 7) -> dict[str, Any]:
    """A verdict that the warden has not answered."""
    now = int(time.time())
    return Verdict(f"203.0.113.{number}", "requests", 30, now, now, 30, 60, 600).as_dict()


def killed_while_loading(start: Any) -> None:
    """A start that ends at the first record of a client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stockade.watcher.rules.tally.Tally.restore", killed)
        with pytest.raises(KilledError):
            start()


def killed(*_arguments: Any, **_options: Any) -> None:
    raise KilledError


@pytest.fixture
def saved(start: Any, access: Path, log: Any) -> Path:
    """A state with 29 requests of one client and a verdict about another one."""
    add(access, log.lines(29, int(time.time())))
    service = start()
    settle(service)
    service.courier.take([Verdict.restored(waiting())])
    service.save()
    return access.with_name("state.json")


@pytest.mark.parametrize("kills", [1, 2])
def test_starts_that_are_killed_while_they_load_cost_nothing(saved, start, warden, access, log, kills) -> None:
    for _start in range(kills):
        killed_while_loading(start)
    service = start()
    add(access, log.lines(1, int(time.time())))
    settle(service)
    assert sorted(warden.networks) == ["203.0.113.1", "203.0.113.7"]


def test_a_state_that_brings_every_start_down_costs_the_counts_only(saved, start, warden, access, log, capfd) -> None:
    for _start in range(3):
        killed_while_loading(start)
    add(access, log.lines(29, int(time.time())))
    service = start()
    assert "three starts ended while they loaded the state: counts start at nothing" in capfd.readouterr().err
    settle(service)
    assert warden.networks == ["203.0.113.7"]  # neither counts nor lines that were read
    assert sorted(path.name for path in saved.parent.glob("state.json*")) == ["state.json", "state.json.broken"]
    add(access, log.lines(1, int(time.time())))
    settle(service)
    assert warden.networks == ["203.0.113.7", "203.0.113.1"]


@pytest.mark.parametrize("call", ["os.replace", "os.fsync", "os.link", "os.unlink"])
@pytest.mark.parametrize("moment", [1, 2, 3])
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_no_verdict_is_lost_to_a_kill_while_a_state_loads_or_is_put_aside(
    saved, start, warden, before, moment, call, monkeypatch
) -> None:
    for _start in range(before):
        killed_while_loading(start)
    module, name = call.split(".")
    calls = iter(range(1, 100))
    real = getattr(os, name)
    monkeypatch.setattr(f"{module}.{name}", lambda *words: killed() if next(calls) == moment else real(*words))
    with contextlib.suppress(KilledError):
        start()
    monkeypatch.undo()
    settle(start())
    assert warden.networks == ["203.0.113.7"]


def test_no_verdict_is_lost_if_the_first_save_after_damage_is_never_reached(saved, start, warden) -> None:
    with saved.open("a") as file:
        file.write("[[[\n")
    start()  # and killed
    settle(start())
    assert warden.networks == ["203.0.113.7"]


@pytest.mark.parametrize(
    "record",
    [
        '{"network": 5}',
        '{"network": "203.0.113.9", "wrong": 1}',
        json.dumps({**waiting(), "last": 1e400}),
        json.dumps({**waiting(), "type": []}),
        json.dumps({**waiting(), "duration": ""}),
        json.dumps({**waiting(), "rule": {}}),
        "{",
        "[" * 100_000,
        "9" * 5000,
        '"text"',
        "null",
        "[1, 2]",
        '[9, "203.0.113.1", "", []]',
        '[0, "203.0.113.1", "00", []]',
        '[0, "203.0.113.1", "zz", []]',
        '[0, "203.0.113.1", 5, []]',
        '[0, "203.0.113.1", "", [1]]',
        '[0, "203.0.113.1", "", [Infinity, NaN]]',
        '[null, "203.0.113.1", "", []]',
        '{"probe": "x"}',
    ],
)
@pytest.mark.parametrize("where", ["before the verdict", "behind it", "at the end"])
def test_a_damaged_record_costs_only_itself(saved, start, warden, access, log, capfd, record, where) -> None:
    lines = saved.read_text().splitlines()
    lines.insert({"before the verdict": 1, "behind it": 2}.get(where, len(lines)), record)
    saved.write_text("\n".join(lines) + "\n")
    service = start()
    add(access, log.lines(1, int(time.time())))
    settle(service)
    assert sorted(warden.networks) == ["203.0.113.1", "203.0.113.7"]
    if record != '{"probe": "x"}':  # of a rule that is gone, for all that is known
        assert "1 record of the state cannot be used" in capfd.readouterr().err
        assert record in saved.with_name("state.json.broken").read_text()


def test_a_state_cut_off_in_the_middle_keeps_what_is_before(saved, start, warden) -> None:
    saved.write_bytes(saved.read_bytes()[:-20])
    settle(start())
    assert warden.networks == ["203.0.113.7"]


def test_a_header_with_the_positions_of_many_files_is_read(tmp_path) -> None:
    header = {"inputs": {"web": {"files": ["x" * 100] * 80_000}}, "rules": []}
    state.save(tmp_path / "state.json", header, [])
    assert next(state.load(tmp_path / "state.json"))["inputs"] == header["inputs"]


def test_a_state_of_version_3_is_taken_over(saved, start, warden, access, log) -> None:
    header, *records = saved.read_text().splitlines()
    old = {**json.loads(header), "version": 3}
    saved.write_text("\n".join([json.dumps(old), *(text for text in records if "storm" not in text)]) + "\n")
    service = start()
    add(access, log.lines(1, int(time.time())))
    settle(service)
    assert sorted(warden.networks) == ["203.0.113.1", "203.0.113.7"]


def test_a_state_of_a_version_to_come_is_told_and_put_aside(saved, start, capfd) -> None:
    saved.write_text(saved.read_text().replace('"version":4', '"version":5', 1))
    start()
    assert "version 5" in capfd.readouterr().err
    assert '"version":5' in saved.with_name("state.json.broken").read_text()
