# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens, as the kernel knows it: the output of ``ss -H -l -t -n -p``. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROGRAM = re.compile(r'\("([^"]+)",pid=')


@dataclass(frozen=True)
class Endpoint:
    """Where somebody listens: ``program``, which is systemd for a socket unit and empty if the kernel does not tell."""

    address: str
    port: int
    program: str


def programs(text: str) -> list[str]:
    """The programs that hold what these lines list."""
    return _PROGRAM.findall(text)


def parse_listening(text: str) -> list[Endpoint]:
    """Every listener, in ss's order. A port that several hold has sshd named first."""
    found = []
    for line in text.splitlines():
        words = line.split(None, 5)
        address, _colon, port = (words[3] if len(words) > 3 else "").rpartition(":")
        if not port.isdigit():
            continue
        names = sorted(programs(words[5]) if len(words) > 5 else [], key=lambda name: (name != "sshd", name))
        address = address.strip("[]").partition("%")[0]
        found.append(Endpoint("::" if address == "*" else address, int(port), names[0] if names else ""))
    return found
