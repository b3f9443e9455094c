# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is written, however it is rotated, whenever the watcher looks or restarts: every line once, in order."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockade.watcher.inputs.file import FileInput
from stockade.watcher.inputs.glob import GlobInput

RENAME, COPY = "rename", "copytruncate"
STEPS = ("write", "write", "write", "look", "restart", RENAME, RENAME, COPY)


class Site:
    """A log, a server that writes numbered lines into it, logrotate, and a watcher. Time passes with every step."""

    def __init__(self, folder: Path, kind: type[FileInput] | type[GlobInput], pattern: str) -> None:
        self.path = folder / "access.log"
        self.path.write_bytes(b"")
        self.written: list[bytes] = []
        self.given: list[bytes] = []
        self._kind, self._pattern = kind, str(folder / pattern)
        self._rest = b""  # of a line that was begun
        self._number = itertools.count(1)
        self._clock = 1_700_000_000.0
        self._age()
        self._follow(None)

    def _follow(self, position: Any) -> None:
        options: dict[str, Any] = {"clock": lambda: self._clock} if self._kind is GlobInput else {}
        self.input = self._kind(self._pattern, time_of=lambda _line: None, position=position, **options)

    def write(self, text: bytes, split: int) -> None:
        """The rest of the line begun before, then a new one up to `split`."""
        line = b"%d %s" % (next(self._number), text.replace(b"\n", b"?"))
        data = line + b"\n"
        split = min(split, len(data))
        with self.path.open("ab") as file:
            file.write(self._rest + data[:split])
        self._rest = data[split:]
        self.written.append(line)
        self._age()

    def finish(self) -> None:
        """Servers write whole lines into a file before they take the next one."""
        if self._rest:
            with self.path.open("ab") as file:
                file.write(self._rest)
            self._rest = b""
        self._age()

    def look(self) -> None:
        self._clock += 6
        while lines := self.input.read():
            self.given += lines

    def restart(self) -> None:
        position = json.loads(json.dumps(self.input.position()))
        self.input.close()
        self._follow(position)

    def rotate(self, how: str) -> None:
        self.finish()
        olds = sorted(self.path.parent.glob("access.log.*"), key=lambda old: -int(old.suffix[1:]))
        for old in olds:
            old.rename(old.with_suffix(f".{int(old.suffix[1:]) + 1}"))
        first = self.path.with_name("access.log.1")
        if how == RENAME:
            self.path.rename(first)
            self.path.write_bytes(b"")
            self._age()
        else:
            shutil.copy(self.path, first)
            self._touch(first)
            os.truncate(self.path, 0)
        self._age()

    def _age(self) -> None:
        self._touch(self.path)

    def _touch(self, path: Path) -> None:
        self._clock += 1
        os.utime(path, (self._clock, self._clock))


step = st.tuples(st.sampled_from(STEPS), st.binary(max_size=300), st.integers(0, 330))


def live(
    kind: type[FileInput] | type[GlobInput], pattern: str, steps: list[tuple[str, bytes, int]], chunk: int
) -> Site:
    with tempfile.TemporaryDirectory() as folder, patch("stockade.watcher.inputs.source.CHUNK", chunk):
        site = Site(Path(folder), kind, pattern)
        site.look()
        for what, text, split in steps:
            if what == "write":
                site.write(text, split)
            elif what == "look":
                site.look()
            elif what == "restart":
                site.restart()
            else:
                site.rotate(what)
        site.finish()
        site.look()
        site.look()
        site.input.close()
        return site


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, max_size=30), chunk=st.sampled_from([1, 7, 300, 262_144]))
def test_ah10_ah27_ch5_ch6_d13_every_line_of_a_file_once_and_in_order(steps: Any, chunk: int) -> None:
    site = live(FileInput, "access.log", steps, chunk)
    assert site.given == site.written
    assert site.input.skipped == 0


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, max_size=30), chunk=st.sampled_from([7, 262_144]))
def test_ah27_every_line_once_where_the_rotated_files_match_the_pattern_too(steps: Any, chunk: int) -> None:
    site = live(GlobInput, "access.log*", steps, chunk)
    assert sorted(site.given) == sorted(site.written)


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\0", b"\n", b"\r", b'"', b"A", b"\xff", b"\xc3"]), max_size=400).map(b"".join),
    cuts=st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=40),
    chunk=st.sampled_from([1, 5, 64, 262_144]),
)
def test_ch5_bh13_any_bytes_in_any_pieces_with_any_restarts(
    data: bytes, cuts: list[tuple[int, bool]], chunk: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, patch("stockade.watcher.inputs.source.CHUNK", chunk):
        path = Path(folder) / "log"
        path.write_bytes(b"")
        source, rest, lines = FileInput(str(path), time_of=lambda _line: None), data, []
        for size, restart in [*cuts, (len(data) + 1, True)]:
            with path.open("ab") as file:
                file.write(rest[:size])
            rest = rest[size:]
            while new := source.read():
                lines += new
            if restart:
                position = json.loads(json.dumps(source.position()))
                source.close()
                source = FileInput(str(path), time_of=lambda _line: None, position=position)
        source.close()
    assert lines == data.split(b"\n")[:-1]
