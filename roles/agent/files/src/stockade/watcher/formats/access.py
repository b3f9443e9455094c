# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `access`: the access logs of nginx and Apache.

    [VHOST ]ADDRESS - USER [dd/Mon/yyyy:HH:MM:SS +zzzz] "REQUEST" STATUS REST

That is common, combined, vhost_combined and nginx with fields behind. What a client writes (user, request, the Host
header that nginx may put first) cannot stand in for the address or the time:

- Servers write `"` in a variable as `\\"` or `\\x22`, so the first plain quote of a line opens the request, whatever
  the user name holds; the time stands directly before it, and all before the time is the address part.
- The address is the first word, or the second one where the input is declared to begin with a virtual host; behind it
  stands the identd field, which is always `-`. What does not look so is not parsed, whatever could be made of it.
- Behind a virtual host, a line is not parsed either if another word of it could be the address: a Host header with
  blanks, which nginx logs as `$http_host`, would be such a line.
- Where the address is a trusted proxy's, the client stands in a quoted field behind the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from stockade.watcher.clients import SPARED, Client, Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import LATEST, Request
from stockade.watcher.formats.forwarded import Forwarded

_STATUS = {status: status for status in (b" %03d " % number for number in range(1000))}
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_TIME = re.compile(rb"\[(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] ")
_CUT = -len(b"[10/Oct/2000:13:55:36 -0700] ")  # where the time begins, from the opening quote
_QUOTED = rb'((?:[^"\\]|\\.)*)'  # up to the next plain quote; cannot backtrack
_LINE = re.compile(_QUOTED + rb'"' + _QUOTED + rb'"(.*)', re.DOTALL)
_FIELD = re.compile(rb'"' + _QUOTED + rb'"')
_BLOCK, _PART = 128, 16  # lines
_Value = TypeVar("_Value")
CACHE_LIMIT = 32_768  # entries of each kind, for all inputs together: about 6 MB


class _Known(dict[bytes, _Value]):
    """What was made of texts before; `make` makes, and remembers, what is missing."""

    def __init__(self, make: Callable[[bytes], _Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: bytes) -> _Value:
        return self._make(text)

    def remember(self, text: bytes, value: _Value, limit: int) -> _Value:
        """Keep a value, if need be in the place of all others; gives it back."""
        if len(self) >= limit:
            self.clear()
        self[text] = value
        return value


class AccessFormat:
    """Parser of access logs. `cache_limit` is how many times, and how many addresses, it remembers."""

    kind = "requests"

    def __init__(self, clients: Clients, settings: Input, *, cache_limit: int = CACHE_LIMIT) -> None:
        self.parsed = 0
        self.unparsed = 0
        self._clients = clients
        self._vhost = settings.vhost
        self._forwarded = Forwarded(clients, settings.trusted_proxies) if settings.trusted_proxies else None
        self._header = settings.forwarded - 2  # of the quoted fields behind the request
        self._cache_limit = max(1, cache_limit)
        self._times = _Known(self._time)
        # What stands before the time in most lines -> client. Never with a user or a host: clients choose these, and
        # could have as many as they like.
        self._usual_head = b"- %b - - " if settings.vhost else b"%b - - "
        self._heads = _Known(self._client)

    def forget(self) -> None:
        """Drop what is remembered about clients (after the host's own addresses changed)."""
        self._heads.clear()
        if self._forwarded is not None:
            self._forwarded.forget()

    def parse(self, lines: list[bytes]) -> list[Request]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        events: list[Request] = []
        for start in range(0, len(lines), _BLOCK):
            self._parse_block(lines[start : start + _BLOCK], events)
        return events

    def _parse_block(self, lines: list[bytes], events: list[Request]) -> None:
        """Take in some lines: at once if all are of the common kind, else in parts, the odd ones one by one."""
        found = self._parse_common(lines)
        if found is not None:
            self.parsed += len(lines)
            events += found
        elif len(lines) > _PART:
            for start in range(0, len(lines), _PART):
                self._parse_block(lines[start : start + _PART], events)
        else:
            slowly = [event for line in lines if (event := self._parse_slowly(line))]
            self.parsed += len(slowly)
            self.unparsed += len(lines) - len(slowly)
            events += [event for event in slowly if event[1]]

    def _parse_common(self, lines: list[bytes]) -> list[Request] | None:
        """The events of lines in the common case: one split and two look-ups each. None if any of them is odd.

        Whatever is odd (a quote written as `\\"`, a proxy as the client) is for `_parse_slowly`, which knows the same
        grammar, all of it.
        """
        times, heads, statuses, cut = self._times, self._heads, _STATUS, _CUT
        try:
            events = [
                (times[head[cut:]], heads[head[:cut]], request, statuses[fields[:5]], fields)
                for head, request, fields in [line.split(b'"', 2) for line in lines]
            ]
        except (ValueError, KeyError):
            return None
        if b"\\" in b"".join([event[2] for event in events]):
            return None
        counted = [event for event in events if event[1]]
        return counted if len(counted) == len(events) or self._forwarded is None else None

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        event = self._parse_slowly(line)
        return None if event is None else event[0]

    def _parse_slowly(self, line: bytes) -> Request | None:
        """The event of one line; a client that is SPARED may be one."""
        match = _LINE.fullmatch(line)
        try:
            if match is None or match[3][:5] not in _STATUS:
                raise ValueError("no line of an access log")
            head, request, fields = match.groups()
            time, client = self._times[head[_CUT:]], self._heads[head[:_CUT]]
        except ValueError:
            return None
        if not client and self._forwarded is not None:
            client = self._behind(line, fields)
        return (time, client, request, fields[:5], fields)

    def _behind(self, line: bytes, fields: bytes) -> Client:
        """Who is behind the trusted proxy that a line names as its client; nobody if the line does not say."""
        assert self._forwarded is not None
        headers = _FIELD.findall(fields)
        peer = line.split(b" ", 2)[self._vhost]
        return self._forwarded.client(peer, headers[self._header] if len(headers) > self._header else b"") or SPARED

    def _time(self, text: bytes) -> int:
        """Epoch seconds. Raises ValueError if it is no time."""
        match = _TIME.fullmatch(text)
        if match is None or match[2] not in _MONTHS:
            raise ValueError("no time")
        day, _month, year, hour, minute, second, sign, offset_hours, offset_minutes = match.groups()
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        moment = datetime(
            int(year), _MONTHS[match[2]], int(day), int(hour), int(minute), min(int(second), 59),
            tzinfo=timezone(offset if sign == b"+" else -offset),
        )  # fmt: skip
        time = int(moment.timestamp())
        if not 0 <= time <= LATEST:
            raise ValueError("out of range")
        return self._times.remember(text, time, self._cache_limit)

    def _client(self, head: bytes) -> Client:
        """The client of what stands before the time. Raises ValueError if that is no client."""
        words = head.split(b" ")
        if len(words) < 4 + self._vhost or words[-1] or words[1 + self._vhost] != b"-":
            raise ValueError("no client")
        if self._vhost and any(
            ident == b"-" and self._is_address(word) for word, ident in zip(words[3:], words[4:], strict=False)
        ):
            raise ValueError("two words could be the address")
        return self._resolve(words[self._vhost])

    def _is_address(self, word: bytes) -> bool:
        try:
            self._resolve(word)
        except ValueError:
            return False
        return True

    def _resolve(self, address: bytes) -> Client:
        head = self._usual_head % address
        client = self._heads.get(head)
        if client is None:
            trusted = self._forwarded is not None and self._forwarded.is_forwarded(address)
            client = self._heads.remember(
                head, SPARED if trusted else self._clients.resolve(address), self._cache_limit
            )
        return client
