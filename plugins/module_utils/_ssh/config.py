# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file and line says what: sshd_config with everything it includes, read the way sshd reads it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from dataclasses import dataclass, field

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import canonical

MAIN = "/etc/ssh/sshd_config"
DROPIN = "/etc/ssh/sshd_config.d/00-stockade.conf"
EXEMPT = "/etc/ssh/sshd_config.d/00-stockade-exempt.conf"  # the whitelist's, see exempt.py

_LINE = re.compile(r"^\s*(?P<keyword>[A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+|$)(?P<value>.*?)\s*$")
_MAX_DEPTH = 16  # sshd's own limit


@dataclass(frozen=True)
class Directive:
    """One line that says something. ``match`` is the criteria of the Match block it stands in, or empty."""

    keyword: str
    value: str
    path: str
    line: int
    match: str

    @property
    def where(self) -> str:
        return "{}:{}".format(self.path, self.line)


@dataclass
class ConfigFile:
    """One file; ``includes`` is line number to the files that line brings in, in sshd's order."""

    path: str
    lines: list[str]
    includes: dict[int, list[str]] = field(default_factory=dict)


@dataclass
class ConfigTree:
    """sshd_config and all it includes; ``directives`` in the order in which sshd meets them."""

    main: str
    files: dict[str, ConfigFile] = field(default_factory=dict)
    directives: list[Directive] = field(default_factory=list)

    def foreign(self, keyword: str, *, match: bool | None = None) -> list[Directive]:
        """Who else sets a keyword; ``match`` narrows to lines inside (True) or outside (False) of Match blocks."""
        return [
            directive
            for directive in self.directives
            if canonical(directive.keyword) == canonical(keyword)
            and directive.path != DROPIN
            and (match is None or bool(directive.match) is match)
        ]

    def includes(self, path: str) -> bool:
        """Whether sshd would read ``path`` if it existed, outside of any Match block."""
        return any(
            _covers(pattern, path)
            for directive in self.directives
            if directive.keyword == "include" and not directive.match and directive.path == self.main
            for pattern in _patterns(directive.value, self.main)
        )


def load(main: str = MAIN, overlay: dict[str, bytes | None] | None = None) -> ConfigTree:
    """Read the tree from disk. ``overlay`` says what files would hold instead (None: the file is gone).

    Raises StockadeError if the main file cannot be read or includes go round in circles.
    """
    tree = ConfigTree(main=main)
    _walk(tree, main, overlay or {}, match="", depth=0)
    return tree


def lines_of(text: str) -> list[str]:
    """The lines of a file as sshd counts them: only a newline ends one, whatever else Python takes for an end."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def split_line(line: str) -> tuple[str, str] | None:
    """Keyword (lower case) and value of a line; None for blank lines and comments."""
    found = _LINE.match(line)
    return (found.group("keyword").lower(), found.group("value")) if found else None


def _walk(tree: ConfigTree, path: str, overlay: dict[str, bytes | None], *, match: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise StockadeError("cannot read {}: files include each other more than {} deep".format(path, _MAX_DEPTH))
    current = ConfigFile(path=path, lines=lines_of(_read(path, overlay)))
    tree.files[path] = current
    for number, line in enumerate(current.lines, start=1):
        said = split_line(line)
        if said is None:
            continue
        keyword, value = said
        if keyword == "match":
            match = value
        tree.directives.append(Directive(keyword, value, path, number, match))
        if keyword == "include":
            current.includes[number] = []
            for pattern in _patterns(value, tree.main):
                for included in _expand(pattern, overlay):
                    current.includes[number].append(included)
                    # What an included file matches ends with that file.
                    _walk(tree, included, overlay, match=match, depth=depth + 1)


def _read(path: str, overlay: dict[str, bytes | None]) -> str:
    content = overlay.get(path)
    if content is None:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError as error:
            raise StockadeError("cannot read {}: {}".format(path, error.strerror)) from error
    return content.decode("utf-8", "surrogateescape")


def _patterns(value: str, main: str) -> list[str]:
    try:
        words = shlex.split(value, comments=True)
    except ValueError:
        words = value.split()
    return [word if word.startswith("/") else os.path.join(os.path.dirname(main), word) for word in words]


def _expand(pattern: str, overlay: dict[str, bytes | None]) -> list[str]:
    found = {path for path in glob.glob(pattern) if overlay.get(path, b"") is not None}
    found.update(path for path, content in overlay.items() if content is not None and _covers(pattern, path))
    # glob(3) sorts by byte in the C locale, which is sshd's.
    return sorted((path for path in found if not os.path.isdir(path)), key=os.fsencode)


def _covers(pattern: str, path: str) -> bool:
    return pattern.count("/") == path.count("/") and fnmatch.fnmatchcase(path, pattern)
