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
from datetime import datetime, timedelta, timezone

from stockade.watcher.clients import SPARED, Client, Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import LATEST, Request
from stockade.watcher.formats.forwarded import Forwarded

_STATUS = frozenset(b" %03d " % status for status in range(1000))
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
_BLOCK = 128  # lines
CACHE_LIMIT = 32_768  # entries of each kind, for all inputs together: about 6 MB


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
        self._times: dict[bytes, int] = {}
        # `ADDRESS - - ` -> client. So written because it is all that stands before the time in most lines. Never with
        # a user or a host: clients choose these, and could have as many as they like.
        self._heads: dict[bytes, Client] = {}

    def forget(self) -> None:
        """Drop what is remembered about clients (after the host's own addresses changed)."""
        self._heads.clear()
        if self._forwarded is not None:
            self._forwarded.forget()

    def parse(self, lines: list[bytes]) -> list[Request]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out.

        The common case is one split and three look-ups a line, then clients not seen before. Whatever is odd (a quote
        written as `\\"`, a time not seen before) goes through `_parse_slowly`, which knows the same grammar, all of it.
        """
        events: list[Request] = []
        for start in range(0, len(lines), _BLOCK):
            self._parse_block(lines[start : start + _BLOCK], events)
        return events

    def _parse_block(self, lines: list[bytes], events: list[Request]) -> None:
        times, heads, cut = self._times, self._heads, _CUT
        unparsed, plain = 0, not self._vhost
        escaped = b"\\" in b"".join(lines)  # one look for all: a look at each request costs a tenth of the whole
        for line in lines:
            try:
                head, request, fields = line.split(b'"', 2)
                time, client = times[head[cut:]], heads.get(head[:cut]) if plain else None
                status = fields[:5]
                odd = status not in _STATUS or (escaped and b"\\" in request)
            except (ValueError, KeyError):
                odd = True
            if odd:
                event = self._parse_slowly(line)
                if event is None:
                    unparsed += 1
                    continue
                time, client, request, status, fields = event
            elif client is None:
                client = self._client(head[:cut])
                if client is None:
                    unparsed += 1
                    continue
            if client:
                events.append((time, client, request, status, fields))
            elif self._forwarded is not None and (behind := self._behind(line, fields)):
                events.append((time, behind, request, status, fields))
        self.parsed += len(lines) - unparsed
        self.unparsed += unparsed

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        event = self._parse_slowly(line)
        return None if event is None else event[0]

    def _parse_slowly(self, line: bytes) -> Request | None:
        match = _LINE.fullmatch(line)
        if match is None or match[3][:5] not in _STATUS:
            return None
        head = match[1]
        time = self._time(head[_CUT:])
        client = self._client(head[:_CUT])
        if time is None or client is None:
            return None
        return (time, client, match[2], match[3][:5], match[3])

    def _behind(self, line: bytes, fields: bytes) -> Client:
        """Who is behind the trusted proxy that a line names as its client; nobody if the line does not say."""
        assert self._forwarded is not None
        headers = _FIELD.findall(fields)
        peer = line.split(b" ", 2)[self._vhost]
        return self._forwarded.client(peer, headers[self._header] if len(headers) > self._header else b"") or SPARED

    def _time(self, text: bytes) -> int | None:
        known = self._times.get(text)
        if known is not None:
            return known
        match = _TIME.fullmatch(text)
        if match is None or match[2] not in _MONTHS:
            return None
        day, _month, year, hour, minute, second, sign, offset_hours, offset_minutes = match.groups()
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        try:
            moment = datetime(
                int(year), _MONTHS[match[2]], int(day), int(hour), int(minute), min(int(second), 59),
                tzinfo=timezone(offset if sign == b"+" else -offset),
            )  # fmt: skip
        except ValueError:
            return None
        if len(self._times) >= self._cache_limit:
            self._times.clear()
        time = int(moment.timestamp())
        if not 0 <= time <= LATEST:
            return None
        self._times[text] = time
        return time

    def _client(self, head: bytes) -> Client | None:
        """The client of what stands before the time."""
        words = head.split(b" ")
        if len(words) < 4 + self._vhost or words[-1] or words[1 + self._vhost] != b"-":
            return None
        if self._vhost and any(
            ident == b"-" and self._resolve(word) is not None for word, ident in zip(words[3:], words[4:], strict=False)
        ):
            return None
        return self._resolve(words[self._vhost])

    def _resolve(self, address: bytes) -> Client | None:
        head = address + b" - - "
        client = self._heads.get(head)
        if client is None:
            try:
                trusted = self._forwarded is not None and self._forwarded.is_forwarded(address)
                client = SPARED if trusted else self._clients.resolve(address)
            except ValueError:  # UnicodeDecodeError too
                return None
            if len(self._heads) >= self._cache_limit:
                self._heads.clear()
            self._heads[head] = client
        return client
