# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/stockade/warden.toml: what a site may decide about the warden. Every key has a default."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from stockade import durations
from stockade.config import ConfigError, check_keys, load

CONFIG = Path("/etc/stockade/warden.toml")
_KEYS: dict[str, type | tuple[type, ...]] = {"origin": str, "default_duration": (str, int), "ban_private": bool}


@dataclass(frozen=True)
class WardenConfig:
    """`origin` is this host's name in every ban it decides, `default_duration` seconds (None: permanent)."""

    origin: str
    default_duration: int | None = 3600
    ban_private: bool = False


def read(path: Path = CONFIG) -> WardenConfig:
    """The configuration of this host. Raises ConfigError naming file and key."""
    table = load(path, missing_ok=True)
    check_keys(table, _KEYS, str(path))
    try:
        duration = durations.parse(table.get("default_duration", "1h"))
    except ValueError as error:
        raise ConfigError(f"{path}: default_duration: {error}") from None
    origin = str(table.get("origin") or socket.gethostname())
    return WardenConfig(origin=origin, default_duration=duration, ban_private=bool(table.get("ban_private", False)))
