# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names fail2ban's configuration on a host defines or refers to: what is worth setting in a declaration.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Iterable

from ._files import ACTIONS, FILTERS, JAILS, Kind
from ._text import references

_DEFINED = re.compile(r"(?m)^([A-Za-z_][\w./-]*)(?:\?[^\s=]*)?[ \t]*[=:]")
_JAIL_FILES = ("jail.conf", "jail.local", "jail.d/*.conf", "jail.d/*.local", "paths-*.conf", "paths-*.local")


def in_jails(config_dir: str) -> set[str]:
    """Return the names that the jails' configuration defines or refers to, our own files left out."""
    return _names(path for pattern in _JAIL_FILES for path in glob.glob(os.path.join(config_dir, pattern)))


def in_file(config_dir: str, kind: Kind, name: str) -> set[str]:
    """Return the names in a filter or an action that the distribution brings, which ours lies over."""
    return _names([os.path.join(config_dir, kind.directory, name + ".conf")])


def _names(paths: Iterable[str]) -> set[str]:
    ours = tuple(kind.header for kind in (JAILS, FILTERS, ACTIONS))
    found: set[str] = set()
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        if not text.startswith(ours):
            found.update(name.lower() for name in _DEFINED.findall(text))
            found |= references([text])
    return found
