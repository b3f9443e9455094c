# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was saved, checked before it is used: a file on disk may hold anything.

A part that is damaged costs itself, never the start.
"""

from __future__ import annotations

from typing import Any

# What comes of using something as what it is not.
DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def number(found: Any, name: str, most: int, least: int = 0) -> int:
    """A whole number of this range. Raises ValueError."""
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise ValueError(f"{name} is no number from {least} to {most}")
    return found


def text(found: Any, name: str, most: int) -> str:
    """A text of at most so many characters. Raises ValueError."""
    if not isinstance(found, str) or len(found) > most:
        raise ValueError(f"{name} is no text of at most {most} characters")
    return found


def items(found: Any, name: str, most: int) -> list[Any]:
    """A list of at most so many. Raises ValueError."""
    if not isinstance(found, list | tuple) or len(found) > most:
        raise ValueError(f"{name} is no list of at most {most}")
    return list(found)


def table(found: Any, name: str, most: int) -> dict[str, Any]:
    """An object of at most so many. Raises ValueError."""
    if not isinstance(found, dict) or len(found) > most:
        raise ValueError(f"{name} is no object of at most {most}")
    return found
