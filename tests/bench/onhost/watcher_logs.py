# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs as a busy host writes them, the same ones for the same seed.

Addresses are from 240.0.0.0/4, which is nobody's, every tenth is IPv6. Few clients make many requests and many make
few. Of the requests of an access log three of five are unique.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

CLIENTS = 20_000
START = 1_767_225_600  # 2026-01-01 00:00 UTC: the first line of a finished log
ACCESS_PER_SECOND = 250
SSHD_PER_SECOND = 25
_BATCH = 10_000  # lines in one write

_PAGES = (
    "/",
    "/about",
    "/shop",
    "/blog/how-to",
    "/contact",
    "/api/items",
    "/img/logo.png",
    "/css/site.css",
    "/js/app.js",
    "/favicon.ico",
)
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (compatible; examplebot/2.1; +https://www.example.org/bot)",
    "curl/8.14.1",
)
_STATUSES = (200,) * 15 + (304, 304, 301, 302, 404)
_NAMES = ("admin", "test", "oracle", "ubuntu", "git", "postgres", "deploy", "user1", "ftpuser", "minecraft", "es", "pi")


def address(number: int) -> str:
    """One of more than a hundred million addresses."""
    if number % 10 == 9:
        return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
    return f"{241 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def stamp(moment: float) -> str:
    """The time of a line in an access log."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(moment))


class Requests:
    """Lines of an access log in combined format."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._clients = [address(number) for number in range(CLIENTS)]

    def someone(self) -> str:
        """The address of a client, of the busy ones more often than of others."""
        return self._clients[int(CLIENTS * self._random.random() ** 3)]

    def anyone(self) -> str:
        """The address of a client, each as often as the others."""
        return self._clients[int(CLIENTS * self._random.random())]

    def line(self, client: str, when: str) -> str:
        """What this client asks for at this time, with the end of the line."""
        kind, number = self._random.random(), self._random.getrandbits(48)
        if kind < 0.3:
            path = f"/shop/item/{number >> 20}?ref={number & 0xFFFFF}"
        elif kind < 0.6:
            path = f"/img/{number:x}.jpg"
        else:
            path = _PAGES[number % len(_PAGES)]
        status, agent = _STATUSES[number % 20], _AGENTS[number % 4]
        request, size = f"GET {path} HTTP/1.1", number % 90_000
        return f'{client} - - [{when}] "{request}" {status} {size} "https://www.example.org/" "{agent}"\n'


def write_access(path: Path, lines: int, seed: int) -> None:
    """An access log of a busy host."""
    requests = Requests(seed)
    with path.open("w", encoding="ascii") as file:
        for first in range(0, lines, ACCESS_PER_SECOND):
            when = stamp(START + first // ACCESS_PER_SECOND)
            count = min(ACCESS_PER_SECOND, lines - first)
            file.writelines([requests.line(requests.someone(), when) for _number in range(count)])


def write_distinct(path: Path, lines: int, moment: float, seed: int) -> None:
    """Append to an access log one request each of so many clients, all at the same moment."""
    requests = Requests(seed)
    when = stamp(moment)
    with path.open("a", encoding="ascii") as file:
        for first in range(0, lines, _BATCH):
            numbers = range(first, min(first + _BATCH, lines))
            file.writelines([requests.line(address(number), when) for number in numbers])


def write_sshd(path: Path, lines: int, seed: int) -> None:
    """A log of logins, most of them attempts of strangers, in the form that Debian's rsyslog writes."""
    written = 0
    with path.open("w", encoding="ascii") as file:
        for message in _sessions(random.Random(seed)):
            second, part = divmod(written, SSHD_PER_SECOND)
            when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + second))
            file.write(f"{when}.{part * 40_000:06d}+00:00 gate {message}\n")
            written += 1
            if written == lines:
                return


def _sessions(dice: random.Random) -> Iterator[str]:
    """What sshd and others say, without end, one connection after the other."""
    failure = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost="
    while True:
        pid, port, kind = dice.randrange(1000, 400_000), dice.randrange(1024, 65_536), dice.random()
        client = address(int(CLIENTS * dice.random() ** 3))
        peer, sshd = f"{client} port {port}", f"sshd[{pid}]: "
        if kind < 0.35:
            name = dice.choice(_NAMES)
            yield f"{sshd}Invalid user {name} from {peer}"
            yield f"{sshd}pam_unix(sshd:auth): check pass; user unknown"
            yield f"{sshd}{failure}{client}"
            yield f"{sshd}Failed password for invalid user {name} from {peer} ssh2"
            yield f"{sshd}Received disconnect from {peer}:11: Bye Bye [preauth]"
            yield f"{sshd}Disconnected from invalid user {name} {peer} [preauth]"
        elif kind < 0.55:
            yield f"{sshd}{failure}{client}  user=root"
            yield f"{sshd}Failed password for root from {peer} ssh2"
            yield f"{sshd}Connection closed by authenticating user root {peer} [preauth]"
        elif kind < 0.7:
            yield f"{sshd}error: kex_exchange_identification: Connection closed by remote host"
            yield f"{sshd}Connection closed by {peer}"
        elif kind < 0.85:
            key = f"{dice.getrandbits(200):043x}"[:43]
            yield f"{sshd}Accepted publickey for deploy from {peer} ssh2: ED25519 SHA256:{key}"
            yield f"{sshd}pam_unix(sshd:session): session opened for user deploy(uid=1000) by deploy(uid=0)"
            yield f"systemd-logind[512]: New session {pid} of user deploy."
            yield f"{sshd}pam_unix(sshd:session): session closed for user deploy"
        else:
            yield f"CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by root(uid=0)"
            yield f"CRON[{pid}]: pam_unix(cron:session): session closed for user root"
