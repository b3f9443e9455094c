# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives a restart: positions, counts and verdicts the warden has not answered, all of one moment.

One file, replaced as a whole. After SIGKILL the lines behind the saved positions are read again into the counts of that
moment, so nothing is lost and no line counts twice; the same verdicts come out with the same ids, and the warden knows
those it has already carried out.

The file has one JSON value a line: first the header, then one for each client or verdict. They are written and read one
by one, so neither takes more memory than running does.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

VERSION = 3
_MAX_LINE = 2**22  # bytes: far above what is ever written


class StateError(Exception):
    """The state cannot be read or written; the text names file and reason."""


def save(path: Path, header: dict[str, Any], records: Iterable[Any]) -> None:
    """Write the state atomically and durably. Raises StateError."""
    temporary = path.with_name(path.name + ".new")
    encode = json.JSONEncoder(separators=(",", ":"), default=bytes.hex).encode
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(encode({"version": VERSION, **header}) + "\n")
            file.writelines(encode(record) + "\n" for record in records)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StateError(f"cannot save {path}: {error.strerror}") from None


def load(path: Path) -> Iterator[Any]:
    """The saved header, then record by record; nothing if there is no state. To be read to its end.

    Raises StateError if it cannot be read, ValueError if it is damaged. While it is read it is called `….loading`: one
    that is called so at the start brought the last start down, and only its header is given out.
    """
    loading = path.with_name(path.name + ".loading")
    broken = path.with_name(path.name + ".broken")
    try:
        poisoned = loading.exists()
        with contextlib.suppress(FileNotFoundError):
            # A poisoned one is out of the way before it is opened: it brings down one more start at most.
            os.replace(loading if poisoned else path, broken if poisoned else loading)
        with open(broken if poisoned else loading, "rb") as file:
            header = _decoded(file.readline(_MAX_LINE))
            if not isinstance(header, dict) or header.get("version") != VERSION:
                raise ValueError("no header of this version")
            yield {**header, "poisoned": poisoned}
            while not poisoned and (line := file.readline(_MAX_LINE)):
                yield _decoded(line)
        if not poisoned:
            os.replace(loading, path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from None


def discard(path: Path) -> None:
    """Move a state that cannot be used aside, as `….broken`."""
    for name in (path, path.with_name(path.name + ".loading")):
        with contextlib.suppress(OSError):
            os.replace(name, path.with_name(path.name + ".broken"))


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("nested too deep") from None
