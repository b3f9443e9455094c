# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old files of a change, under a second name beside themselves, and the manifest that tells of them.

A second name takes no space, loses neither owner nor mode, and comes back by one rename.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.files import Write


@dataclass(frozen=True)
class Saved:
    """A write with the hash of what it leaves there (- for no file) and the name of the old file (- for none)."""

    write: Write
    digest: str
    name: str

    @property
    def line(self) -> bytes:
        """For the manifest."""
        return os.fsencode("{} {} {}\n".format(self.digest, self.name, self.write.path))


def plan(writes: Sequence[Write], run_id: str) -> list[Saved]:
    """What to save of the files that change. Raises StockadeError."""
    rows = []
    for number, write in enumerate(writes):
        name = os.path.basename(write.path)
        if not os.path.isabs(write.path) or not name or "\n" in write.path:
            raise StockadeError("{!r} is no path of a file".format(write.path))
        if write.before != write.after:
            digest = "-" if write.after is None else hashlib.sha256(write.after).hexdigest()
            # Hidden and not ending in .conf: neither sshd's Include nor systemd takes it.
            plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100]
            saved = ".{}.stockade-{}.{}".format(plain, run_id, number)
            rows.append(Saved(write, digest, "-" if write.before is None else saved))
    return rows


def save(row: Saved) -> None:
    """Give the old file its second name. Raises StockadeError if it is not what the change was planned on."""
    path, before = row.write.path, row.write.before
    changed = StockadeError("{} was changed by somebody else meanwhile: run again".format(path))
    if before is None:
        if files.status(path):
            raise changed
        return
    place = os.path.join(os.path.dirname(path), row.name)
    try:
        os.link(path, place, follow_symlinks=False)
        with open(place, "rb") as stream:
            if stream.read() != before:
                raise changed
            os.fsync(stream.fileno())
    except FileNotFoundError:
        raise changed from None
    sync(os.path.dirname(path))


def forget(manifest: bytes) -> None:
    """Remove the old files that a manifest tells of, as far as they are there, and a unit's directory left empty."""
    for line in manifest.split(b"\n")[:-1]:
        _digest, name, path = line.split(b" ", 2)
        directory = os.path.dirname(path)
        if name != b"-":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))
        if b"/systemd/" in path and directory.endswith(b".d"):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def sync(directory: str) -> None:
    """What was renamed, linked and removed in a directory is on disk when this returns."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
