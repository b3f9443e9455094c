# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's package, built on the controller from the role's sources: the same bytes wherever it is built.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import typing as t
from pathlib import Path

# What belongs to the program; a tool's cache beside it would change the digest
PARTS = frozenset(["__main__.py", "bin", "completion", "stockade", "systemd", "sysusers"])
SOURCE = Path(__file__).parents[2] / "roles" / "agent" / "files" / "src"
_VERSION = re.compile(r'^__version__ = "([0-9a-z.]+)"$', re.MULTILINE)


class Package(t.NamedTuple):
    """An uncompressed tar archive; ``name`` is the version with the first 12 digits of the archive's SHA-256."""

    name: str
    content: bytes


def build(source: Path = SOURCE) -> Package:
    """Pack ``source``: files in the order of their names, without times, owners or anything else that differs.

    Compression is left to the transport, as its output changes with the library's version.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source)
            if path.is_file() and name.parts[0] in PARTS and "__pycache__" not in name.parts:
                _add(archive, name.as_posix(), path.read_bytes())
    content = buffer.getvalue()
    found = _VERSION.search((source / "stockade" / "__init__.py").read_text(encoding="utf-8"))
    version = found.group(1) if found else "0"
    return Package("%s-%s" % (version, hashlib.sha256(content).hexdigest()[:12]), content)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if name.startswith("bin/") else 0o644
    archive.addfile(member, io.BytesIO(content))
