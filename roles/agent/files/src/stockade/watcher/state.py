# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives a restart: positions, counts and verdicts the warden has not answered, all of one moment.

One file, replaced as a whole. After SIGKILL the lines behind the saved positions are read again into the counts of that
moment, so nothing is lost and no line counts twice; the same verdicts come out with the same ids, and the warden knows
those it has already carried out.

The file has one JSON value a line: first the header, then one for each verdict, then one for each client. They are
written and read one by one, so neither takes more memory than running does.

Each start that reads the file gives it another name first. By its name a file tells how many starts ended while they
read it: that may be chance, but after three it is the reason, and only what is of few bytes is taken out of it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

VERSION = 4
_BEFORE = 3  # the version that is taken over as well
_MAX_HEADER = 2**24  # bytes: positions of thousands of files
_MAX_LINE = 2**22  # bytes: far above what is ever written
_STARTS = (".loading", ".loading-2", ".loading-3")  # names of a state while the first start reads it, the second …


class StateError(Exception):
    """The state cannot be read or written; the text names file and reason."""


def save(path: Path, header: dict[str, Any], records: Iterable[Any]) -> None:
    """Write the state atomically and durably. Raises StateError."""
    temporary = path.with_name(path.name + ".new")
    encode = json.JSONEncoder(separators=(",", ":"), default=bytes.hex).encode
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(encode({**header, "version": VERSION}) + "\n")
            file.writelines(encode(record) + "\n" for record in records)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StateError(f"cannot save {path}: {error.strerror}") from None


def load(path: Path) -> Iterator[Any]:
    """The saved header, then record by record, None for a damaged one; nothing if there is no state.

    To be read to its end. `poisoned` in the header: it brought three starts down, so verdicts are all that is given
    out. Raises StateError if it cannot be read, ValueError if it has no header of a known version.
    """
    try:
        loading, poisoned = _met(path)
        with open(loading, "rb") as file:
            yield {**_header(file), "poisoned": poisoned}
            while line := file.readline(_MAX_LINE):
                yield _decoded(line)
        os.replace(loading, path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from None


def is_verdict(record: Any) -> bool:
    """Whether a record is about a verdict rather than about what is counted."""
    return isinstance(record, dict) and "network" in record


def discard(path: Path) -> None:
    """Move a state that cannot be used aside, as `….broken`."""
    for name in _names(path):
        with contextlib.suppress(OSError):
            os.replace(name, _broken(path))


def keep_copy(path: Path) -> None:
    """Keep a state of which something cannot be used as `….broken`; the next save leaves that one alone."""
    with contextlib.suppress(OSError):
        _broken(path).unlink(missing_ok=True)
        os.link(path, _broken(path))


def _names(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + end) for end in _STARTS)]


def _broken(path: Path) -> Path:
    return path.with_name(path.name + ".broken")


def _met(path: Path) -> tuple[Path, bool]:
    """The state under its name for this start, and whether it is what is left of one that brought starts down.

    Raises FileNotFoundError if there is none.
    """
    names = _names(path)
    found = [number for number, name in enumerate(names) if name.exists()]
    if not found:
        raise FileNotFoundError
    for stale in found[1:]:  # the plain name is given last, so what it names is newer
        os.replace(names[stale], _broken(path))
    met = found[0]
    poisoned = met == len(_STARTS)
    if poisoned:
        # A kill at any moment leaves one of the two, and this start takes no more memory than two lines do.
        with open(names[met], "rb") as file:
            save(path, _header(file), _leading_verdicts(file))
        os.replace(names[met], _broken(path))
        met = 0
    os.replace(names[met], names[met + 1])
    return names[met + 1], poisoned


def _leading_verdicts(file: BinaryIO) -> Iterator[Any]:
    """The verdicts, which stand before everything else; damaged lines between them are left out."""
    while line := file.readline(_MAX_LINE):
        record = _decoded(line)
        if is_verdict(record):
            yield record
        elif record is not None:
            return


def _header(file: BinaryIO) -> dict[str, Any]:
    header = _decoded(file.readline(_MAX_HEADER))
    if not isinstance(header, dict):
        raise ValueError("no header")
    if header.get("version") == _BEFORE:
        return {**header, "rules": _without_names(header.get("rules"))}
    if header.get("version") != VERSION:
        raise ValueError(f"its version {header.get('version')!r} is not {VERSION}")
    return header


def _without_names(rules: Any) -> Any:
    """What was counted, without counts of user names: they were kept in plain text."""
    with contextlib.suppress(AttributeError, LookupError, TypeError):
        return [{name: None if kind[1] == "user" else kind for name, kind in tally.items()} for tally in rules]
    return []


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (RecursionError, ValueError):
        return None
