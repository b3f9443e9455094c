# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/stockade/warden.toml: what a site may decide about the warden. Every key has a default."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockade import durations
from stockade.config import ConfigError, check_keys, load

CONFIG = Path("/etc/stockade/warden.toml")
BACKENDS = ("nftables", "hosts_deny", "command")
LARGEST_FACTOR = 100
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

_KEYS: dict[str, type | tuple[type, ...]] = {
    "origin": str,
    "default_duration": (str, int),
    "ban_private": bool,
    "backends": list,
    "command": dict,
    "repeat_factor": int,
    "repeat_window": (str, int),
    "longest_duration": (str, int),
}
# What may stand in the arguments of a command: the network's text, the seconds its ban still runs (0: permanent).
_PLACEHOLDERS = {"ban": ("network", "seconds"), "unban": ("network",)}


@dataclass(frozen=True)
class WardenConfig:
    """`origin` is this host's name in every ban it decides; durations are seconds (None: permanent).

    A service's ban of what it banned before within `repeat_window` runs `repeat_factor` times as long for each time,
    at most `longest_duration`.
    """

    origin: str
    default_duration: int | None = 3600
    ban_private: bool = False
    backends: tuple[str, ...] = ("nftables",)
    command_ban: tuple[str, ...] = ()
    command_unban: tuple[str, ...] = ()
    repeat_factor: int = 4
    repeat_window: int = 30 * 86400
    longest_duration: int | None = 28 * 86400


def read(path: Path = CONFIG) -> WardenConfig:
    """The configuration of this host. Raises ConfigError naming file and key."""
    table = load(path, missing_ok=True)
    check_keys(table, _KEYS, str(path))

    def value(key: str, parse: Callable[[Any], Any], default: object) -> Any:
        try:
            return parse(table.get(key, default))
        except ValueError as error:
            raise ConfigError(f"{path}: {key}: {error}") from None

    backends = value("backends", _backends, ["nftables"])
    commands = value("command", _commands, {}) if "command" in table or "command" in backends else {}
    return WardenConfig(
        origin=str(table.get("origin") or socket.gethostname()),
        default_duration=value("default_duration", durations.parse, "1h"),
        ban_private=bool(table.get("ban_private", False)),
        backends=backends,
        command_ban=commands.get("ban", ()),
        command_unban=commands.get("unban", ()),
        repeat_factor=value("repeat_factor", _factor, 4),
        repeat_window=value("repeat_window", _limited, "30d"),
        longest_duration=value("longest_duration", durations.parse, "4w"),
    )


def _backends(names: list[object]) -> tuple[str, ...]:
    known = f"(known: {', '.join(BACKENDS)})"
    if not names:
        raise ValueError(f"at least one is needed {known}")
    for name in names:
        if name not in BACKENDS:
            raise ValueError(f"{str(name)[:40]!r} is no backend {known}")
    return tuple(dict.fromkeys(str(name) for name in names))


def _commands(table: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The two argument lists; both are needed, or a ban could not be lifted."""
    for key in table:
        if key not in _PLACEHOLDERS:
            raise ValueError(f"unknown key {key!r} (known: ban, unban)")
    return {key: _arguments(key, table.get(key)) for key in _PLACEHOLDERS}


def _arguments(key: str, value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list) else []
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValueError(f"{key} must be a list of words, the program first")
    if not words[0].startswith("/"):
        raise ValueError(f"{key}: the program must be a full path, not {words[0][:80]!r}")
    known = _PLACEHOLDERS[key]
    found = [name for word in words for name in PLACEHOLDER.findall(word)]
    for name in found:
        if name not in known:
            shown = ", ".join(f"{{{one}}}" for one in known)
            raise ValueError(f"{key}: unknown placeholder {{{name}}} (known: {shown})")
    if "network" not in found:
        raise ValueError(f"{key}: {{network}} stands nowhere, so the program would not know whom to ban")
    return tuple(words)


def _factor(value: int) -> int:
    if not 1 <= value <= LARGEST_FACTOR:
        raise ValueError(f"{value} is out of range (1 to {LARGEST_FACTOR}; 1 is off)")
    return value


def _limited(value: object) -> int:
    seconds = durations.parse(value)
    if seconds is None:
        raise ValueError("permanent is not possible here (example: 30d)")
    return seconds
