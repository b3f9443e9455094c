# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the warden's socket, for the command line and the services on the same host."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from stockade import protocol


class WardenUnavailable(Exception):
    """Nobody answers at the socket; the text says why and what to do."""


class Client:
    """One connection to the warden, opened at the first call and again after a failure.

    `timeout` is the number of seconds one call may take; a restarting warden is waited for in the socket.
    """

    def __init__(self, path: str = protocol.SOCKET, timeout: float = 30.0) -> None:
        self._path = path
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._buffer = b""

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """The `result` of the answer.

        Raises ProtocolError if the warden says no, WardenUnavailable if it does not answer in time.
        """
        request = protocol.encode({"v": protocol.VERSION, "op": op, **fields})
        deadline = time.monotonic() + self._timeout
        try:
            answer = protocol.decode(self._exchange(request, deadline))
        except OSError as error:
            self.close()
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise WardenUnavailable(
                f"the warden does not answer at {self._path}: {reason} (see `systemctl status stockade-warden`)"
            ) from None
        if answer.get("ok"):
            result = answer.get("result")
            return result if isinstance(result, dict) else {}
        error_part = answer.get("error") or {}
        raise protocol.ProtocolError(str(error_part.get("code")), str(error_part.get("message")))

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._sock is not None:
            self._sock.close()
        self._sock, self._buffer = None, b""

    def _exchange(self, request: bytes, deadline: float) -> bytes:
        fresh = self._sock is None
        try:
            return self._send_and_read(request, deadline)
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            if fresh:
                raise
            return self._send_and_read(request, deadline)  # the warden restarted since the last call

    def _send_and_read(self, request: bytes, deadline: float) -> bytes:
        if self._sock is None:
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            self._sock.settimeout(self._left(deadline))
            self._connect(self._sock, deadline)
        self._sock.settimeout(self._left(deadline))
        self._sock.sendall(request)
        chunks = [self._buffer]
        while b"\n" not in chunks[-1]:
            self._sock.settimeout(self._left(deadline))
            data = self._sock.recv(1 << 20)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the connection was closed")
            chunks.append(data)
        line, _newline, self._buffer = b"".join(chunks).partition(b"\n")
        return line

    def _connect(self, sock: socket.socket, deadline: float) -> None:
        while True:
            try:
                return sock.connect(self._path)
            except BlockingIOError:  # its queue is full, and a socket with a timeout does not wait for that
                time.sleep(min(0.02, self._left(deadline)))

    @staticmethod
    def _left(deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
