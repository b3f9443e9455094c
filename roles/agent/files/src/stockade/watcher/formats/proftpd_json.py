# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `proftpd-json`: an ExtendedLog of ProFTPD (class AUTH) whose LogFormat writes one JSON object a line.

    {"remote_ip":"%a","response_code":"%s","time":"%t","client_response":"%S"}

`user` (`%U`) may be there as well. Junk behind the object is tolerated, but ProFTPD does not escape what a client
sends: a name with a quote could end the object early and make up the rest of it. So a line with one of these keys
twice, or with one of them in the junk, is refused. The order above helps: what comes from a client stands last.

530 is a failed login. `Password required for NAME` (331) tells which name was tried: an attempt, which is what rules
`users` count. Where lines have the user, 530 tells the name, and the 331 before it is no attempt of its own: the same
login would count twice. 230 is an accepted login. A line with the response code `-` is no answer and means nothing.
"""

from __future__ import annotations

from typing import Any

from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import ACCEPTED, ATTEMPT, FAILURE, OTHER, Message
from stockade.watcher.formats.forwarded import without_port
from stockade.watcher.formats.instants import Instants
from stockade.watcher.formats.jsonlines import Objects

_KEYS = ("remote_ip", "response_code", "client_response", "time", "user")
_QUOTED = tuple(f'"{key}"' for key in _KEYS)
_NAME = "Password required for "
_ANONYMOUS = "Anonymous access granted"
_NO_USER = ("-", "UNKNOWN")  # what ProFTPD writes where it knows none


class ProftpdJsonFormat:
    """Parser of such logs. `parsed` and `unparsed` count lines."""

    kind = "messages"

    def __init__(self, clients: Clients, settings: Input) -> None:
        self.parsed = 0
        self.unparsed = 0
        self._clients = clients
        self._ignore = settings.ignore
        self._objects = Objects(_KEYS)
        self._instants = Instants()

    def forget(self) -> None:
        """Drop what is remembered about clients: nothing, addresses are remembered elsewhere."""

    def parse(self, lines: list[bytes]) -> list[Message]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        found: list[Message] = []
        for line in lines:
            document = self._read(line)
            event = None if document is None else self._event(document)
            if event is None:
                self.unparsed += 1
                continue
            self.parsed += 1
            if event.client and event.kind and not (self._ignore and event.text.startswith(self._ignore)):
                found.append(event)
        return found

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        document = self._read(line)
        return None if document is None else self._instants.epoch(document.get("time"))

    def _read(self, line: bytes) -> dict[str, Any] | None:
        begun = self._objects.begin(line)
        if begun is None or any(key in begun[1] for key in _QUOTED):
            return None
        return begun[0]

    def _event(self, document: dict[str, Any]) -> Message | None:
        """The event of an object, without a kind if it means nothing; None if it lacks something."""
        time = self._instants.epoch(document.get("time"))
        address, code = document.get("remote_ip"), document.get("response_code")
        said, user = document.get("client_response"), document.get("user")
        if time is None or address.__class__ is not str or not (said is None or said.__class__ is str):
            return None
        client = self._clients.client(without_port(address.encode("utf-8", "replace")))
        if client is None:
            return None
        said = "" if said is None else _text(said)
        if code == "-":
            return Message(time, client, "", said)
        if not _is_code(code):
            return None
        name = _text(user) if user.__class__ is str and user not in _NO_USER else ""
        return _message(time, client, str(code), said, name)


def _message(time: int, client: tuple[str, ...], code: str, said: str, user: str) -> Message:
    if code == "530":
        return Message(time, client, FAILURE, said, user)
    if code == "230":
        method = "anonymous" if said.startswith(_ANONYMOUS) else "password"
        return Message(time, client, ACCEPTED, said, user, method=method)
    if said.startswith(_NAME) and not user:
        return Message(time, client, ATTEMPT, said, said[len(_NAME) :])
    return Message(time, client, OTHER, said, user)


def _is_code(code: object) -> bool:
    if code.__class__ is int:
        return 100 <= code <= 999
    return code.__class__ is str and len(code) == 3 and code.isascii() and code.isdigit()


def _text(text: str) -> str:
    """The text with a replacement character for what is none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
