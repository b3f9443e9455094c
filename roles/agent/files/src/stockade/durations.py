# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people write them (`10m`, `1h`, `7d`, `permanent`) and as the registry keeps them (seconds, None)."""

from __future__ import annotations

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = 100 * 365 * 86400  # seconds; longer ones overflow the kernel's timeout and mean `permanent` anyway
_PART = re.compile(r"([0-9]{1,10})([smhdw])")


def parse(value: object) -> int | None:
    """Seconds of a duration, or None for `permanent`. A bare number is seconds.

    Raises ValueError with the text and the reason.
    """
    if value == "permanent":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and value and not _PART.sub("", value):
        seconds = sum(int(number) * UNITS[unit] for number, unit in _PART.findall(value))
    else:
        raise ValueError(f"{str(value)[:40]!r} is not a duration (examples: 10m, 1h, 7d, permanent)")
    if not 1 <= seconds <= LONGEST:
        raise ValueError(f"{str(value)[:40]!r} is out of range (1s to {LONGEST // 86400}d, or permanent)")
    return seconds


def human(seconds: int | None) -> str:
    """The two largest units of a duration: `3h 20m`, `7d`, `permanent`."""
    if seconds is None:
        return "permanent"
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
