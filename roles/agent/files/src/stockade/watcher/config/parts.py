# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the configuration checks: tables, names, durations, lists of text."""

from __future__ import annotations

import re
from typing import Any

from stockade import durations
from stockade.config import ConfigError, check_keys

Keys = dict[str, type | tuple[type, ...]]
FOREVER = 10 * 365 * 86_400  # seconds: a window that never ends
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # it becomes part of a ban's source


def table(entry: object, known: Keys, where: str, *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A table with known keys, all of the wanted type, lists as tuples of text. Raises ConfigError."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: must be a table ([[…]])")
    check_keys(entry, known, where)
    for key in required:
        if key not in entry:
            raise ConfigError(f"{where}: {key} is missing")
    return {key: texts(value, f"{where}: {key}") if isinstance(value, list) else value for key, value in entry.items()}


def texts(values: list[object], where: str) -> tuple[str, ...]:
    """A list of texts, none of them empty. Raises ConfigError."""
    for value in values:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: must be a list of texts, {value!r} is none")
    if not values:
        raise ConfigError(f"{where}: is empty: leave it out instead")
    return tuple(str(value) for value in values)


def check_name(name: str, where: str) -> None:
    """Raise ConfigError unless a name is fit to be part of a source."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: name {name!r} must be letters, digits, dot, dash, underscore (at most 64)")


def seconds(value: object, where: str) -> int:
    """A duration with an end, in seconds. Raises ConfigError."""
    found = duration(value, where)
    if found is None:
        raise ConfigError(f"{where}: must be a number of seconds, not permanent")
    return found


def duration(value: object, where: str) -> int | None:
    """A duration in seconds, None for `permanent`. Raises ConfigError."""
    try:
        return durations.parse(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def between(value: int, low: int, high: int, where: str) -> int:
    """The number if it lies between these. Raises ConfigError."""
    if not low <= value <= high:
        raise ConfigError(f"{where} must be {low} to {high}, not {value}")
    return value


def one_of(value: str, known: tuple[str, ...], where: str) -> str:
    """The text if it is one of these. Raises ConfigError."""
    if value not in known:
        raise ConfigError(f"{where} must be one of {', '.join(known)}, not {value!r}")
    return value


def unique(names: list[str], where: str) -> None:
    """Raise ConfigError if one of them is there twice."""
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where} {name!r} is there twice")
