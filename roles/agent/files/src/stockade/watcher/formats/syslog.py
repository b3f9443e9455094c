# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of syslog files: who said what, and when.

    Nov 26 12:00:00 HOST IDENT[PID]: MESSAGE                            (RFC 3164; ` 5` and `05` of a month)
    2026-11-26T12:00:00.123456+01:00 HOST IDENT[PID]: MESSAGE           (RFC 3339, rsyslog's precise form)

Time, host and the place of the program's name are the syslog daemon's; nothing that a program says stands before them.
Host and name have no blanks, brackets or colons (but for an IPv6 address as the host), the number is digits. A line
without a name of that kind is a line of another program, one without time or host is none of syslog.
"""

from __future__ import annotations

import re

from stockade.watcher.formats.moments import LocalTime, with_offset

MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_SECONDS = {b":%02d " % second: min(second, 59) for second in range(61)}
_SHORT = re.compile(rb"([A-Z][a-z]{2}) ([ 0-3]\d) ([0-2]\d):([0-5]\d)")  # up to the minute
_LONG = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d)) ", re.ASCII
)
_HOST = re.compile(rb"[\w.:-]+", re.ASCII)
# ` HOST IDENT`, with or without `[PID]`; the name as rsyslog and journald let programs have it.
_WHO = re.compile(rb"([^ \[\]]+) ([^ :\[\]]+)")
_REMEMBERED = 1024  # pairs of host and program
_REPEATED = re.compile(rb"message repeated (\d{1,9}) times: \[ (.*)\]", re.DOTALL)
_MOST = 10_000  # repetitions that one line may stand for


def unwrapped(message: bytes) -> tuple[bytes, int]:
    """A message and how often it was said: rsyslog may write `message repeated 5 times: [ MESSAGE]`."""
    if not message.startswith(b"message repeated "):
        return message, 1
    match = _REPEATED.fullmatch(message)
    return (match[2], max(1, min(int(match[1]), _MOST))) if match else (message, 1)


class Syslog:
    """Splits lines; `moments` says in which time zone those without an offset are."""

    def __init__(self, timezone: str = "") -> None:
        self.moments = LocalTime(timezone)
        self._reference: int | None = None
        self._minute = b""
        self._base = 0
        self._who: dict[bytes, bytes] = {}

    def split(self, line: bytes) -> tuple[int, bytes, bytes] | None:
        """Time (epoch seconds), program (empty if it names none) and message; None if the line is none of syslog."""
        # The common case: the minute of the line before, a program seen before.
        seconds = _SECONDS.get(line[12:16])
        if seconds is not None and line[:12] == self._minute and self.moments.reference is self._reference:
            time, rest = self._base + seconds, line[16:]
        else:
            stamp = self.stamp(line)
            if stamp is None:
                return None
            time, rest = stamp
        head, end, message = rest.partition(b"]: ")
        who, bracket, number = head.partition(b"[")
        if end and bracket and number.isdigit():
            ident = self._who.get(who)
            if ident is not None:
                return time, ident, message
        found = self._said(rest)
        return None if found is None else (time, *found)

    def stamp(self, line: bytes) -> tuple[int, bytes] | None:
        """The time of a line and what stands behind it, None if it does not begin with one."""
        if line[:1].isdigit():
            return self._dated(line)
        seconds = _SECONDS.get(line[12:16])
        match = _SHORT.fullmatch(line, 0, 12)
        if seconds is None or match is None or match[1] not in MONTHS:
            return None
        fields = int(match[2]), int(match[3]), int(match[4])
        base = self.moments.epoch(None, MONTHS[match[1]], *fields, 0)
        if base is None:
            return None
        self._minute, self._base, self._reference = line[:12], base, self.moments.reference
        return base + seconds, line[16:]

    def time_of(self, line: bytes) -> int | None:
        """The time of a line without remembering it: lines that are looked at out of their order."""
        last = self.moments.last
        stamp = self.stamp(line)
        self.moments.last, self._minute = last, b""
        return None if stamp is None else stamp[0]

    @staticmethod
    def _dated(line: bytes) -> tuple[int, bytes] | None:
        match = _LONG.match(line)
        if match is None:
            return None
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        offset = int(match[8]) * 3600 + int(match[9]) * 60 if match[7] else 0
        time = with_offset((year, month, day, hour, minute, second), -offset if match[7] == b"-" else offset)
        return None if time is None else (time, line[match.end() :])

    def _said(self, rest: bytes) -> tuple[bytes, bytes] | None:
        """Program and message of what stands behind the time; an empty program if there is no name."""
        host, blank, tagged = rest.partition(b" ")
        if not blank or _HOST.fullmatch(host) is None:
            return None
        match = _WHO.match(rest)
        if match is None:
            return b"", tagged
        ident, behind = match[2], rest[match.end() :]
        if behind.startswith(b"["):
            number, end, message = behind[1:].partition(b"]: ")
            if not end or not number.isdigit():
                return b"", tagged
            if len(self._who) >= _REMEMBERED:
                self._who.clear()
            self._who[match[0]] = ident
            return ident, message
        if behind.startswith(b": "):
            return ident, behind[2:]
        return b"", tagged
