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

Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.uid = peer_uid(sock)
        self.caller = identify(self.uid)
        self.received = bytearray()
        self.answers = bytearray()
        self.deadline: float | None = None  # when half a line, or unread answers, cost the connection
        self.ending = False


class Server:
    """Serves `listener` until `stop`; `handle` answers a request or raises ProtocolError."""

    def __init__(self, listener: socket.socket, handle: Handler) -> None:
        self._listener = listener
        self._handle = handle
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)

    def serve(self, seconds: float) -> None:
        """Handle what arrives within `seconds`, then return to the caller's own work."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, events in self._selector.select(left):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(self._connections[key.fd], events)
            self._drop_stalled()

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

    def _serve(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(connection)
            if events & selectors.EVENT_READ:
                self._read(connection)
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        data = connection.sock.recv(1 << 18)
        if not data:
            self._close(connection)
            return
        searched = len(connection.received)
        connection.received += data
        while (end := connection.received.find(b"\n", searched)) >= 0:
            line = bytes(connection.received[:end])
            del connection.received[: end + 1]
            searched = 0
            self._answer(connection, line)
        if len(connection.received) > connection.caller.max_line:
            message = f"a request of more than {connection.caller.max_line} bytes"
            connection.answers += protocol.encode(protocol.failure(protocol.INVALID, message))
            connection.ending = True
        self._flush(connection)

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
        if connection.answers:
            try:
                sent = connection.sock.send(connection.answers)
            except BlockingIOError:
                sent = 0
            del connection.answers[:sent]
        if connection.ending and not connection.answers:
            self._close(connection)
            return
        waits = selectors.EVENT_WRITE if connection.answers else selectors.EVENT_READ
        self._selector.modify(connection.sock, waits)
        if connection.received or connection.answers:
            connection.deadline = connection.deadline or time.monotonic() + STALLED_SECONDS
        else:
            connection.deadline = None

    def _drop_stalled(self) -> None:
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if c.deadline and c.deadline < now]:
            LOG.warning("connection of uid %d dropped: it stalled in the middle of a line", connection.uid)
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None):
            self._selector.unregister(connection.sock)
        connection.sock.close()
