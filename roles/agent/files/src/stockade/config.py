# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files: TOML in which an unknown key is an error, named with its file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """A configuration that cannot be used; the text names file, key and reason."""


def load(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The parsed file, empty if it is absent and may be. Raises ConfigError if it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (RecursionError, ValueError) as error:  # no TOML, no UTF-8, a number or a nesting without end
        raise ConfigError(f"{path}: {error}") from None


def check_keys(table: Mapping[str, object], known: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    """Raise ConfigError if `table` holds a key that is not in `known`, or a value of another type; bool is no int."""
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r} (known: {', '.join(sorted(known))})")
        kind = known[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ConfigError(f"{where}: {key} must be {wanted}, not {type(value).__name__}")
