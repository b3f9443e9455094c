# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden's socket: one thread, one request at a time, bounded lines, nobody can hold it up.

A request that is half sent costs a buffer and, after `STALLED_SECONDS`, the connection. Answers to a client that does
not read are kept in its own buffer until that deadline too.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from stockade import protocol
from stockade.warden.callers import Caller, identify, peer_uid

LOG = logging.getLogger("stockade.warden")
MAX_CONNECTIONS = 128
MAX_CONNECTIONS_SERVICE = 16  # for each uid other than 0
STALLED_SECONDS = 10.0
READ_BYTES = 1 << 18

Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.uid = peer_uid(sock)
        self.caller = identify(self.uid)
        self.received = bytearray()
        self.searched = 0  # bytes of `received` known to hold no end of line
        self.answers = bytearray()
        self.deadline: float | None = None  # when half a line, or unread answers, cost the connection
        self.ending = False

    def next_line(self) -> bytes | None:
        """Take the next whole line out of what was received."""
        end = self.received.find(b"\n", self.searched)
        if end < 0:
            self.searched = len(self.received)
            return None
        line = bytes(self.received[:end])
        del self.received[: end + 1]
        self.searched = 0
        return line

    def progressed(self) -> None:
        """Something moved: the deadline begins anew, or ends if nothing is owed."""
        owed = self.received or self.answers
        self.deadline = time.monotonic() + STALLED_SECONDS if owed else None


class Server:
    """Serves `listener`; `handle` answers a request or raises ProtocolError.

    Each caller has one line answered in a round, however many connections it has, and nothing more is read from a
    connection while a line of it or an answer waits: a caller that sends a thousand requests at once waits for itself.
    """

    def __init__(self, listener: socket.socket, handle: Handler) -> None:
        self._listener = listener
        self._handle = handle
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}
        self._lines_waiting: dict[int, None] = {}  # connections that may hold another whole line, longest waiting first
        self._had_turn: set[int] = set()  # uids that were answered in this round, which may take several calls
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)

    def serve(self, seconds: float) -> None:
        """Handle what arrives within `seconds`, then return to the caller's own work, also in the middle of a batch."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready = self._selector.select(0 if self._lines_waiting else left)
            selected = time.monotonic()
            active = {key.fd for key, _events in ready} | self._lines_waiting.keys()
            for key, events in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif events & selectors.EVENT_WRITE:
                    self._carefully(self._connections[key.fd], self._flush)
                elif key.fd not in self._lines_waiting:
                    self._carefully(self._connections[key.fd], self._receive)
            for number in list(self._lines_waiting):
                self._take_turn(self._connections[number])
                if time.monotonic() > end:
                    return
            self._had_turn.clear()
            self._drop_stalled(selected, active)

    def close(self) -> None:
        """Close every connection; the listener belongs to the caller."""
        for connection in list(self._connections.values()):
            self._close(connection)
        self._selector.close()

    def _accept(self) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        connection = _Connection(sock)
        same = sum(other.uid == connection.uid for other in self._connections.values())
        full = len(self._connections) >= MAX_CONNECTIONS or (connection.uid and same >= MAX_CONNECTIONS_SERVICE)
        if full:
            LOG.warning("connection of uid %d refused: too many are open", connection.uid)
            sock.close()
            return
        self._connections[sock.fileno()] = connection
        self._selector.register(sock, selectors.EVENT_READ)

    def _carefully(self, connection: _Connection, work: Callable[[_Connection], None]) -> None:
        try:
            work(connection)
        except OSError:
            self._close(connection)

    def _receive(self, connection: _Connection) -> None:
        data = connection.sock.recv(READ_BYTES)
        if not data:
            self._close(connection)
            return
        connection.received += data
        connection.progressed()
        self._lines_waiting[connection.sock.fileno()] = None

    def _take_turn(self, connection: _Connection) -> None:
        """Answer one line, unless the caller had its turn in this round by way of another connection."""
        if connection.uid in self._had_turn:
            return
        del self._lines_waiting[connection.sock.fileno()]
        line, longest = connection.next_line(), connection.caller.max_line
        if line is None and len(connection.received) <= longest:
            return
        self._had_turn.add(connection.uid)
        if line is not None and len(line) <= longest:
            self._answer(connection, line)
        else:
            message = f"a request of more than {longest} bytes"
            connection.answers += protocol.encode(protocol.failure(protocol.INVALID, message))
            connection.ending = True
        self._carefully(connection, self._flush)

    def _answer(self, connection: _Connection, line: bytes) -> None:
        try:
            answer = protocol.success(self._handle(connection.caller, protocol.decode(line)))
        except protocol.ProtocolError as error:
            answer = protocol.failure(error.code, str(error))
        except Exception:
            LOG.exception("a request of uid %d failed", connection.uid)
            answer = protocol.failure(protocol.INTERNAL, "internal error: see `journalctl -u stockade-warden`")
        connection.answers += protocol.encode(answer)

    def _flush(self, connection: _Connection) -> None:
        number = connection.sock.fileno()
        try:
            sent = connection.sock.send(connection.answers)
        except BlockingIOError:
            sent = 0
        del connection.answers[:sent]
        if connection.ending and not connection.answers:
            self._close(connection)
            return
        connection.progressed()
        if connection.answers:
            self._selector.modify(connection.sock, selectors.EVENT_WRITE)
        else:
            if connection.received:
                self._lines_waiting[number] = None
            self._selector.modify(connection.sock, selectors.EVENT_READ)

    def _drop_stalled(self, now: float, active: set[int]) -> None:
        """Drop who had nothing to say before this round though a line or an answer was half way."""
        for number, connection in list(self._connections.items()):
            if number not in active and connection.deadline is not None and connection.deadline < now:
                LOG.warning("connection of uid %d dropped: it stalled in the middle of a line", connection.uid)
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        number = connection.sock.fileno()
        self._lines_waiting.pop(number, None)
        if self._connections.pop(number, None):
            self._selector.unregister(connection.sock)
        connection.sock.close()
