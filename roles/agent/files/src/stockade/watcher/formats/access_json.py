# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `access-json`: access logs that are one JSON object a line.

Where in it a value stands is the dialect's default, or what `fields` says: a key for each role, `request.headers.Host`
for one inside others. For nginx, whose log_format is the site's own, the defaults are the names of its variables:

    role       nginx                              caddy                            traefik
    time       time_iso8601, time_local, msec,    ts                               StartUTC, StartLocal, time
               or time
    address    remote_addr                        request.remote_ip                ClientAddr
    method     request_method                     request.method                   RequestMethod
    uri        request_uri                        request.uri                      RequestPath
    protocol   server_protocol                    request.proto                    RequestProtocol
    request    request                            -                                -
    status     status                             status                           DownstreamStatus
    agent      http_user_agent                    request.headers.User-Agent       request_User-Agent
    forwarded  http_x_forwarded_for               request.headers.X-Forwarded-For  request_X-Forwarded-For

The address is always the one that connected. Traefik's ClientHost is not: it is whatever the X-Forwarded-For of the
request says. Where a header is an array, all of X-Forwarded-For counts: a proxy may add a line of its own to one that a
client sent. Traefik writes headers only if it is told to (`accessLog.fields.headers`).

An event is what the format `access` would make of the request. A blank, a quote or a control character in a method or a
path is written as %XX, so that it cannot shift the parts of the request line.
"""

from __future__ import annotations

import re
from typing import Any

from stockade.watcher.clients import SPARED, Client, Clients
from stockade.watcher.config.inputs import ROLES, Input
from stockade.watcher.events import Request
from stockade.watcher.formats.forwarded import Forwarded, without_port
from stockade.watcher.formats.instants import Instants
from stockade.watcher.formats.jsonlines import Lookup, Objects, Places, steps, value_at

_DIALECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "": {},
    "nginx": {
        "time": ("time_iso8601", "time_local", "msec", "time"),
        "address": ("remote_addr",),
        "method": ("request_method",),
        "uri": ("request_uri",),
        "protocol": ("server_protocol",),
        "request": ("request",),
        "status": ("status",),
        "agent": ("http_user_agent",),
        "forwarded": ("http_x_forwarded_for",),
    },
    "caddy": {
        "time": ("ts",),
        "address": ("request.remote_ip",),
        "method": ("request.method",),
        "uri": ("request.uri",),
        "protocol": ("request.proto",),
        "status": ("status",),
        "agent": ("request.headers.User-Agent",),
        "forwarded": ("request.headers.X-Forwarded-For",),
    },
    "traefik": {
        "time": ("StartUTC", "StartLocal", "time"),
        "address": ("ClientAddr",),
        "method": ("RequestMethod",),
        "uri": ("RequestPath",),
        "protocol": ("RequestProtocol",),
        "status": ("DownstreamStatus",),
        "agent": ("request_User-Agent",),
        "forwarded": ("request_X-Forwarded-For",),
    },
}
# As a number and as a text; 0 is a request that was broken off before it had one.
_STATUS: dict[int | str, bytes] = {number: b" %03d " % number for number in (0, *range(100, 1000))}
_STATUS |= {"0": b" 000 ", **{f"{number:03d}": text for number, text in _STATUS.items()}}
_ODD = bytes((*range(32), 34, 92, 127))  # control characters, quote, backslash
_ODD_BYTE = re.compile(rb'[\x00-\x1f"\\\x7f]')
_REMEMBERED = 8192  # addresses
_BEHIND: Client = ("behind a proxy",)  # stands for the peers whose header is asked
_NOTHING: Request = (0, SPARED, b"", b"", b"")  # a line that is none of a request
# The roles of which every line is asked.
_READ = ("time", "address", "status", "method", "uri", "protocol", "request", "agent")
_CADDY_LOGGER = "http.log.access"


class AccessJsonFormat:
    """Parser of access logs in JSON. `parsed` and `unparsed` count lines."""

    kind = "requests"

    def __init__(self, clients: Clients, settings: Input) -> None:
        self.parsed = 0
        self.unparsed = 0
        self._clients = clients
        self._caddy = settings.dialect == "caddy"
        self._forwarded = Forwarded(clients, settings.trusted_proxies) if settings.trusted_proxies else None
        places = _places(settings)
        self._header = places["forwarded"]
        self._lookup = Lookup([places[role] for role in _READ])
        keys = self._lookup.keys | Lookup([self._header]).keys
        self._objects = Objects(keys, logged=settings.dialect in ("", "nginx"))
        self._time = places["time"]
        self._instants = Instants()
        self._known: dict[str, Client | None] = {}

    def forget(self) -> None:
        """Drop what is remembered about clients (after the host's own addresses changed)."""
        self._known.clear()
        if self._forwarded is not None:
            self._forwarded.forget()

    def parse(self, lines: list[bytes]) -> list[Request]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        events: list[Request] = []
        unparsed = 0
        for line in lines:
            event = self._event(line)
            if event is None:
                unparsed += 1
            elif event[1]:
                events.append(event)
        self.parsed += len(lines) - unparsed
        self.unparsed += unparsed
        return events

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        document = self._objects.read(line)
        return None if document is None else self._instants.epoch(value_at(document, self._time))

    def _event(self, line: bytes) -> Request | None:
        document = self._objects.read(line)
        if document is None:
            return None
        if self._caddy and not _is_access(document):
            return _NOTHING
        when, address, answer, method, uri, protocol, whole, agent = self._lookup.values(document)
        time = self._instants.epoch(when)
        status = _STATUS.get(answer) if answer.__class__ is int or answer.__class__ is str else None
        if time is None or status is None or address.__class__ is not str:
            return None
        request = _request_line(method, uri, protocol, whole)
        try:
            client = self._known[address]
        except KeyError:
            client = self._resolve(address)
        if client is _BEHIND:
            client = self._behind(address, document)
        if request is None or client is None:
            return None
        if agent.__class__ is list and agent:
            agent = agent[0]
        shown = _escaped(agent, rb"\x%02X") if agent.__class__ is str and agent else b"-"
        return (time, client, request, status, status + b'0 "-" "' + shown + b'"')

    def _resolve(self, address: str) -> Client | None:
        peer = _peer(address)
        if self._forwarded is None:
            client = self._clients.client(peer)
        elif self._forwarded.is_forwarded(peer):
            client = _BEHIND
        else:
            client = self._forwarded.client(peer, b"")
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if len(address) <= 64:
            self._known[address] = client
        return client

    def _behind(self, address: str, document: dict[str, Any]) -> Client | None:
        """Who is behind a trusted proxy; SPARED if the line does not say."""
        assert self._forwarded is not None
        header = value_at(document, self._header)
        if header.__class__ is list and all(part.__class__ is str for part in header):
            header = ",".join(header)
        if header.__class__ is not str:
            return SPARED
        return self._forwarded.client(_peer(address), header.encode("utf-8", "replace"))


def _places(settings: Input) -> dict[str, Places]:
    """Role -> where its value may stand."""
    given = dict(settings.fields)
    named = dict(_DIALECTS[settings.dialect])
    if "request" in given:  # it is the one that is meant
        named = {role: paths for role, paths in named.items() if role not in ("method", "uri", "protocol")}
    for role in given:
        named[role] = (given[role],)
    return {role: tuple(steps(path) for path in named.get(role, ())) for role in ROLES}


def _is_access(document: dict[str, Any]) -> bool:
    """Whether a line of Caddy is about a request; it may be told to leave the name of the logger out."""
    logger = document.get("logger")
    if logger is None:
        return "request" in document and "status" in document
    return logger.__class__ is not str or logger == _CADDY_LOGGER or logger.startswith(_CADDY_LOGGER + ".")


def _request_line(method: object, uri: object, protocol: object, whole: object) -> bytes | None:
    """The request line; None if the line does not say. Of noise that was no request, what the server made of it."""
    if whole.__class__ is str and not (method and uri):
        return _escaped(whole, b"%%%02X")
    if method.__class__ is not str or uri.__class__ is not str or not (protocol is None or protocol.__class__ is str):
        return None
    if not (method or uri):
        return b""
    line = _escaped(f"{method} {uri} {protocol}" if protocol else f"{method} {uri}", b"%%%02X")
    if method and uri and line.count(b" ") == (2 if protocol else 1):
        return line
    parts = (method or "-", uri or "-", protocol)
    return b" ".join(_escaped(part, b"%%%02X").replace(b" ", b"%20") for part in parts if part)


def _peer(address: str) -> bytes:
    """The address that connected, without a port."""
    return without_port(address.encode("utf-8", "replace"))


def _escaped(text: str, form: bytes) -> bytes:
    """A text as it may stand between quotes: control characters, quotes and backslashes written as `form`."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that was written as \\ud800
        raw = text.encode("utf-8", "surrogatepass")
    if len(raw.translate(None, _ODD)) == len(raw):
        return raw
    return _ODD_BYTE.sub(lambda match: form % match[0][0], raw)
