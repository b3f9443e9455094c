# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An input as it was before a restart."""

from __future__ import annotations

from typing import Any

from stockade.watcher.inputs.file import FileInput
from stockade.watcher.inputs.start import TimeOf


def resumed(path: str, saved: dict[str, Any], fresh: int, time_of: TimeOf) -> FileInput:
    """The input as it was `saved`, if it was that file. Raises AttributeError, KeyError, TypeError, ValueError.

    A log seen for the first time counts no further back than `fresh`; any other not later than that, because the clock
    may have been ahead when it was seen first.
    """
    if saved.get("path") != path:
        return FileInput(path, time_of=time_of, not_before=fresh)
    not_before = min(int(saved["not_before"]), fresh)
    return FileInput(path, time_of=time_of, not_before=not_before, position=saved.get("position"))
