# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `nginx-error`: the error log of nginx.

    2026/11/26 12:00:00 [error] 12#12: *5 MESSAGE, client: ADDRESS, server: NAME, request: "...", host: "..."

nginx escapes nothing here, so what a client sends may look like any part of a line. What it cannot do:

- A user name has no colon (it ends there in the Authorization header). So in a failed login the first colon of the
  message is nginx's own, and the address stands behind it.
- Other messages quote what clients send. If there is no quote before the first `, client: `, that is nginx's own, and
  whatever stands behind it (request, host, referrer) does not matter. If there is one, the line has to say `, client: `
  once only; otherwise it has two readings and is not parsed.
- Whole lines that a client wrote are taken out before, see `forged`.
"""

from __future__ import annotations

import re

from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.events import FAILURE, OTHER, Message
from stockade.watcher.formats.forged import CLIENT, Forged
from stockade.watcher.formats.messages import MessageFormat
from stockade.watcher.formats.moments import LocalTime

_HEADER = re.compile(rb"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[[a-z]+\] \d+#\d+: (\*\d+ )?", re.ASCII)
_TIME = 19  # bytes of it
_USER = b'user "'
_MISMATCH = b" password mismatch, client: "
_UNKNOWN, _IN_FILE = b'" was not found in "', b'", client'
_SERVER = b", server: "
# Messages whose quotes hold what the administrator wrote, not a client.
_CONFIGURED = re.compile(
    rb'(?:limiting|delaying) (?:requests|connections)[^"]*"[^"]*"|client sent HTTP/1\.1 request without "Host" header'
)


class NginxErrorFormat(MessageFormat):
    """Parser of nginx's error log: failed logins of `auth_basic`, and all else it says about a client.

    `no user/password was provided` is no failure: browsers ask so before they ask their users.
    """

    def __init__(self, clients: Clients, settings: Input) -> None:
        super().__init__(clients, settings)
        self._timezone = settings.timezone
        self._moments = LocalTime(settings.timezone)
        self._forged = Forged()
        self._stamp, self._time = b"", 0  # of the line before

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        match = _HEADER.match(line)
        return None if match is None else _epoch(match, LocalTime(self._timezone))

    def parse(self, lines: list[bytes]) -> list[Message]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        dropped = self._forged.dropped
        genuine = self._forged.sift(lines)
        self.unparsed += self._forged.dropped - dropped
        events = []
        for line in genuine:
            match = _HEADER.match(line)
            time = None if match is None else self._time_of(match, line[:_TIME])
            if match is None or time is None:
                self.unparsed += 1
                continue
            message = line[match.end() :]
            if match[7] is None or CLIENT not in message or message.startswith(self._ignore):
                self.parsed += 1  # about the server itself
                continue
            reading = _failure(message) or _other(message)
            client = None if reading is None else self._clients.client(reading[1])
            if reading is None or (client is None and not reading[1].startswith(b"unix:")):
                self.unparsed += 1
                continue
            self.parsed += 1
            if client:
                kind, _address, user = reading
                text = message.decode("utf-8", "replace")
                events.append(Message(time, client, kind, text, user.decode("utf-8", "replace")))
        return events

    def _time_of(self, match: re.Match[bytes], stamp: bytes) -> int | None:
        if stamp == self._stamp:
            return self._time
        time = _epoch(match, self._moments)
        if time is not None:
            self._stamp, self._time = stamp, time
        return time


def _epoch(match: re.Match[bytes], moments: LocalTime) -> int | None:
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    return moments.epoch(year, month, day, hour, minute, second)


def _failure(message: bytes) -> tuple[str, bytes, bytes] | None:
    """Kind, address and user of a failed login."""
    if not message.startswith(_USER):
        return None
    head, _colon, tail = message.partition(b":")
    if head.endswith(b'"') and len(head) > len(_USER) and tail.startswith(_MISMATCH):
        user, rest = head[len(_USER) : -1], tail[len(_MISMATCH) :]
    elif head.endswith(_IN_FILE):
        user, mark, file = head[len(_USER) : -len(_IN_FILE)].rpartition(_UNKNOWN)
        if not mark or b'"' in file:
            return None
        rest = tail[1:]
    else:
        return None
    address, server, _rest = rest.partition(_SERVER)
    return (FAILURE, address, user) if server else None


def _other(message: bytes) -> tuple[str, bytes, bytes] | None:
    """Kind, address and (no) user of another message, None if it is not certain which address is nginx's."""
    before, _mark, rest = message.partition(CLIENT)
    if b'"' in before and _CONFIGURED.match(before) is None and (CLIENT in rest or before.count(b'"') % 2):
        return None
    address, server, _rest = rest.partition(_SERVER)
    return (OTHER, address, b"") if server else None
