# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives a restart: positions, counts and verdicts the warden has not answered, all of one moment.

One file, replaced as a whole. After SIGKILL the lines behind the saved positions are read again into the counts of that
moment, so nothing is lost and no line counts twice; the same verdicts come out with the same ids, and the warden knows
those it has already carried out.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

VERSION = 1
_BLOCK = 1000  # entries encoded at once: the whole text of 100,000 windows never stands in memory


class StateError(Exception):
    """The state cannot be read or written; the text names file and reason."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write the state atomically and durably. Raises StateError."""
    temporary = path.with_name(path.name + ".new")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.writelines(_encode({"version": VERSION, **state}, depth=2))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StateError(f"cannot save {path}: {error.strerror}") from None


def load(path: Path) -> dict[str, Any]:
    """The saved state, empty if there is none.

    Raises StateError if it cannot be used; the file is then moved aside as `….broken`, so that the next start works.
    """
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        discard(path)
        raise StateError(f"{path} is damaged or of another version: moved aside, counting starts at nothing")
    return state


def discard(path: Path) -> None:
    """Move a state that cannot be used aside."""
    with contextlib.suppress(OSError):
        os.replace(path, path.with_name(path.name + ".broken"))


def _encode(table: dict[str, Any], depth: int) -> Iterator[str]:
    """JSON of a dict, its larger parts block by block."""
    yield "{"
    for index, (key, value) in enumerate(table.items()):
        yield f"{',' if index else ''}{json.dumps(key)}:"
        if not isinstance(value, dict):
            yield json.dumps(value)
        elif depth:
            yield from _encode(value, depth - 1)
        else:
            yield from _blocks(value.items())
    yield "}"


def _blocks(items: Iterable[tuple[str, Any]]) -> Iterator[str]:
    iterator = iter(items)
    yield "{"
    separator = ""
    while block := dict(islice(iterator, _BLOCK)):
        yield separator + json.dumps(block, separators=(",", ":"), default=bytes.hex)[1:-1]
        separator = ","
    yield "}"
