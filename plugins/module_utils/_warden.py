# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the warden's socket, for modules.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
The protocol is described in docs/architecture.md.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._until import parse_until

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SOCKET = "/run/stockade/warden.sock"
PROGRAM = "/usr/local/bin/stockade"
UNITS = "stockade-warden.socket stockade-warden.service"
VERSION = 1


class WardenAbsent(StockadeError):
    """This host has no warden."""


class WardenRefused(StockadeError):
    """The warden said no; ``code`` is the protocol's word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _absent(path: str) -> str:
    if os.path.exists(PROGRAM):
        return "the warden does not run on this host (%s does not exist): see `systemctl status %s`" % (path, UNITS)
    return "no warden on this host (%s does not exist): apply the role stockade.fleet.agent first" % path


class WardenClient:
    """Calls to the warden at ``path``; each may take ``timeout`` seconds, a restarting warden is waited for."""

    def __init__(self, path: str = SOCKET, timeout: float = 60.0) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, op: str, **fields: t.Any) -> dict[str, t.Any]:
        """The result of one operation.

        Raises WardenAbsent if there is no socket, WardenRefused if the warden says no, StockadeError if it is silent.
        """
        request = json.dumps(dict(fields, v=VERSION, op=op)).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(request))
        except FileNotFoundError:
            raise WardenAbsent(_absent(self._path)) from None
        except PermissionError:
            raise StockadeError("the warden's socket %s is not for this user: add -b (become)" % self._path) from None
        except (OSError, ValueError) as error:
            raise StockadeError(
                "the warden does not answer at %s (%s): see `systemctl status stockade-warden`" % (self._path, error)
            ) from None
        if not answer.get("ok"):
            error_part = answer.get("error") or {}
            raise WardenRefused(str(error_part.get("code")), str(error_part.get("message")))
        return t.cast("dict[str, t.Any]", answer["result"])

    def _exchange(self, request: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(self._timeout)
            self._connect(sock, deadline)
            sock.sendall(request)
            chunks: list[bytes] = []
            while not chunks or not chunks[-1].endswith(b"\n"):
                sock.settimeout(max(deadline - time.monotonic(), 0.01))
                chunks.append(sock.recv(1 << 20))
                if not chunks[-1]:
                    raise ConnectionResetError("the connection was closed")
        return b"".join(chunks)

    def _connect(self, sock: socket.socket, deadline: float) -> None:
        while True:
            try:
                return sock.connect(self._path)
            except BlockingIOError:  # its queue is full, and a socket with a timeout does not wait for that
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def require_root() -> None:
    """Raise StockadeError unless the module runs as root."""
    if os.geteuid() != 0:
        raise StockadeError("needs root: add -b (become)")


def ask(module: AnsibleModule, op: str, predicted: dict[str, t.Any], **fields: t.Any) -> dict[str, t.Any]:
    """Carry ``op`` out, or have it predicted in check mode.

    In check mode on a host that has no warden yet the answer is ``predicted``, with a warning: a playbook that
    installs the agent first is checked as a whole.
    """
    require_root()
    try:
        return WardenClient().call(op, check=module.check_mode, **fields)
    except WardenAbsent as error:
        if not module.check_mode:
            raise
        module.warn("predicted as if the agent were installed: %s" % error)
        return predicted


def split_addresses(values: list[str]) -> list[str]:
    """Addresses out of texts in which they stand apart by commas, blanks or new lines; each once, in order.

    Raises StockadeError for texts that name none: no texts are nobody, an empty one is a variable that was not set.
    """
    found = list(dict.fromkeys(part for value in values for part in re.split(r"[,\s]+", value) if part))
    if values and not found:
        raise StockadeError("address: names no address: is the variable behind it empty?")
    return found


def as_entries(values: t.Iterable[t.Any], option: str) -> list[dict[str, t.Any]]:
    """Entries of a declarative list: a text stands for a network without anything else, ``until`` becomes an epoch.

    Raises StockadeError naming the entry that is neither text nor mapping, or that has no proper end.
    """
    entries = []
    for value in values:
        if isinstance(value, str):
            value = {"network": value}
        if not isinstance(value, dict) or not isinstance(value.get("network"), str):
            raise StockadeError("%s: %r is neither an address nor a mapping with the key network" % (option, value))
        entry = {key: item for key, item in value.items() if item is not None}
        if "expires_at" in entry or {"until", "duration"} <= entry.keys():
            raise StockadeError("%s: %s: give its end as until, or as duration" % (option, entry["network"]))
        if "until" in entry:
            try:
                entry["expires_at"] = parse_until(entry.pop("until"))
            except ValueError as error:
                raise StockadeError("%s: %s: until: %s" % (option, entry["network"], error)) from None
        entries.append(entry)
    return entries
