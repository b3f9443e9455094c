# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in fail2ban's configuration that belong to this collection.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from .._errors import StockadeError
from .._files import replace

SUFFIX = ".local"
MODE = 0o644
#: The one file in jail.d that the whitelist writes; no jail can have this name.
IGNOREIP = "ignoreip"


class Kind(NamedTuple):
    """One kind of file: what it declares, where it is, how its name begins, which module writes it."""

    what: str
    directory: str
    prefix: str
    module: str

    @property
    def header(self) -> str:
        """The first line of each file of this kind: without it a file is somebody else's."""
        return "# Managed by stockade.fleet.%s: changes made here are lost.\n" % self.module


#: Sorted last and ``.local``, so a jail's file wins over every other one.
JAILS = Kind("jail", "jail.d", "zz-stockade-", "fail2ban_jails")
#: fail2ban finds filters and actions by their file's name; ``.local`` alone will do, and beside a ``.conf`` it wins.
FILTERS = Kind("filter", "filter.d", "", "fail2ban_filters")
ACTIONS = Kind("action", "action.d", "", "fail2ban_actions")
#: One file, whose name is the prefix.
DAEMON = Kind("daemon", "fail2ban.d", "zz-stockade", "fail2ban_daemon")


class ManagedFiles:
    """Our files of one kind; foreign files are never written or removed."""

    def __init__(self, config_dir: str, kind: Kind) -> None:
        self.kind = kind
        self.directory = os.path.join(config_dir, kind.directory)

    def path(self, name: str) -> str:
        """Return the path of the file that declares ``name``."""
        return os.path.join(self.directory, self.kind.prefix + name + SUFFIX)

    def read(self) -> dict[str, str]:
        """Return name -> text of our files.

        Raises StockadeError when a file has the name of one of our jails but not our header: somebody else's then.
        """
        found = {}
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return {}
        prefix = self.kind.prefix
        for entry in names:
            if not entry.startswith(prefix) or not entry.endswith(SUFFIX) or entry == prefix + IGNOREIP + SUFFIX:
                continue
            path = os.path.join(self.directory, entry)
            if prefix or _is_ours(path, self.kind.header):
                found[entry[len(prefix) : -len(SUFFIX)]] = read_ours(path, self.kind.header)
        return found

    def claim(self, name: str) -> None:
        """Raise StockadeError if the file that would declare ``name`` is there and somebody else's."""
        if os.path.lexists(self.path(name)):
            read_ours(self.path(name), self.kind.header)

    def untidy(self, name: str) -> bool:
        """Return whether an existing file has another owner or mode than root, 0644."""
        about = os.stat(self.path(name))
        return about.st_mode & 0o7777 != MODE or about.st_uid != 0 or about.st_gid != 0

    def apply(self, wanted: dict[str, str | None]) -> None:
        """Write each text, remove where it is None; every file changes by one rename."""
        for name, text in wanted.items():
            content = None if text is None else text.encode("utf-8", "surrogateescape")
            replace(self.path(name), content, mode=MODE)


def copy_config(config_dir: str, place: str) -> None:
    """Copy a configuration to where it may be tried. Raises OSError.

    What links lead to is copied as well: nothing that is written there reaches a live file, and nothing is missing.
    """
    shutil.copytree(config_dir, place, ignore=_leading_nowhere)


def _leading_nowhere(directory: str, names: list[str]) -> list[str]:
    """Return the dangling links; the option of copytree takes every relative link for one."""
    return [name for name in names if not os.path.exists(os.path.join(directory, name))]


def _is_ours(path: str, header: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as f:
        return f.read(len(header)) == header.encode()


def read_ours(path: str, header: str) -> str:
    """Return the text of a file of ours; raises StockadeError when it is somebody else's."""
    if os.path.islink(path) or not os.path.isfile(path):
        raise StockadeError("%s is no regular file: move it away first" % path)
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        text = f.read()
    if not text.startswith(header):
        raise StockadeError("%s is not ours (its first line differs): move it away first" % path)
    return text
