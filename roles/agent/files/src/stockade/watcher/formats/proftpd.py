# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `proftpd`: what ProFTPD says in its own log (SystemLog), in syslog files and in the journal.

    2026-11-26 12:00:00,123 HOST proftpd[PID] SERVER (NAME[ADDRESS]): MESSAGE        its own, since 1.3.5
    Nov 26 12:00:00 HOST proftpd[PID] SERVER (NAME[ADDRESS]): MESSAGE                its own, older
    Nov 26 12:00:00 HOST proftpd[PID]: SERVER (NAME[ADDRESS]) - MESSAGE              syslog (journal: from SERVER on)

The client is what stands in the brackets that ProFTPD writes before the message. It knows the address from the socket;
the name before it is the address again or one that the resolver took for a host name. Nothing behind it is looked at
for an address, so whatever a user calls himself stays a name.

A login that failed is one failure: `USER … (Login failed): …`, `USER …: no such user found from …`, the same of ANON, a
name that is too long, and `SECURITY VIOLATION: Root login attempted`, which has no other line. `Maximum login attempts`
only ends a connection whose failures have counted. `USER …: Login successful.` is an accepted login.
"""

from __future__ import annotations

import re

from stockade.watcher import events
from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import Message
from stockade.watcher.formats.messages import MessageFormat
from stockade.watcher.formats.syslog import Syslog, unwrapped

_OWN_TIME = re.compile(rb"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:,\d{3})? ")
_OWN = re.compile(rb"[\w.:-]+ proftpd\[\d{1,9}\](:?) ", re.ASCII)  # with a colon: no client, or through syslog
_HOST = re.compile(rb"[\w.:-]+ ", re.ASCII)
_CLIENT = re.compile(rb"[^\s()\[\]]+ \([^\s()\[\]]+\[([^\s()\[\]]+)\]\)(: | - )")
_LONGEST_NAME = 256  # bytes; ProFTPD takes no longer ones, and cuts the message that says so at 1 or 2 KiB
_SUCCESS = b": Login successful."
_FAILED, _NO_SUCH, _REJECTED = (
    b" (Login failed): ",
    b": no such user found from ",
    b": AnonRejectPasswords denies login",
)
_ROOT = b"SECURITY VIOLATION: Root login attempted"


class ProftpdFormat(MessageFormat):
    """Parser of what ProFTPD says."""

    def __init__(self, clients: Clients, settings: Input) -> None:
        super().__init__(clients, settings)
        self.syslog = Syslog(settings.timezone)
        self._second: tuple[bytes, int | None, int] = b"", None, 0  # text, reference, epoch of the line before

    def parse(self, lines: list[bytes]) -> list[Message]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        found: list[Message] = []
        for line in lines:
            stamp = self._stamp(line)
            if stamp is None or _HOST.match(stamp[1]) is None:
                self.unparsed += 1
                continue
            self.parsed += 1
            event = self._own(*stamp)
            if event is not None:
                found.append(event)
        return found

    def parse_entries(self, entries: list[tuple[int, bytes]]) -> list[Message]:
        """The events of journal entries (epoch seconds, message); in the foreground it writes lines of its own log."""
        found: list[Message] = []
        self.parsed += len(entries)
        for time, message in entries:
            match = _OWN_TIME.match(message)
            event = self._own(time, message[match.end() :]) if match else self._event(time, message, b" - ")
            if event is not None:
                found.append(event)
        return found

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        if _OWN_TIME.match(line) is None:
            return self.syslog.time_of(line)
        last = self.syslog.moments.last
        stamp = self._stamp(line)
        self.syslog.moments.last, self._second = last, (b"", None, 0)
        return None if stamp is None else stamp[0]

    def _stamp(self, line: bytes) -> tuple[int, bytes] | None:
        """The time of a line and what stands behind it."""
        text, reference, epoch = self._second
        if text and line[:19] == text and self.syslog.moments.reference is reference:
            match = _OWN_TIME.match(line)
            return (epoch, line[match.end() :]) if match else None
        match = _OWN_TIME.match(line)
        if match is None:
            return self.syslog.stamp(line)
        year, month, day, hour, minute, second = map(int, match.groups())
        time = self.syslog.moments.epoch(year, month, day, hour, minute, second)
        if time is None:
            return None
        self._second = line[:19], self.syslog.moments.reference, time
        return time, line[match.end() :]

    def _own(self, time: int, behind: bytes) -> Message | None:
        """The event of what stands behind the time: `HOST proftpd[PID]…`."""
        match = _OWN.match(behind)
        if match is None:
            return None
        return self._event(time, behind[match.end() :], b" - " if match[1] else b": ")

    def _event(self, time: int, said: bytes, separator: bytes) -> Message | None:
        """The event of `SERVER (NAME[ADDRESS])`, the separator and the message."""
        said, count = unwrapped(said.rstrip(b"\r\n"))
        match = _CLIENT.match(said)
        if match is None or match[2] != separator:
            return None
        message = said[match.end() :]
        client = self._clients.client(match[1])
        if not client or (self._ignore and message.startswith(self._ignore)):
            return None
        kind, user, method = _meaning(message)
        text, name = message.decode(errors="replace"), user.decode(errors="replace")
        return Message(time, client, kind, text, name, count, method)


def _meaning(message: bytes) -> tuple[str, bytes, str]:
    """Kind, user and method. What ProFTPD says stands at both ends; the name between them may say anything."""
    if message.startswith(_ROOT):
        return events.FAILURE, b"root", ""
    if not message.startswith((b"USER ", b"ANON ")):
        return events.OTHER, b"", ""
    said = message[5:]
    if said.endswith(_SUCCESS) and len(said) <= _LONGEST_NAME + len(_SUCCESS):
        return events.ACCEPTED, said.removesuffix(_SUCCESS), "password" if message[:1] == b"U" else "anonymous"
    ends = [said.rfind(_FAILED), said.rfind(_NO_SUCH), len(said) - len(_REJECTED) if said.endswith(_REJECTED) else -1]
    if max(ends) >= 0:
        return events.FAILURE, said[: max(ends)], ""
    if len(said) > _LONGEST_NAME:
        return events.FAILURE, said, ""
    return events.OTHER, b"", ""
