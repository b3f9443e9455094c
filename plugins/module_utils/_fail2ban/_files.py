# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in ``jail.d`` that belong to this collection.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._errors import StockadeError
from .._files import replace

PREFIX = "zz-stockade-"
SUFFIX = ".local"
HEADER = "# Managed by stockade.fleet.fail2ban_jails: changes made here are lost.\n"
MODE = 0o644
#: The one file that the whitelist writes; no jail can have this name.
IGNOREIP = "ignoreip"


class ManagedFiles:
    """Our files of one directory; foreign files are never read, written or removed."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, name: str) -> str:
        """Return the path of a jail's file. Sorted last and ``.local``, so it wins over every other file."""
        return os.path.join(self.directory, PREFIX + name + SUFFIX)

    def read(self) -> dict[str, str]:
        """Return name -> text of our files.

        Raises StockadeError when a file has our name but not our header: somebody else's then.
        """
        found = {}
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return {}
        for entry in names:
            if entry.startswith(PREFIX) and entry.endswith(SUFFIX) and entry != PREFIX + IGNOREIP + SUFFIX:
                found[entry[len(PREFIX) : -len(SUFFIX)]] = read_ours(os.path.join(self.directory, entry), HEADER)
        return found

    def untidy(self, name: str) -> bool:
        """Return whether an existing file has another owner or mode than root, 0644."""
        about = os.stat(self.path(name))
        return about.st_mode & 0o7777 != MODE or about.st_uid != 0 or about.st_gid != 0

    def apply(self, wanted: dict[str, str | None]) -> None:
        """Write each text, remove where it is None; every file changes by one rename."""
        for name, text in wanted.items():
            content = None if text is None else text.encode("utf-8", "surrogateescape")
            replace(self.path(name), content, mode=MODE)


def read_ours(path: str, header: str) -> str:
    """Return the text of a file of ours; raises StockadeError when it is somebody else's."""
    if os.path.islink(path) or not os.path.isfile(path):
        raise StockadeError("%s is no regular file: move it away first" % path)
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        text = f.read()
    if not text.startswith(header):
        raise StockadeError("%s is not ours (its first line differs): move it away first" % path)
    return text
