# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: the inputs of a configuration, opened where they were left, and fed to the engine turn by turn."""

from __future__ import annotations

from typing import Any, Protocol

from stockade.watcher.config import Input
from stockade.watcher.engine import Engine
from stockade.watcher.events import LATEST
from stockade.watcher.inputs import positions
from stockade.watcher.inputs.file import FileInput
from stockade.watcher.inputs.glob import GlobInput
from stockade.watcher.inputs.journal import JournalInput
from stockade.watcher.journal import ERROR, log
from stockade.watcher.saved import number
from stockade.watcher.verdict import Verdict

READS = 4  # chunks of one input before the next one has its turn


class Source(Protocol):
    """What every input can do. `read` gives lines, or entries of the journal; none if there is nothing new."""

    not_before: int

    @property
    def problem(self) -> str:
        """Why it cannot be read at the moment, else empty."""

    @property
    def skipped(self) -> int:
        """Lines that were too long."""

    def read(self) -> list[bytes] | list[tuple[int, bytes]]:
        """What came in since the last call, a chunk at most."""

    def behind(self) -> int:
        """Bytes that wait to be read, as far as that is known."""

    def position(self) -> dict[str, Any] | None:
        """Where to go on after a restart."""

    def close(self) -> None:
        """Let go of all files."""


class Reading:
    """The open inputs of an engine's configuration. `touched`: something was read since it was set to False."""

    def __init__(self, engine: Engine, saved: Any, *, fresh: int, now: int) -> None:
        """Open the inputs as they were `saved`; one that is new counts no further back than `fresh` (epoch seconds).

        One whose position is damaged counts from `now` on, which is told: its lines so far may have counted already.
        """
        self.engine = engine
        self.touched = False
        self.inputs: dict[str, Source] = {}
        self.not_before: dict[str, int] = {}
        for entry in engine.config.inputs:
            not_before, position = fresh, None  # of one that is new
            try:
                before = saved.get(entry.name, {})
                if before.get("place") == entry.place:
                    # Not later than `fresh`, because the clock may have been ahead when the log was seen first.
                    not_before = min(number(before.get("not_before"), "not_before", LATEST, -LATEST), fresh)
                    position = _checked(entry, before.get("position"))
            except (AttributeError, ValueError) as error:
                log(ERROR, f"input {entry.name}: its saved position cannot be used ({error}), it counts from now on")
                not_before = now
            self.not_before[entry.name] = not_before
            self.inputs[entry.name] = _open(entry, engine, not_before, position)

    def turn(self, name: str, now: int) -> tuple[list[Verdict], bool]:
        """What one input brings about, up to its turn's share; True if that was not all."""
        source, not_before = self.inputs[name], self.not_before[name]
        verdicts: list[Verdict] = []
        for _chunk in range(READS):
            found = source.read()
            if not found:
                return verdicts, False
            self.touched = True
            if isinstance(found[0], bytes):
                verdicts += self.engine.feed(found, source=name, now=now, not_before=not_before)
            else:
                verdicts += self.engine.feed_entries(found, source=name, now=now, not_before=not_before)
        return verdicts, True

    def not_after(self, fresh: int) -> None:
        """Lines of `fresh` count: the clock was set back."""
        self.not_before = {name: min(edge, fresh) for name, edge in self.not_before.items()}

    def positions(self) -> dict[str, Any]:
        """Where each input is, for the header of a state."""
        places = {entry.name: entry.place for entry in self.engine.config.inputs}
        return {
            name: {"place": places[name], "not_before": self.not_before[name], "position": source.position()}
            for name, source in self.inputs.items()
        }

    def close(self) -> None:
        """Close all inputs."""
        for source in self.inputs.values():
            source.close()


def _is_pattern(path: str) -> bool:
    return any(char in path for char in "*?[")


def _checked(entry: Input, position: Any) -> dict[str, Any] | None:
    """A saved position of that input. Raises ValueError if it is damaged."""
    if position is None:
        return None
    if entry.journal:
        return positions.of_journal(position)
    return positions.of_pattern(position) if _is_pattern(entry.path) else positions.of_file(position)


def _open(entry: Input, engine: Engine, not_before: int, position: dict[str, Any] | None) -> Source:
    if entry.journal:
        sshd = entry.format == "sshd" and entry.journal == ("sshd",)
        return JournalInput(() if sshd else entry.journal, sshd=sshd, not_before=not_before, position=position)
    time_of = engine.formats[entry.name].time_of
    kind = GlobInput if _is_pattern(entry.path) else FileInput
    return kind(entry.path, time_of=time_of, not_before=not_before, position=position)
