# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that came from logs, reasons or other hosts, made safe to show."""

from __future__ import annotations

import unicodedata


def visible(text: str, limit: int = 200) -> str:
    """`text` with control, bidirectional and other invisible characters written as escapes, at most `limit` long."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown = "".join(_visible(char) for char in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(char: str) -> str:
    if unicodedata.category(char)[0] not in "CZ" or char == " ":
        return char
    return char.encode("unicode_escape").decode() if char != "\xa0" else " "


def reason(value: object, name: str = "reason") -> str:
    """A reason as the registry keeps it: text of at most 200 characters. Raises ValueError if it is none."""
    if not isinstance(value, str):
        raise ValueError(f"a {name} is text")
    if len(value) > 200:
        raise ValueError(f"the {name} has {len(value)} characters (at most 200)")
    return visible(value)
