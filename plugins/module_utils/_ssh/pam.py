# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether PAM asks for a code at a login by SSH: a second factor that nobody asks for would be none. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable

Read = Callable[[str], "bytes | None"]

_MODULES = ("pam_google_authenticator.so", "pam_oath.so")
_DIRECTORIES = ("/etc/pam.d/", "/usr/lib/pam.d/")
_LINE = re.compile(r"^-?(?P<type>\w+)\s+(?P<control>\[[^\]]*\]|\S+)\s+(?P<module>\S+)(?P<arguments>.*)$")
_MAX_DEPTH = 8


@dataclass(frozen=True)
class CodeModule:
    """The module that asks; ``optional`` tells that users without a secret are let through (nullok)."""

    name: str
    path: str
    line: int
    optional: bool


def find_code_module(read: Read, service: str = "sshd") -> CodeModule | None:
    """The module for codes among the ``auth`` lines of a service and of what these include."""
    return _find(read, service, 0)


def _find(read: Read, service: str, depth: int) -> CodeModule | None:
    places = [(place + service, read(place + service)) for place in _DIRECTORIES]
    path, content = next(((path, text) for path, text in places if text is not None), ("", b""))
    for number, raw in enumerate((content or b"").decode("utf-8", "replace").splitlines(), 1):
        line = raw.partition("#")[0].strip()
        included = line.split()[1:2] if line.startswith("@include") else []
        found = _LINE.match(line)
        if found and found.group("type") == "auth":
            name = found.group("module").rpartition("/")[2]
            if found.group("control") in ("include", "substack"):
                included = [name]
            elif name in _MODULES:
                arguments = found.group("arguments").split()
                optional = "nullok" in arguments or found.group("control") == "optional"
                return CodeModule(name, path, number, optional)
        for other in included if depth < _MAX_DEPTH else []:
            inner = _find(read, other, depth + 1)
            if inner is not None:
                return inner
    return None
