# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file replaced in one step: whoever reads it finds the old content or the new one, also after a power cut.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile


def replace(path: str, content: bytes | None, *, mode: int = 0o644, like: os.stat_result | None = None) -> None:
    """Make ``path`` hold ``content``, on disk when this returns; None removes it, which is fine if it is not there.

    The file is root's (the caller's without root) with ``mode``; with ``like`` it gets the owner and mode of that. The
    name in between is one that no ``*.conf`` or ``*.local`` matches. Raises OSError; the old file is there then.
    """
    directory = os.path.dirname(path)
    if content is None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
    else:
        _write(path, content, stat.S_IMODE(like.st_mode) if like else mode, like)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: str, content: bytes, mode: int, like: os.stat_result | None) -> None:
    handle, fresh = tempfile.mkstemp(prefix=".stockade-", suffix=".new", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), like.st_uid if like else 0, like.st_gid if like else 0)
            os.fchmod(file.fileno(), mode)  # after the owner, who would lose some bits
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
