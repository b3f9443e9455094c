# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Positions as a saved state has them, checked before an input opens anything by them."""

from __future__ import annotations

from typing import Any

from stockade.watcher.inputs.source import SAMPLE
from stockade.watcher.saved import items, number, table, text

_MOST = {"device": 2**64, "inode": 2**64, "offset": 2**63, "checksum": 2**32, "before": 2**32, "head": SAMPLE + 1}
_MAX_BESIDE = 100  # files that were rotated away, open or closed
_MAX_FILES = 20_000  # of a pattern: those that are read, and those that were
_MAX_SAME = 100_000  # entries of the journal of one microsecond
_MAX_TEXT = 4096  # characters of a path or a cursor


def of_file(found: Any) -> dict[str, Any]:
    """The position of a log file. Raises ValueError naming what is wrong."""
    place = _of_source(found)
    for beside in ("rotated", "left"):
        place[beside] = [_of_source(source) for source in items(found.get(beside, ()), beside, _MAX_BESIDE)]
    return place


def of_pattern(found: Any) -> dict[str, Any]:
    """The position of a pattern: that of each file, by its path. Raises ValueError."""
    files = table(table(found, "it", 100).get("files"), "files", _MAX_FILES)
    return {"files": {text(path, "path", _MAX_TEXT): of_file(place) for path, place in files.items()}}


def of_journal(found: Any) -> dict[str, Any]:
    """The position in the journal. Raises ValueError."""
    found = table(found, "it", 100)
    same = items(found.get("same", ()), "same", _MAX_SAME)
    return {
        "cursor": text(found.get("cursor"), "cursor", _MAX_TEXT),
        "at": number(found.get("at"), "at", 2**63 - 1),
        "same": [text(entry, "same", _MAX_TEXT) for entry in same],
    }


def _of_source(found: Any) -> dict[str, Any]:
    found = table(found, "it", 100)
    place: dict[str, Any] = {name: number(found.get(name), name, most - 1) for name, most in _MOST.items()}
    place["changed"] = number(found.get("changed"), "changed", 2**63 - 1, -(2**63))
    if not isinstance(found.get("skipping"), bool):
        raise ValueError("skipping is neither true nor false")
    return {**place, "skipping": found["skipping"]}
