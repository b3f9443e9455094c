# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in ``jail.d`` that belong to this collection.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

from .._errors import StockadeError

PREFIX = "zz-stockade-"
SUFFIX = ".local"
HEADER = "# Managed by stockade.fleet.fail2ban_jails: changes made here are lost.\n"
MODE = 0o644


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
            if not (entry.startswith(PREFIX) and entry.endswith(SUFFIX)):
                continue
            path = os.path.join(self.directory, entry)
            text = self._read_one(path)
            if not text.startswith(HEADER):
                raise StockadeError("%s is not ours (its first line differs): move it away first" % path)
            found[entry[len(PREFIX) : -len(SUFFIX)]] = text
        return found

    def untidy(self, name: str) -> bool:
        """Return whether an existing file has another owner or mode than root, 0644."""
        about = os.stat(self.path(name))
        return about.st_mode & 0o7777 != MODE or about.st_uid != 0 or about.st_gid != 0

    def apply(self, wanted: dict[str, str | None]) -> None:
        """Write each text, remove where it is None; every file changes by one rename."""
        for name, text in wanted.items():
            if text is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path(name))
            else:
                self._write_one(self.path(name), text)

    def _read_one(self, path: str) -> str:
        if os.path.islink(path) or not os.path.isfile(path):
            raise StockadeError("%s is no regular file: move it away first" % path)
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()

    def _write_one(self, path: str, text: str) -> None:
        # the temporary name ends in neither .conf nor .local: fail2ban passes it over
        handle, temporary = tempfile.mkstemp(prefix=".stockade-", dir=self.directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as f:
                f.write(text)
                os.fchmod(f.fileno(), MODE)
                if os.geteuid() == 0:
                    os.fchown(f.fileno(), 0, 0)
                f.flush()
                os.fsync(f.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
