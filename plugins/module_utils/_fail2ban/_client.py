# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of fail2ban's socket.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

Speaks the wire protocol itself instead of importing fail2ban (whose interpreter need not be the module's) or starting
``fail2ban-client`` (170 ms a call): a request is a pickled list of strings, the answer a pickled pair
``(0, value)`` or ``(1, exception)``, each closed by a fixed word. Answers are read with an unpickler that knows
``str`` and nothing else, so that nothing a process behind the socket sends can run code here.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import time
from typing import Any, Iterable

from .._errors import StockadeError

SOCKET = "/var/run/fail2ban/fail2ban.sock"
END = b"<F2B_END_COMMAND>"
CLOSE = b"<F2B_CLOSE_COMMAND>"
#: Protocol 2 is the highest that every fail2ban since 0.10 reads.
REQUEST_PROTOCOL = 2
#: 1,000,000 banned addresses are about 50 MB; a longer answer is not one.
MAX_ANSWER = 256 * 1024 * 1024
#: Values in one request. Some actions take 15 ms for each, and nobody else is answered meanwhile.
BATCH = 200
#: Seconds for a batch.
PATIENCE = 60.0
#: The server listens with a backlog of one: how long to stand back before knocking again.
_KNOCK = 0.02


class Fail2banError(StockadeError):
    """fail2ban answered something that cannot be used."""


class Fail2banUnavailable(StockadeError):
    """No fail2ban answers on this host: not installed, not running, not allowed, or not in time."""


class Fail2banRefused(Fail2banError):
    """fail2ban answered a request with an error; ``kind`` is the name of its exception."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Foreign(Exception):
    """Stands for any class named in an answer: errors of the server arrive as objects of its own classes."""


def _harmless_class(_unpickler: pickle.Unpickler, module: str, name: str) -> Any:
    if (module, name) in {("builtins", "str"), ("__builtin__", "unicode")}:
        return str  # fail2ban reduces its address objects to str(...)
    return type("Foreign", (_Foreign,), {"kind": str(name)})


class _Unpickler(pickle.Unpickler):
    find_class = _harmless_class


def decode(answer: bytes) -> Any:
    """Return the value of a pickled answer.

    Raises Fail2banRefused for an error of the server, Fail2banError for what is no answer at all.
    """
    try:
        decoded = _Unpickler(io.BytesIO(answer)).load()
        code, value = decoded
    except Exception as e:  # a broken pickle raises nearly anything
        raise Fail2banError("fail2ban's answer cannot be read: %s" % (str(e) or type(e).__name__)) from e
    if code == 0:
        return value
    kind = getattr(value, "kind", type(value).__name__)
    text = " ".join(str(part) for part in getattr(value, "args", ())) or str(value)
    if kind in ("UnknownJailException", "UnknownJail"):
        text = "no such jail: %s" % text
    raise Fail2banRefused("fail2ban refused: %s" % (text or kind), kind=str(kind))


class Fail2banClient:
    """One fail2ban server; every call opens its own connection (0.02 ms)."""

    def __init__(self, path: str = SOCKET, *, timeout: float = 10.0) -> None:
        """:param timeout: seconds a whole call may take, waiting for another client's turn included."""
        self.path = path
        self.timeout = timeout

    def call(self, command: list[str], *, timeout: float | None = None) -> Any:
        """Send one command and return its value.

        Raises Fail2banUnavailable, Fail2banRefused or Fail2banError.
        """
        request = pickle.dumps([str(word) for word in command], REQUEST_PROTOCOL)
        if END in request or CLOSE in request:
            raise Fail2banError("cannot ask fail2ban: an argument holds its end-of-command word")
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            try:
                self._connect(link, deadline)
                link.settimeout(_left(deadline))
                link.sendall(request + END)
                answer = self._receive(link, deadline)
            except socket.timeout as e:
                raise Fail2banUnavailable(
                    "fail2ban did not answer %r within %g s" % (" ".join(command[:3]), seconds)
                ) from e
            except FileNotFoundError as e:
                raise Fail2banUnavailable("fail2ban is not running on this host: no socket %s" % self.path) from e
            except ConnectionRefusedError as e:
                raise Fail2banUnavailable(
                    "fail2ban is not running on this host: nobody listens on %s" % self.path
                ) from e
            except PermissionError as e:
                raise Fail2banUnavailable(
                    "fail2ban's socket %s is not accessible: needs root: add -b (become)" % self.path
                ) from e
            except OSError as e:
                raise Fail2banUnavailable("fail2ban's socket %s failed: %s" % (self.path, e.strerror or e)) from e
        return decode(answer)

    def version(self) -> str:
        """Return fail2ban's version, such as ``1.1.0``."""
        return str(self.call(["version"]))

    def jails(self) -> list[str]:
        """Return the names of the running jails, sorted."""
        fields = _fields(self.call(["status"]))
        # the one list fail2ban sends as text
        return sorted(name.strip() for name in str(fields.get("Jail list", "")).split(",") if name.strip())

    def status(self, jail: str) -> dict[str, Any]:
        """Return the counters of one jail and its banned addresses, in fail2ban's order."""
        sections = _fields(self.call(["status", jail]))
        seen, acted = _fields(sections.get("Filter")), _fields(sections.get("Actions"))
        return {
            "name": jail,
            "currently_failed": _count(seen.get("Currently failed")),
            "total_failed": _count(seen.get("Total failed")),
            "currently_banned": _count(acted.get("Currently banned")),
            "total_banned": _count(acted.get("Total banned")),
            "banned": _texts(acted.get("Banned IP list")),
            "logpaths": _texts(seen.get("File list")),
            "journalmatches": _texts(seen.get("Journal matches")),
        }

    def banned(self) -> dict[str, list[str]]:
        """Return the banned addresses of every jail that has some."""
        found: dict[str, list[str]] = {}
        for part in self.call(["banned"]) or []:
            if isinstance(part, dict):
                for jail, addresses in part.items():
                    if addresses:
                        found[str(jail)] = _texts(addresses)
        return found

    def summary(self) -> dict[str, Any]:
        """Return ``{"version", "jails": [status of each jail]}``; a jail that goes away meanwhile is left out."""
        statuses = []
        for name in self.jails():
            try:
                statuses.append(self.status(name))
            except Fail2banRefused as e:
                if e.kind not in ("UnknownJailException", "UnknownJail", "KeyError"):
                    raise
        return {"version": self.version(), "jails": statuses}

    def _connect(self, link: socket.socket, deadline: float) -> None:
        while True:
            link.settimeout(_left(deadline))
            try:
                link.connect(self.path)
                return
            except BlockingIOError:  # the backlog of one is taken: EAGAIN at once, not a wait
                time.sleep(min(_KNOCK, _left(deadline)))

    def _receive(self, link: socket.socket, deadline: float) -> bytes:
        answer = bytearray()
        while not answer.endswith(END):
            link.settimeout(_left(deadline))
            part = link.recv(65536)
            if not part:
                raise Fail2banUnavailable("fail2ban closed %s without an answer (is it stopping?)" % self.path)
            answer += part
            if len(answer) > MAX_ANSWER:
                raise Fail2banError("fail2ban's answer is longer than %d bytes" % MAX_ANSWER)
        return bytes(answer[: -len(END)])


def in_batches(client: Fail2banClient, command: list[str], values: Iterable[str]) -> None:
    """Send a command with many values, so many at a time that others get their turn and no deadline grows.

    Raises as `call` does; what was sent before then is done.
    """
    left = list(values)
    for start in range(0, len(left), BATCH):
        client.call([*command, *left[start : start + BATCH]], timeout=PATIENCE)


def installed(path: str = SOCKET) -> bool:
    """Return whether a server could be asked: its socket exists."""
    return os.path.exists(path)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("deadline passed")
    return left


def _fields(pairs: Any) -> dict[str, Any]:
    """Return fail2ban's list of (title, value) pairs as a mapping; what is no pair is passed over."""
    if not isinstance(pairs, (list, tuple)):
        return {}
    return {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2}


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple)) else []


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
