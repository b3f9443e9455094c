# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `apache-error`: the error log of Apache, as it is without an ErrorLogFormat.

    [Thu Nov 26 12:00:00.123456 2026] [auth_basic:error] [pid 1:tid 2] [client ADDRESS:PORT] AH01617: MESSAGE   (2.4)
    [Thu Nov 26 12:00:00 2026] [error] [client ADDRESS] MESSAGE                                                  (2.2)

Between the fields and the client may stand a source file (`mod_ssl.c(123): `) and a system error (`(13)Permission
denied: `), both Apache's own. What clients send stands behind, with line breaks escaped, so the address is only ever
taken from the first `[client ...]` in that place. `[remote ...]` is a server that Apache asked, never a client.
"""

from __future__ import annotations

import re

from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.events import FAILURE, OTHER, Message
from stockade.watcher.formats.messages import MessageFormat
from stockade.watcher.formats.moments import LocalTime
from stockade.watcher.formats.syslog import MONTHS

_STAMP = re.compile(
    rb"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.\d{1,9})? (\d{4})\] ", re.ASCII
)
_HEADER = re.compile(
    rb"\[([\w-]*:)?[a-z]+[1-8]?\] "  # [module:level]
    rb"(?:\[pid \d+(?::tid \d+)?\] )?"
    rb"(?:[\w./-]{1,200}\(\d+\): )?"  # a source file
    rb"(?:\([\w ]{1,40}\)[^:\[\]]{0,200}: )?"  # a system error
    rb"(?:\[client ([^\]\s]{2,80})\] |\[remote [^\]\s]{2,80}\] )?"
    rb"(?:AH\d{5}: )?",
    re.ASCII,
)
# A name in the Authorization header ends at its first colon; others may hold anything, and then it is just the name.
_FAILURE = re.compile(
    rb"(?:"
    rb"user '(.*?)'(?:: authentication failure for \"| not found: )"  # mod_auth_form
    rb"|user ([^:]*?): authentication failure for \""
    rb"|user ([^:]*?) not found: "
    rb"|(?:Digest: )?user `(.*?)' in realm `.*?' (?:not found|denied by provider): "
    rb"|(?:Digest: )?user (.*?): password mismatch: "
    rb")",
    re.DOTALL,
)


class ApacheErrorFormat(MessageFormat):
    """Parser of Apache's error log: failed logins, and all else it says about a client."""

    def __init__(self, clients: Clients, settings: Input) -> None:
        super().__init__(clients, settings)
        self._timezone = settings.timezone
        self._moments = LocalTime(settings.timezone)

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        match = _STAMP.match(line)
        return None if match is None else _epoch(match, LocalTime(self._timezone))

    def parse(self, lines: list[bytes]) -> list[Message]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        events = []
        for line in lines:
            stamp = _STAMP.match(line)
            header = None if stamp is None else _HEADER.match(line, stamp.end())
            time = None if stamp is None else _epoch(stamp, self._moments)
            if header is None or time is None:
                self.unparsed += 1
                continue
            message = line[header.end() :]
            if header[2] is None or message.startswith(self._ignore):
                self.parsed += 1  # about the server itself
                continue
            client = self._clients.client(_address(header[2], ported=header[1] is not None))
            if client is None:
                self.unparsed += 1
                continue
            self.parsed += 1
            if client:
                events.append(_message(time, client, message))
        return events


def _message(time: int, client: tuple[str, ...], message: bytes) -> Message:
    text = message.decode("utf-8", "replace")
    failure = _FAILURE.match(message)
    if failure is None:
        return Message(time, client, OTHER, text)
    user = next(name for name in failure.groups() if name is not None)
    return Message(time, client, FAILURE, text, user.decode("utf-8", "replace"))


def _address(text: bytes, *, ported: bool) -> bytes:
    """The address of `ADDRESS:PORT`; 2.2, which names no module, writes no port."""
    address, colon, port = text.rpartition(b":")
    if not colon or not port.isdigit() or (b":" in address and not ported):
        return text
    return address


def _epoch(match: re.Match[bytes], moments: LocalTime) -> int | None:
    month = MONTHS.get(match[1])
    if month is None:
        return None
    day, hour, minute, second, year = map(int, match.groups()[1:])
    return moments.epoch(year, month, day, hour, minute, second)
