# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask sshd what it would make of files that are not in place yet: a copy of the composed configuration elsewhere.

Checking one fragment alone misses errors in other files and errors that only the combination has.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Iterator

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import ConfigTree
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Complaint


@dataclass(frozen=True)
class Shadow:
    """``main`` is for ``sshd -f``; ``names`` leads from shadow files back to the real ones."""

    main: str
    names: dict[str, str]

    def real(self, complaints: list[Complaint]) -> list[Complaint]:
        """The complaints with the names of the real files."""
        translated = []
        for complaint in complaints:
            text = complaint.text
            for shadow, real in self.names.items():
                text = text.replace(shadow, real)
            translated.append(Complaint(self.names.get(complaint.path, complaint.path), complaint.line, text))
        return translated


@contextlib.contextmanager
def cast(tree: ConfigTree) -> Iterator[Shadow]:
    """Write a tree into a directory that only root can read; gone afterwards. Line numbers stay the same."""
    directory = tempfile.mkdtemp(prefix="stockade-ssh-")  # mode 0700
    try:
        places = {path: os.path.join(directory, "{:03d}.conf".format(i)) for i, path in enumerate(tree.files)}
        for path, place in places.items():
            _write(place, rewritten(tree, path, places))
        yield Shadow(places[tree.main], {place: path for path, place in places.items()})
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def rewritten(tree: ConfigTree, path: str, places: dict[str, str]) -> str:
    """The text of one file in which every Include names the shadow files, one by one."""
    source = tree.files[path]
    lines = list(source.lines)
    for number, included in source.includes.items():
        targets = " ".join(places[target] for target in included)
        lines[number - 1] = "Include " + targets if targets else "# Include of nothing"
    return "".join(line + "\n" for line in lines)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        stream.write(text)
