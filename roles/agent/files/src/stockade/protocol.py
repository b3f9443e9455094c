# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warden's protocol: one JSON object a line, a version in each, an answer for each request.

Request `{"v": 1, "op": "ban", …}`, answer `{"v": 1, "ok": true, "result": {…}}` or
`{"v": 1, "ok": false, "error": {"code": "refused", "message": "…"}}`.
"""

from __future__ import annotations

import json
from typing import Any

VERSION = 1
SOCKET = "/run/stockade/warden.sock"
MAX_LINE_ROOT = 32 * 1024 * 1024  # bytes: 200,000 permanent entries with reasons fit
MAX_LINE_SERVICE = 64 * 1024  # bytes: a service sends small batches

# Codes of an error answer.
INVALID = "invalid"  # the request is not understood, or an entry is not what it claims to be
REFUSED = "refused"  # understood, and against a rule (whitelisted, own address, too wide)
DENIED = "denied"  # this caller may not ask that
UNAVAILABLE = "unavailable"  # recorded or enforced only in part: the message says which half is missing
QUOTA = "quota"  # this caller asked for more than its share: nothing was done, the message says when to ask again
INTERNAL = "internal"


class ProtocolError(Exception):
    """A request that ends in an error answer. `code` is one of the codes above."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def encode(message: dict[str, Any]) -> bytes:
    """One line of the protocol."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object of one line. Raises ProtocolError if it is none, or speaks another version."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError(INVALID, "not a JSON object") from None
    if not isinstance(message, dict):
        raise ProtocolError(INVALID, "not a JSON object")
    if message.get("v") != VERSION:
        raise ProtocolError(INVALID, f"protocol version {message.get('v')!r} is not spoken here (only {VERSION})")
    return message


def success(result: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request that was carried out."""
    return {"v": VERSION, "ok": True, "result": result}


def failure(code: str, message: str) -> dict[str, Any]:
    """The answer to a request that was not."""
    return {"v": VERSION, "ok": False, "error": {"code": code, "message": message}}
