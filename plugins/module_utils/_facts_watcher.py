# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watcher says about itself in its status file.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import typing as t

STATUS = "/run/stockade-watcher/status.json"
# The file is the watcher's, who reads hostile text, and its reader is root: bounded, and never by way of a link.
MAX_BYTES = 256 * 1024


def read_status(path: str) -> dict[str, t.Any]:
    """``{"available", "reason", "status"}`` from that file; the reason never quotes what the file holds."""
    try:
        text = _read(path)
    except OSError as e:
        if e.errno == errno.ENOENT:
            return _absent("no watcher runs on this host (no %s)" % path)
        return _absent("cannot read %s: %s" % (path, e.strerror or type(e).__name__))
    if text is None:
        return _absent("cannot read %s: not a regular file of at most %d bytes" % (path, MAX_BYTES))
    try:
        status = json.loads(text)
    except (RecursionError, ValueError):
        status = None
    if not isinstance(status, dict):
        return _absent("cannot read %s: not a JSON object" % path)
    return {"available": True, "reason": "", "status": status}


def _read(path: str) -> bytes | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:
            return None
        return file.read(MAX_BYTES)


def _absent(reason: str) -> dict[str, t.Any]:
    return {"available": False, "reason": reason, "status": {}}
