# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables, times and colours for a terminal, and plain ones for a pipe."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from stockade.durations import human

NARROWEST = 10  # columns that are left of a cell that is cut
COLOURS = {"red": "31", "green": "32", "yellow": "33"}


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells must be visible text already.

    The last column is the one that may be long: on a terminal it is cut to what is left of the line, in a pipe never.
    """
    shown = [tuple(name.upper() for name in columns), *(tuple(row) for row in rows)]
    widths = [max(map(width, cells)) for cells in list(zip(*shown, strict=True))[:-1]]
    room = screen()
    left = None if room is None else max(NARROWEST, room - sum(widths) - 2 * len(widths))
    lines = []
    for *cells, last in shown:
        padded = [cell + " " * (wanted - width(cell)) for cell, wanted in zip(cells, widths, strict=True)]
        lines.append("  ".join([*padded, last if left is None else cut(last, left)]).rstrip())
    return lines


def width(text: str) -> int:
    """Columns of a terminal that `text` takes: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns; what is cut ends with an ellipsis."""
    if width(text) <= columns:
        return text
    taken, kept = 1, []  # one column for the ellipsis
    for char in text:
        taken += _columns(char)
        if taken > columns:
            break
        kept.append(char)
    return "".join(kept) + "…"


def screen() -> int | None:
    """The width of the terminal in columns, None where the answer does not go to one."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:  # a pipe, a file, or a stream that is neither
        return None


def coloured(text: str, colour: str) -> str:
    """`text` in a colour, on a terminal whose user has not said NO_COLOR."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def moment(epoch: int) -> str:
    """Local time to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def utc(epoch: int) -> str:
    """The time for programs: UTC in ISO 8601, to the second."""
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")


def minute(epoch: int) -> str:
    """Local time to the minute, for tables."""
    return moment(epoch)[:-3]


def ago(epoch: int) -> str:
    """When something was and how long ago that is."""
    return f"{moment(epoch)} ({human(max(0, int(time.time() - epoch)))} ago)"


def left(expires_at: int | None) -> str:
    """How long something still holds: `3h 20m`, `permanent`, `over`."""
    if expires_at is None:
        return "permanent"
    seconds = int(expires_at - time.time())
    return human(seconds) if seconds > 0 else "over"


def until(expires_at: int | None) -> str:
    """How long something holds, as it goes behind a verb: `until 2026-01-02 03:04:05 (3h 20m left)`, `permanently`."""
    if expires_at is None:
        return "permanently"
    rest = left(expires_at)
    return f"until {moment(expires_at)} ({rest if rest == 'over' else f'{rest} left'})"
