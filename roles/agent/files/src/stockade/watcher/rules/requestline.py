# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request line asks for, however it is written: all its spellings become one."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LENGTH = 16_384  # bytes of a request line that are looked at
_ROUNDS = 3  # of percent encoding

_LINE = re.compile(rb"[A-Za-z]{1,20} +(\S.*)", re.DOTALL)
_PROTOCOL = re.compile(rb" HTTP/[0-9.]{1,5}\s*\Z")
_ABSOLUTE = re.compile(rb"[A-Za-z]{2,10}://[^/?]*")
# How servers write bytes they do not want in a log: \x22 (nginx, Apache), \" \\ \n (Apache).
_LOGGED = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([nrtvbf"\\]))')
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"b": b"\b", b"f": b"\f"}
_PERCENT = re.compile(rb"%(?:([0-9A-Fa-f]{2})|[uU]([0-9A-Fa-f]{4}))")
# ASCII written with more bytes than it needs, and in its wide form: decoders that are not strict take both.
_LONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80\x81][\x80-\xbf]|\xef[\xbc\xbd][\x80-\xbf]")
_WIDE = 0xFEE0  # from a letter to its wide form


class Target(NamedTuple):
    """`path` and `query` decoded and in lower case; `segments` of the path without `.`, `..` and empty ones.

    `escapes`: the path leaves the root by way of `..`; `climbs`: it has `..` at all.
    """

    path: bytes
    query: bytes
    segments: tuple[bytes, ...]
    escapes: bool
    climbs: bool


def parse(request: bytes) -> Target | None:
    """The target of a request line as it was logged; None if it has none (noise, a greeting of another protocol)."""
    match = _LINE.fullmatch(request[:MAX_LENGTH])
    if match is None:
        return None
    target = match[1]
    target = target[:-9] if target[-9:-3] == b" HTTP/" else _PROTOCOL.sub(b"", target)
    if b"\\" in target:
        target = _LOGGED.sub(_unlogged, target)
    absolute = None if target.startswith(b"/") else _ABSOLUTE.match(target)
    if absolute is not None:
        target = target[absolute.end() :] or b"/"
    path, _mark, query = target.partition(b"?")
    path = decode(path)
    path, _mark, more = path.partition(b"?")  # an encoded one: some servers cut there too
    query = decode(query.replace(b"+", b" "))
    segments, escapes, climbs = _resolve(path)
    return Target(path.lower(), (query + b" " + more if more else query).lower(), segments, escapes, climbs)


def decode(text: bytes) -> bytes:
    """Percent encoding undone until nothing changes, three times at most."""
    if not text.isascii():
        text = _LONG.sub(_shortened, text)
    for _round in range(_ROUNDS):
        if b"%" not in text:
            break
        decoded = _PERCENT.sub(_unpercented, text)
        if decoded == text:
            break
        text = decoded if decoded.isascii() else _LONG.sub(_shortened, decoded)
    return text


def resolve(path: bytes) -> tuple[list[bytes], int]:
    """The segments of a path that remain, and how many levels it climbs above where it starts."""
    if b".." not in path and b"\\" not in path and b";" not in path and b" " not in path:
        return [segment for segment in path.split(b"/") if segment and segment != b"."], 0
    remain: list[bytes] = []
    above = 0
    for segment in path.replace(b"\\", b"/").split(b"/"):
        name = segment.partition(b";")[0].strip()  # `..;` is `..` to servers with path parameters
        if name == b"..":
            if remain:
                remain.pop()
            else:
                above += 1
        elif name and name != b".":
            remain.append(name)
    return remain, above


def _resolve(path: bytes) -> tuple[tuple[bytes, ...], bool, bool]:
    path = path.partition(b"\0")[0].lower()
    segments, above = resolve(path)
    return tuple(segments), above > 0, b".." in path


def _unlogged(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes((int(match[1], 16),))
    return _LETTERS.get(match[2], match[2])


def _unpercented(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes((int(match[1], 16),))
    return chr(int(match[2], 16)).encode("utf-8", "replace")


def _shortened(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if len(text) == 2:
        return bytes(((text[0] & 0x01) << 6 | text[1] & 0x3F,))
    number = (text[0] & 0x0F) << 12 | (text[1] & 0x3F) << 6 | text[2] & 0x3F
    if text[0] == 0xEF:
        number -= _WIDE
        return bytes((number,)) if 0x21 <= number <= 0x7E else text
    return bytes((number,))
