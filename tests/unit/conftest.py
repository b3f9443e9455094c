# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.stockade.fleet`` importable under plain pytest, from whatever place this tree has."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _package(*, name: str, directory: Path | None) -> None:
    """Register an empty package of that name; its submodules are looked for in the directory."""
    if name in sys.modules:
        return
    spec = importlib.machinery.ModuleSpec(name, loader=None, is_package=True)
    if directory is not None:
        spec.submodule_search_locations = [str(directory)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    parent, _dot, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


# ansible-test loads collections itself; here the names are enough, so no symlink tree is needed.
_package(name="ansible_collections", directory=None)
_package(name="ansible_collections.stockade", directory=None)
_package(name="ansible_collections.stockade.fleet", directory=ROOT)
