# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that came from logs and hosts, made safe to keep, to print and to put into a spreadsheet.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import csv
import io
import re
import typing as t
import unicodedata
from datetime import datetime, timezone

PERMANENT = "permanent"

# What a spreadsheet takes for the beginning of a formula, also behind a separator it may split at, and the
# full-width forms some of them normalise first.
_FORMULA = re.compile("(^|[;,\t|])[\\s\"']*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def clean(value: t.Any, *, limit: int = 200) -> str:
    """The value as text of at most ``limit`` characters that can be encoded; anything but text and numbers is empty."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)[: limit + 1]
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")


def visible(text: str) -> str:
    """The text with control, bidirectional and other invisible characters written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _shown(char) else _escape(char) for char in text)


def _shown(char: str) -> bool:
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def _escape(char: str) -> str:
    return " " if char == "\xa0" else char.encode("unicode_escape").decode("ascii")


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def bounded(text: str, columns: int) -> str:
    """The text cut to that many columns, the cut marked."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for char in text:
        used += _char_width(char)
        if used > columns - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def table(header: t.Sequence[str], rows: t.Iterable[t.Sequence[str]], limits: t.Sequence[int]) -> list[str]:
    """Lines of a table for a terminal: cells visible and bounded, columns as wide as needed, no blanks at the end."""
    cells = [[bounded(visible(cell), limit) for cell, limit in zip(row, limits)] for row in rows]
    widths = [max([width(name)] + [width(row[index]) for row in cells]) for index, name in enumerate(header)]
    lines = [_line([name.upper() for name in header], widths), _line(["-" * size for size in widths], widths)]
    return lines + [_line(row, widths) for row in cells]


def _line(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    return "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(cells, widths)).rstrip()


def csv_cell(value: t.Any) -> str:
    """A cell that no spreadsheet runs: characters visible, an apostrophe before what looks like a formula."""
    text = visible(str(value))
    return "'" + text if _FORMULA.search(text) else text


def csv_text(header: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> str:
    """A CSV document with a header, every cell quoted and safe for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue()


def iso(seconds: t.Any) -> str:
    """ISO 8601 in UTC of epoch seconds; empty if it is no time."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(int(seconds), tz=timezone.utc).isoformat()[:19] + "Z"
    except (OverflowError, OSError, ValueError):
        return ""


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
