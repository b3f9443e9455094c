# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of authorized_keys. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?:,|$)')
_KEY_TYPE = re.compile(r"^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$")
_COMMENT_CHARACTERS = 60


@dataclass(frozen=True)
class Key:
    """A line of authorized_keys: key type, bits of an RSA modulus (0 for others), options, and where it stands."""

    kind: str
    bits: int
    options: dict[str, str]
    fingerprint: str = ""
    comment: str = ""
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        """For messages. The comment is anyone's text, so what is not printable is escaped."""
        comment = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in self.comment[:_COMMENT_CHARACTERS])
        about = ["{} bits".format(self.bits)] if self.bits else []
        about += ["comment '{}'".format(comment)] if comment else []
        about += [self.fingerprint] + (["{}:{}".format(self.path, self.line)] if self.path else [])
        return "{} ({})".format(self.kind, ", ".join(about))


def parse_authorized_keys(text: str, path: str = "") -> list[Key]:
    """Read authorized_keys; lines that are no key are passed over, as sshd does. ``path`` is for messages."""
    keys = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        options = ""
        if not _KEY_TYPE.match(line.split(None, 1)[0]):
            options, line = _split_options(line)
        words = line.split(None, 2)
        blob = _decode(words[1]) if len(words) >= 2 and _KEY_TYPE.match(words[0]) else b""
        if blob:
            keys.append(
                Key(
                    words[0],
                    _rsa_bits(blob) if words[0] == "ssh-rsa" else 0,
                    _parse_options(options),
                    fingerprint=_fingerprint(blob),
                    comment=words[2] if len(words) == 3 else "",
                    path=path,
                    line=number,
                )
            )
    return keys


def _fingerprint(blob: bytes) -> str:
    """As sshd logs it and ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def _split_options(line: str) -> tuple[str, str]:
    """Options end at the first blank outside of quotes."""
    quoted = False
    for position, character in enumerate(line):
        if character == '"' and line[position - 1 : position] != "\\":
            quoted = not quoted
        elif character in " \t" and not quoted:
            return line[:position], line[position:].strip()
    return line, ""


def _parse_options(text: str) -> dict[str, str]:
    return {found.group("name").lower(): found.group("value") or "" for found in _OPTION.finditer(text)}


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _rsa_bits(blob: bytes) -> int:
    """Bits of the modulus: the third string of the blob (type, exponent, modulus)."""
    fields: list[bytes] = []
    while len(blob) >= 4 and len(fields) < 3:
        (length,) = struct.unpack(">I", blob[:4])
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0
