# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd, ssh and systemctl print, as data. Pure: text in, values out.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

_VERSION = re.compile(r"OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)(?:\.\d+)?(p\d+)?[^\n,]*")
_LOCATED = re.compile(r"^(?P<path>/.*?):? line (?P<line>\d+): (?P<text>.*)$")
_SUMMARY = re.compile(r": terminating, \d+ bad configuration options")
_LISTEN = re.compile(r"^(?P<address>\S+) \(Stream\)$")


@dataclass(frozen=True)
class Version:
    """A release of OpenSSH; ``text`` as the program says it, such as ``OpenSSH_9.2p1 Debian-2+deb12u6``."""

    major: int
    minor: int
    text: str

    @property
    def number(self) -> tuple[int, int]:
        return (self.major, self.minor)


@dataclass(frozen=True)
class Complaint:
    """One line of ``sshd -t``; ``path`` is empty and ``line`` 0 when sshd did not say where."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Unit:
    """What systemd knows of one unit; ``listen`` only for sockets, as ``address:port``."""

    name: str
    loaded: bool
    active: bool
    pid: int
    listen: tuple[str, ...]


def parse_version(text: str) -> Version:
    """Read the version from what ``sshd -V`` prints (before 9.2: from its usage message).

    Raises StockadeError when there is none.
    """
    found = _VERSION.search(text)
    if found is None:
        raise StockadeError("cannot tell the version of sshd: `sshd -V` printed no OpenSSH version")
    return Version(int(found.group(1)), int(found.group(2)), found.group(0).strip())


def parse_effective(text: str) -> dict[str, list[str]]:
    """Read ``sshd -T``: keyword in lower case to its values, in the order printed."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _blank, value = line.strip().partition(" ")
        if keyword:
            values.setdefault(keyword.lower(), []).append(value.strip())
    return values


def parse_algorithms(text: str) -> list[str]:
    """Read ``ssh -Q <kind>``: one name a line."""
    return [line.strip() for line in text.splitlines() if line.strip() and " " not in line.strip()]


def parse_complaints(text: str) -> list[Complaint]:
    """Read the standard error of ``sshd -t``; the closing count of bad options says nothing new and is left out."""
    complaints = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or _SUMMARY.search(line):
            continue
        found = _LOCATED.match(line)
        if found is None:
            complaints.append(Complaint("", 0, line))
        else:
            complaints.append(Complaint(found.group("path"), int(found.group("line")), found.group("text")))
    return complaints


def parse_units(text: str) -> list[Unit]:
    """Read ``systemctl show --property=Id,LoadState,ActiveState,MainPID,Listen``; one block a unit."""
    units = []
    for block in re.split(r"\n\s*\n", text.strip()):
        known: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, sign, value = line.partition("=")
            if sign:
                known.setdefault(name, []).append(value.strip())
        if "Id" not in known:
            continue
        listen = [found.group("address") for found in map(_LISTEN.match, known.get("Listen", [])) if found]
        pid = known.get("MainPID", ["0"])[0]
        units.append(
            Unit(
                name=known["Id"][0],
                loaded=known.get("LoadState", [""])[0] == "loaded",
                active=known.get("ActiveState", [""])[0] in ("active", "reloading"),
                pid=int(pid) if pid.isdigit() else 0,
                listen=tuple(listen),
            )
        )
    return units


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """``[::]:22``, ``0.0.0.0:22 rdomain x`` or ``22`` as address and port; a bare port means every address (``::``)."""
    address, _colon, port = endpoint.partition(" ")[0].rpartition(":")
    address = address.strip("[]").partition("%")[0]
    if not port.isdigit():
        raise StockadeError("cannot read {!r} as an address and a port".format(endpoint))
    return address or "::", int(port)
