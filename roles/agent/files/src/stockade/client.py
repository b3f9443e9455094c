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

    def call(self, op: str, *, within: float | None = None, **fields: Any) -> dict[str, Any]:
        """The `result` of the answer. `within`: seconds for this call, if these are fewer than its timeout.

        Raises ProtocolError if the warden says no, WardenUnavailable if it does not answer in time.
        """
        request = protocol.encode({"v": protocol.VERSION, "op": op, **fields})
        deadline = time.monotonic() + (self._timeout if within is None else min(within, self._timeout))
        try:
            line = self._exchange(request, deadline)
        except OSError as error:
            self.close()
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise WardenUnavailable(
                f"the warden does not answer at {self._path}: {reason} (see `systemctl status stockade-warden`)"
            ) from None
        try:
            return _result(line)
        except protocol.ProtocolError as error:
            # Who asks, the warden looks up when a connection begins; and one that is out of step stays so.
            if error.code in (protocol.DENIED, protocol.INTERNAL):
                self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None

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
        chunks = [b""]
        while b"\n" not in chunks[-1]:
            self._sock.settimeout(self._left(deadline))
            data = self._sock.recv(1 << 20)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the connection was closed")
            chunks.append(data)
        line, _newline, surplus = b"".join(chunks).partition(b"\n")
        if surplus:  # would be taken for the answer to the next request
            self.close()
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


def _result(line: bytes) -> dict[str, Any]:
    """The `result` of an answer. Raises ProtocolError for a no, and for what is no answer."""
    try:
        answer = protocol.decode(line)
    except protocol.ProtocolError as error:
        raise _not_understood(str(error)) from None
    if answer.get("ok") is True:
        if isinstance(result := answer.get("result"), dict):
            return result
    elif isinstance(said := answer.get("error"), dict):
        code, message = said.get("code"), said.get("message")
        if isinstance(code, str) and isinstance(message, str):
            raise protocol.ProtocolError(code, message)
    raise _not_understood("neither a result nor an error")


def _not_understood(why: str) -> protocol.ProtocolError:
    return protocol.ProtocolError(
        protocol.INTERNAL,
        f"the warden's answer is not understood: {why} (see `systemctl status stockade-warden`)",
    )
