# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file that is ours, and the few others on the way: read, replaced in one step, taken away.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN

_MODE = 0o600


def read() -> tuple[bytes | None, bool]:
    """Our file's content, and whether its owner and mode are right."""
    about = status(DROPIN)
    if about is None:
        return None, True
    with open(DROPIN, "rb") as stream:
        return stream.read(), (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, 0, _MODE)


def public_host_keys(effective: dict[str, list[str]]) -> list[str]:
    """The texts of the host keys' .pub files, as far as they are there."""
    texts = []
    for path in effective.get("hostkey", []):
        with contextlib.suppress(OSError), open(path + ".pub", encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
    return texts


def put(content: bytes | None, about: os.stat_result | None = None) -> None:
    """Replace our file in one step, or take it away; the name in between is one that no Include matches."""
    directory = os.path.dirname(DROPIN)
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(DROPIN)
    else:
        descriptor, path = tempfile.mkstemp(prefix=".00-stockade.", suffix=".new", dir=directory)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), stat.S_IMODE(about.st_mode) if about else _MODE)
                os.fchown(stream.fileno(), about.st_uid if about else 0, about.st_gid if about else 0)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(path, DROPIN)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def status(path: str) -> os.stat_result | None:
    """About a file; None if there is none."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def image(pid: int) -> bytes:
    """Something that differs after every exec of a process (its addresses are random); empty if unknown."""
    try:
        with open("/proc/{}/auxv".format(pid), "rb") as stream:
            return stream.read()
    except OSError:
        return b""
