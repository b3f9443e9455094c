# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotated neighbours of a log: the one that was read last, under its new name or as a copy, and those after it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from stockade.watcher.inputs.source import Identity, Source, closed_on_error

COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z")
MAX_MISSED = 32  # files read one after the other; a host that was off for longer has no use for more

# What rotation puts between a log's name and its extension, or behind both: a number, a date, a word.
_MARK = re.compile(r"[-._](\d[-\d._T:+]*|old|prev|bak)\Z")
_COUNTED = 4  # digits of a number that counts rotations at most; a date or a time has more


class Missed(NamedTuple):
    """Files with lines that were not read, oldest first, and what is compressed already (empty if nothing is)."""

    sources: list[Source]
    lost: str


def is_rotated(name: str, log: str) -> bool:
    """Whether a file name is the log's own with a rotation's mark: `access.log.1`, `access-20261126.log`."""
    return bool(_mark(name, log))


def _mark(name: str, log: str) -> str:
    """The number, date or word that rotation put into a log's name; empty if it is no rotated name."""
    if name.startswith(log):
        found = _MARK.match(name[len(log) :])
    else:
        stem, extension = os.path.splitext(log)  # as logrotate's option `extension` has it
        middle = name[len(stem) : len(name) - len(extension)]
        found = _MARK.match(middle) if name.startswith(stem) and name.endswith(extension) else None
    return found[1] if found else ""


def _rank(name: str, log: str) -> tuple[bool, int, list[int]]:
    """Orders rotated names by age, oldest first: `.2` before `.1`, but the earlier date before the later one."""
    mark = _mark(name, log)
    if mark.isdecimal() and len(mark) <= _COUNTED:
        return False, -int(mark), []
    return True, 0, [int(digits) for digits in re.findall("[0-9]+", mark)]


class NotRegularError(OSError):
    """A path names a directory, a pipe or something else that is no log."""


def open_regular(path: str) -> int:
    """Open a regular file for reading. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(closed_on_error(fd, os.fstat).st_mode):
        os.close(fd)
        raise NotRegularError(errno.EINVAL, "not a regular file")
    return fd


def find(path: str, position: dict[str, Any], opened: set[Identity]) -> Source | None:
    """The file that was read up to `position`, among the neighbours of `path`: renamed, or copied before a truncation.

    Files in `opened` are left out. Raises KeyError, TypeError, ValueError for what no position is.
    """
    found = _neighbours(path)
    renamed = [entry for entry, _log in found if entry.inode() == position["inode"]]
    copies = [(entry, log) for entry, log in found if is_rotated(entry.name, log) and entry not in renamed]
    # Where nothing was read there is nothing that a copy could be known by.
    for entry in renamed + (_by_age(copies, since=int(position["changed"])) if position["head"] else []):
        source = _resumed(entry.path, partial(Source.resume, position=_anywhere(position, entry, renamed)), opened)
        if source is not None:
            return source
    return None


def same_log(path: str, fd: int, position: dict[str, Any]) -> Source | None:
    """The open log where `position` left it, if it is that file or was written in its place, as editors do.

    None (and `fd` still open) if it is another one. Two logs of one flood may begin alike: it is another one too if the
    file of `position` has a rotated name now.
    """
    other = os.fstat(fd).st_ino != position["inode"]
    return None if other and _is_renamed(path, position) else Source.resume(fd, position)


def _is_renamed(path: str, position: dict[str, Any]) -> bool:
    for entry, log in _neighbours(path):
        if entry.inode() == position["inode"] and is_rotated(entry.name, log):
            source = _resumed(entry.path, partial(Source.resume, position=position), set())
            if source is not None:
                source.close()
                return True
    return False


def later(
    path: str, since: int, until: int | None, opened: set[Identity], unread: Callable[[int, bool], bool]
) -> Missed:
    """The rotated files that changed from `since` on but before `until` (epoch nanoseconds) and are `unread`.

    That is asked with the open file and whether its name has a number or a date, rather than a word such as `bak`.
    Those in `opened` are left out. What is compressed is lost, which is told: compressors keep the time of the file.
    """
    entries = [(entry, log) for entry, log in _neighbours(path) if is_rotated(_uncompressed(entry.name), log)]
    plain = [(entry, log) for entry, log in entries if not entry.name.endswith(COMPRESSED)]
    marks = {entry.name: _mark(entry.name, log) for entry, log in plain}
    sources: list[Source] = []
    for entry in _by_age(plain, since=since, until=until)[-MAX_MISSED:]:
        source = _resumed(entry.path, partial(_new, unread, marks[entry.name][:1].isdecimal()), opened)
        if source is not None:
            sources.append(source)
    packed = [(entry, log) for entry, log in entries if _uncompressed(entry.name) not in marks]
    lost = _by_age(packed, since=since + 1, until=until)
    return Missed(sources, f"{lost[-1].path}: compressed before all of it was read" if lost else "")


def _new(unread: Callable[[int, bool], bool], numbered: bool, fd: int) -> Source | None:
    return Source(fd) if unread(fd, numbered) else None


def _anywhere(position: dict[str, Any], entry: os.DirEntry[str], renamed: list[os.DirEntry[str]]) -> dict[str, Any]:
    """The position, as one in that very file: what tells a copy is its content."""
    if entry in renamed:
        return position
    about = entry.stat(follow_symlinks=False)
    return {**position, "device": about.st_dev, "inode": about.st_ino}


def _resumed(path: str, use: Callable[[int], Source | None], opened: set[Identity]) -> Source | None:
    """The source `use` makes of a file, if it makes one and the file is not open already."""
    try:
        fd = open_regular(path)
    except OSError:
        return None
    source = closed_on_error(fd, use)
    if source is not None and source.identity not in opened:
        return source
    os.close(fd)
    return None


def _by_age(found: list[tuple[os.DirEntry[str], str]], since: int, until: int | None = None) -> list[os.DirEntry[str]]:
    """Those that changed at `since` or after it, and before `until`, oldest first; names tell where times do not."""
    end = until if until is not None else 1 << 63
    dated = []
    for entry, log in found:
        with contextlib.suppress(OSError):
            changed = entry.stat(follow_symlinks=False).st_mtime_ns
            dated.append((changed, _rank(_uncompressed(entry.name), log), entry.name, entry))
    return [row[-1] for row in sorted(dated, key=lambda row: row[:3]) if since <= row[0] < end]


def _neighbours(path: str) -> list[tuple[os.DirEntry[str], str]]:
    """The files beside the log, and beside what it links to; with each the log's name there."""
    found = []
    for log in sorted({path, os.path.realpath(path)}):
        folder, name = os.path.split(log)
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            found += [(entry, name) for entry in entries if entry.is_file(follow_symlinks=False)]
    return found


def _uncompressed(name: str) -> str:
    return os.path.splitext(name)[0] if name.endswith(COMPRESSED) else name
