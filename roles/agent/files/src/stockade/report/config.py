# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports' configuration, /etc/stockade/report.toml. Without the file there are no countries and no delivery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stockade.config import ConfigError, check_keys, load

PATH = Path("/etc/stockade/report.toml")
PLACEHOLDER = "{report}"
_KEYS: dict[str, type] = {"country_database": str, "command": list}


@dataclass(frozen=True)
class ReportConfig:
    """`country_database` is a file in MaxMind's format; `command` program and arguments that take a report on."""

    country_database: str = ""
    command: tuple[str, ...] = ()


def read(path: Path = PATH) -> ReportConfig:
    """The configuration. Raises ConfigError naming file, key and reason."""
    table = load(path, missing_ok=True)
    check_keys(table, _KEYS, str(path))
    database, command = table.get("country_database", ""), table.get("command", [])
    if database and not database.startswith("/"):
        raise ConfigError(f"{path}: country_database: {database[:80]!r} is no full path")
    if not all(isinstance(word, str) and word and "\0" not in word for word in command):
        raise ConfigError(f"{path}: command: a list of texts that are not empty is needed")
    if command and not command[0].startswith("/"):
        raise ConfigError(f"{path}: command: the program {command[0][:80]!r} is no full path")
    return ReportConfig(database, tuple(command))
