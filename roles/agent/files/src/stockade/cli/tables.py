# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and times for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stockade.durations import human


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells must be visible text already."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    shown = [tuple(name.upper() for name in columns), *rows]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]


def moment(epoch: int) -> str:
    """Local time to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def until(expires_at: int | None) -> str:
    """When something ends and how long that is from now."""
    if expires_at is None:
        return "permanent"
    left = int(expires_at - time.time())
    return f"{moment(expires_at)} ({human(left)} left)" if left > 0 else f"{moment(expires_at)} (over)"
