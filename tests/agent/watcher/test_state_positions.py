# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved positions that are none: they cost their own input its position, and nothing else."""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journallab import NOON, FakeJournal
from watcherlab import add, settle

from stockade.watcher.clients import Clients
from stockade.watcher.config import parse
from stockade.watcher.engine import Engine, kinds_of
from stockade.watcher.inputs.journal import JournalInput
from stockade.watcher.inputs.positions import of_file, of_journal, of_pattern
from stockade.watcher.reading import Reading

HUGE: list[Any] = [-1, 2**63, 2**64, 10**30, float("inf"), float("nan"), 1.5, True, None, "1", [], {}, [[]], {"x": 1}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(HUGE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


class Host:
    """Three inputs with three lines in each of their logs, and what was saved after these were read."""

    def __init__(self, folder: Path, line: bytes) -> None:
        self.line = line
        (folder / "some").mkdir()
        self.logs = [folder / "good.log", folder / "file.log", folder / "some" / "a.log", folder / "some" / "b.log"]
        paths = {"good": self.logs[0], "file": self.logs[1], "pattern": folder / "some" / "*.log"}
        inputs = [{"name": name, "path": str(path)} for name, path in paths.items()]
        self.config = parse({"input": inputs, "preset": "default"})
        self.write()
        self.saved: Any = {}
        reading = self.reading({})
        assert self.given(reading) == {"good": 3, "file": 3, "pattern": 6}
        self.saved = json.loads(json.dumps(reading.positions()))
        reading.close()
        self.write()

    def write(self) -> None:
        for path in self.logs:
            add(path, [self.line] * 3)

    def reading(self, saved: Any) -> Reading:
        engine = Engine(self.config, clients=Clients(own=(), kinds=kinds_of(self.config)))
        return Reading(engine, saved, fresh=int(time.time()) - 600, now=int(time.time()))

    def given(self, reading: Reading) -> dict[str, int]:
        """How many lines each input gives."""
        return {name: sum(map(len, iter(source.read, []))) for name, source in reading.inputs.items()}

    def after(self, saved: Any) -> dict[str, int]:
        """How many lines each input gives after a restart with those positions."""
        reading = self.reading(json.loads(json.dumps(saved)))
        counts = self.given(reading)
        json.dumps(reading.positions(), allow_nan=False)
        reading.close()
        return counts

    def with_position(self, name: str, position: Any) -> Any:
        return {**self.saved, name: {**self.saved[name], "position": position}}


LINE = b'203.0.113.1 - - [%s] "GET / HTTP/1.1" 200 5 "-" "x"'


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory() as folder:
        yield Host(Path(folder), LINE % time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()).encode())


def test_what_was_saved_goes_on_where_it_was(host: Host) -> None:
    assert host.after(host.saved) == {"good": 3, "file": 3, "pattern": 6}


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(["file", "pattern"]), position=JSON)
def test_any_json_as_a_position(host: Host, name: str, position: Any) -> None:
    counts = host.after(host.with_position(name, position))
    assert counts["good"] == 3
    assert counts[name] == {"file": 6, "pattern": 12}[name]  # what is too old is for the engine to leave out


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(["file", "pattern"]), junk=JSON, data=st.data())
def test_any_json_in_the_place_of_any_part_of_a_position(host: Host, name: str, junk: Any, data: Any) -> None:
    saved = copy.deepcopy(host.saved)
    part = saved[name]
    path = data.draw(st.sampled_from(list(_paths(part))))
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = junk
    counts = host.after(saved)
    assert counts["good"] == 3
    assert counts[name] in range({"file": 7, "pattern": 13}[name])


def _paths(found: Any) -> Iterator[list[Any]]:
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        yield [key]
        if isinstance(value, dict | list):
            yield from ([key, *rest] for rest in _paths(value))


@settings(max_examples=200, deadline=None)
@given(saved=JSON | st.dictionaries(st.sampled_from(["good", "file", "pattern"]), JSON))
def test_any_json_as_the_positions_of_all(host: Host, saved: Any) -> None:
    assert set(host.after(saved).values()) <= {6, 12}


@settings(max_examples=300, deadline=None)
@given(position=JSON, junk=JSON, key=st.sampled_from(["cursor", "at", "same"]))
def test_any_json_as_a_position_in_the_journal(position: Any, junk: Any, key: str) -> None:
    journal = FakeJournal()
    journal.write("x")
    source = JournalInput(["ssh"], not_before=NOON, reader=journal.reader)
    assert len(source.read()) == 1
    good = json.loads(json.dumps(source.position()))
    for found in (position, {**good, key: junk}):
        try:
            checked = of_journal(found)
        except ValueError:
            continue
        JournalInput(["ssh"], not_before=NOON, position=checked, reader=journal.reader).read()


def _may_be(key: str, value: Any) -> bool:
    """Whether a position may hold it: device, inode and time of change have the width that the kernel gives them."""
    if isinstance(value, bool) or key == "skipping":
        return key == "skipping" and isinstance(value, bool)
    beyond = {"device": 2**64, "inode": 2**64, "changed": 2**63}.get(key, 0)
    return isinstance(value, int) and (value < beyond or (value == -1 and key == "changed"))


_KEYS = ("device", "inode", "offset", "head", "checksum", "before", "changed", "skipping")


@pytest.mark.parametrize(
    ("key", "junk"), [(key, junk) for key in _KEYS for junk in HUGE if not _may_be(key, junk)], ids=str
)
def test_a_number_that_is_none_is_named(host: Host, key: str, junk: Any) -> None:
    place = host.saved["file"]["position"]
    with pytest.raises(ValueError, match=key):
        of_file({**place, key: junk})
    with pytest.raises(ValueError, match=key):
        of_file({**place, "rotated": [{**place, key: junk}]})
    with pytest.raises(ValueError, match=key):
        of_pattern({"files": {"/var/log/a.log": {**place, "left": [{**place, key: junk}]}}})


def test_too_much_of_anything_is_no_position(host: Host) -> None:
    place = host.saved["file"]["position"]
    source = {key: value for key, value in place.items() if key not in ("rotated", "left")}
    assert len(of_file({**place, "left": [source] * 16})["left"]) == 16
    for many in ({"left": [source] * 101}, {"rotated": [source] * 101}, {str(n): 1 for n in range(101)}):
        with pytest.raises(ValueError, match="at most 100"):
            of_file({**place, **many})
    with pytest.raises(ValueError, match="path"):
        of_pattern({"files": {"x" * 5000: place}})


def test_one_bad_position_is_one_line_and_no_state_is_put_aside(start, tmp_path, access, warden, log, capfd) -> None:
    add(access, log.lines(29, int(time.time()) - 2))
    service = start()
    settle(service)
    service.save()
    path = tmp_path / "state.json"
    header, *records = path.read_text().splitlines()
    changed = json.loads(header)
    changed["inputs"]["web"]["position"]["offset"] = -5
    path.write_text("\n".join([json.dumps(changed), *records]) + "\n")
    capfd.readouterr()
    service = start()
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "position" in line]
    assert line == (
        "input web: its saved position cannot be used (offset is no number from 0 to 9223372036854775807), "
        "it counts from now on"
    )
    assert not path.with_name("state.json.broken").exists()
    settle(service)
    assert warden.asked == []  # no line counted twice
    add(access, log.lines(1, int(time.time()) + 1))
    settle(service)
    assert warden.networks == ["203.0.113.1"]
