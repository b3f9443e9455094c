# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that are ours, and the few others on the way, as they are.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

MODE = 0o600


@dataclass(frozen=True)
class Write:
    """One file of a change: what it holds and what it shall hold, None for no file."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int = MODE


def read(path: str) -> tuple[bytes | None, bool]:
    """The content of a file of ours, and whether its owner and mode are right."""
    about = status(path)
    if about is None:
        return None, True
    with open(path, "rb") as stream:
        return stream.read(), (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, 0, MODE)


def content(path: str) -> bytes | None:
    """What a file holds; None if there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def public_host_keys(effective: dict[str, list[str]]) -> list[str]:
    """The texts of the host keys' .pub files, as far as they are there."""
    texts = []
    for path in effective.get("hostkey", []):
        with contextlib.suppress(OSError), open(path + ".pub", encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
    return texts


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
