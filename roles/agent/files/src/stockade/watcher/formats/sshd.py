# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format `sshd`: what sshd says in syslog files and in the journal.

A login that failed is one failure, however many messages sshd has about it:

- `Failed password` and `Failed keyboard-interactive` are one each, times N in `message repeated N times`.
- `Failed publickey` and `Failed none` are none: clients try every key they have, and first whether they need one. If
  that ends with `maximum authentication attempts exceeded` it is one, unless failures of the same connection counted.
- `Invalid user` and `User … not allowed because` are one: whoever goes away then, or has keys only, gets no `Failed
  password`. The first failure that follows for that connection (for that name from that address, where the message has
  no port) is the same attempt. `Connection closed by invalid user` and its like count only if nothing about that
  connection did before, as when a host name stood in the place of the address.
- `error: PAM: Authentication failure` is one: with the default LogLevel it is all there is about the first answers of
  keyboard-interactive. `Failed keyboard-interactive` of that name from that address is then the same attempt.
- `authentication failure; … rhost=` of PAM's modules stands beside a message of sshd's own, so it is none.

Everything else that names a client is OTHER. Whatever is paired is paid for: no message is taken for the rest of an
attempt unless one counted for it before, so nobody can use up another's, or log in once more for free.
"""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

from stockade.watcher import events
from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import Message
from stockade.watcher.formats import sshd_grammar as grammar
from stockade.watcher.formats.messages import MessageFormat
from stockade.watcher.formats.sshd_grammar import INVALID, read
from stockade.watcher.formats.syslog import Syslog, unwrapped

_IDENTS = frozenset((b"sshd", b"sshd-session", b"sshd-auth"))
_NO_USER = (INVALID, grammar.ILLEGAL)
_new = tuple.__new__  # half the time of the constructor of a NamedTuple
_REMEMBERED = 8192  # connections; as many names
_LONGEST = 256  # bytes of a name with its address; sshd cuts names at 100
_Key = TypeVar("_Key")


class SshdFormat(MessageFormat):
    """Parser of what sshd says. What it remembers are texts of the log, not clients."""

    def __init__(self, clients: Clients, settings: Input) -> None:
        super().__init__(clients, settings)
        self.syslog = Syslog(settings.timezone)
        # Address and port -> whether a failure of that connection stands out that has counted already.
        self._connections: dict[tuple[bytes, bytes], int] = {}
        # `USER from A` -> how many failures stand out that have counted already.
        self._names: dict[bytes, int] = {}

    def parse(self, lines: list[bytes]) -> list[Message]:
        """The events of complete lines, in their order; lines that do not parse are counted and left out."""
        found: list[Message] = []
        unparsed = 0
        split, event_of, idents = self.syslog.split, self._event, _IDENTS
        for line in lines:
            said = split(line)
            if said is None:
                unparsed += 1
            elif said[1] in idents:
                event = event_of(said[0], said[2])
                if event is not None:
                    found.append(event)
        self.unparsed += unparsed
        self.parsed += len(lines) - unparsed
        return found

    def parse_entries(self, entries: list[tuple[int, bytes]]) -> list[Message]:
        """The events of journal entries (epoch seconds, message) that are sshd's."""
        self.parsed += len(entries)
        return [event for time, message in entries if (event := self._event(time, message)) is not None]

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""
        return self.syslog.time_of(line)

    def _event(self, time: int, message: bytes, repeated: int = 0) -> Message | None:
        if self._ignore and message.startswith(self._ignore):
            return None
        reading = read(message)
        if reading is None:
            return self._wrapped(time, message, repeated)
        row, user, address, port = reading
        client = self._clients.client(address)
        if not client:
            return self._wrapped(time, message, repeated) if client is None else None
        role, kind, count = row[3], events.FAILURE, repeated or 1
        if role >= grammar.ACCEPTED:
            kind = events.ACCEPTED if role == grammar.ACCEPTED else events.OTHER
        elif not (added := self._added(role, user, address, port, count)):
            kind = events.OTHER
        else:
            count = added
        if role != grammar.UNKNOWN and user.startswith(_NO_USER):
            user = user[len(INVALID) :]
        try:
            return _new(Message, (time, client, kind, message.decode(), user.decode(), count, row[5]))
        except UnicodeDecodeError:
            text, name = message.decode(errors="replace"), user.decode(errors="replace")
            return Message(time, client, kind, text, name, count, row[5])

    def _wrapped(self, time: int, message: bytes, repeated: int) -> Message | None:
        """The event of a message inside something else: repetitions, the end of a line as other systems write it."""
        if message.endswith(b"\r"):
            return self._event(time, message.rstrip(b"\r"), repeated)
        inner, count = unwrapped(message)
        return None if repeated or inner is message else self._event(time, inner, count)

    def _added(self, role: int, user: bytes, address: bytes, port: bytes, count: int) -> int:
        """How many failures a message adds; none if it tells of those that counted already."""
        connection = (address, port)
        if role <= grammar.KBDINT:  # SECRET, KBDINT
            if user.startswith(INVALID):
                count -= self._connections.get(connection) or self._take(user + b" from " + address)
            elif role == grammar.KBDINT:
                count -= self._take(user + b" from " + address)
            self._connections[connection] = False
            if len(self._connections) > _REMEMBERED:
                _drop_half(self._connections)
        elif role == grammar.UNKNOWN and port:
            self._remember(connection, True)
        elif role in (grammar.UNKNOWN, grammar.DENIED):
            self._owe(INVALID + user + b" from " + address, count)
        elif role == grammar.PAM:
            if user.startswith(_NO_USER):
                return 0  # `Invalid user` or the failure that follows counts
            self._owe(user + b" from " + address, count)
        elif connection in self._connections or self._take(user + b" from " + address):  # EXCEEDED, GONE
            return 0
        else:
            self._remember(connection, False)
        return count

    def _remember(self, connection: tuple[bytes, bytes], outstanding: bool) -> None:
        self._connections[connection] = outstanding
        if len(self._connections) > _REMEMBERED:
            _drop_half(self._connections)

    def _owe(self, name: bytes, count: int) -> None:
        if len(name) <= _LONGEST:
            self._names[name] = self._names.get(name, 0) + count
            if len(self._names) > _REMEMBERED:
                _drop_half(self._names)

    def _take(self, name: bytes) -> int:
        """1 if a failure of that name stands out, and it does no longer; 0 otherwise."""
        left = self._names.get(name)
        if left is None:
            return 0
        if left > 1:
            self._names[name] = left - 1
        else:
            del self._names[name]
        return 1


def _drop_half(table: dict[_Key, int]) -> None:
    """Drop the older half."""
    for key in list(islice(table, len(table) // 2)):
        del table[key]
