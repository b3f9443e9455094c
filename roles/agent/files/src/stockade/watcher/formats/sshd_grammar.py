# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd says about clients: its messages, and where in each of them stand user, address and port.

A message is known by how it begins, which no client writes. Where the address stands depends on what a client can write
into the message; a user name may hold anything, blanks and whole messages of sshd among it:

- nothing before the address: it is the next word (`_peer`);
- nothing behind it: it is read from the end (`_from`, `_ssh2`, `_behind_user`), whatever the name looks like;
- something on both sides (a certificate's ID, a reason that names users): what looks like address and port must occur
  once (`_once`), otherwise the message says nothing. No failure is counted by such messages.

Wording: OpenSSH 7 to 10, with or without `error: `, `fatal: ` before and ` [preauth]` behind, and PAM's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

# What a message means for the count; stockade.watcher.formats.sshd says how.
SECRET, KBDINT, UNKNOWN, DENIED, PAM, EXCEEDED, GONE, ACCEPTED, OTHER = range(9)
INVALID, ILLEGAL = b"invalid user ", b"illegal user "

Where = tuple[bytes, bytes, bytes]  # user, address, port; each may be empty but the address
Shape = Callable[[bytes, int], Where | None]


class Row(NamedTuple):
    """One message: how it begins, from where on it is read, what it means, how it is read, how somebody logged in."""

    name: str
    start: bytes
    at: int
    role: int
    shape: Shape
    method: str = ""


# What a message says: which one it is, user, address, port. The user begins with `invalid user ` (PAM: `illegal user `)
# where sshd says so. A plain tuple: there are hundreds of thousands a second.
Reading = tuple[Row, bytes, bytes, bytes]

_TO_PORT = re.compile(rb"port (\d{1,5})(?!\d)")
_ONCE_FROM = re.compile(rb" from (\S+) port (\d{1,5}) ssh2(?=: |\Z)")
_ONCE_PEER = re.compile(rb" (\S+) port (\d{1,5})(?=: | timed out\Z)")
_ONCE_DENIED = re.compile(rb" from (\S+)()(?= not allowed because )")
_SESSION = re.compile(rb" id \d{1,9}\Z")
_DROPPED = re.compile(rb"\d{1,9} from \[([^\]\s]+)\]:(\d{1,5}) on ")
_RHOST = re.compile(rb"[^;]*; logname=\S* uid=\d+ euid=\d+ tty=ssh ruser= rhost=(\S+)(?: {1,2}user=(.*)| *)", re.DOTALL)
_PAM_AUTH = re.compile(rb"pam_\w+\(sshd(?:-session)?:auth\): authentication failure; ")
_PREAUTH = b" [preauth]"
_UNMAPPED = (b"] failed.", b"] failed - POSSIBLE BREAK-IN ATTEMPT!")
_MORE = re.compile(rb"PAM \d{1,9} more authentication failures?; ")


def _peer(text: bytes, at: int) -> Where | None:
    """`A port N`, or `A: ` in old messages; whatever stands behind."""
    address, _blank, behind = text[at:].partition(b" ")
    match = _TO_PORT.match(behind)
    if match:
        return b"", address, match[1]
    if address.endswith(b":") and (not address.endswith(b"::") or address.endswith(b":::")):
        address = address[:-1]  # not the end of `2001:db8::`
    return b"", address, b""


def _ssh2(text: bytes, at: int) -> Where | None:
    """`USER from A port N ssh2`, read from the end."""
    try:
        head, from_, address, port_, port, ssh2 = text.rsplit(b" ", 5)
    except ValueError:
        return None
    if ssh2 != b"ssh2" or port_ != b"port" or from_ != b"from" or not port.isdigit():
        return None
    return head[at:], address, port


def _ssh2_preauth(text: bytes, at: int) -> Where | None:
    return _ssh2(text.removesuffix(_PREAUTH), at)


def _from(text: bytes, at: int) -> Where | None:
    """`USER from A[ port N]`, read from the end."""
    words = text.rsplit(b" ", 4)
    if len(words) == 5 and words[3] == b"port" and words[1] == b"from" and words[4].isdigit():
        return words[0][at:], words[2], words[4]
    user, found, address = text[at:].rpartition(b" from ")
    return (user, address, b"") if found else None


def _behind_user(text: bytes, at: int) -> Where | None:
    """`USER A port N`, read from the end."""
    words = text.removesuffix(_PREAUTH).rsplit(b" ", 3)
    if len(words) != 4 or words[2] != b"port" or not words[3].isdigit():
        return None
    return words[0][at:], words[1], words[3]


def _pam(text: bytes, at: int) -> Where | None:
    """`WHY for USER from A`; one of the reasons has a ` for ` of its own."""
    where = _from(text, at)
    if where is None:
        return None
    user = where[0].partition(b" for ")[2].removeprefix(b"service for ")
    return user, where[1], where[2]


def _from_only(text: bytes, at: int) -> Where | None:
    """`'TEXT' from A port N`: what stands before is no user."""
    where = _from(text.removesuffix(_PREAUTH), at)
    return where and (b"", where[1], where[2])


def _once(pattern: re.Pattern[bytes]) -> Shape:
    def shape(text: bytes, at: int) -> Where | None:
        text = text.removesuffix(_PREAUTH)
        match = pattern.search(text, at)
        if match is None or pattern.search(text, match.end()) is not None:
            return None
        return text[at : match.start()], match[1], match[2]

    return shape


_ONCE = _once(_ONCE_FROM)


def _once_method(text: bytes, at: int) -> Where | None:
    """`METHOD for USER from A port N ssh2: KEY`, where a key may be a certificate with an ID of the client's choice."""
    where = _ONCE(text, at)
    return where and (where[0].partition(b" for ")[2], where[1], where[2])


def _session(text: bytes, at: int) -> Where | None:
    """`USER from A port N id M`."""
    match = _SESSION.search(text, len(text) - 16 if len(text) > 16 else 0)
    where = match and _from(text[: match.start()], at)
    return where and (b"", where[1], where[2])


def _dropped(text: bytes, at: int) -> Where | None:
    """`M from [A]:N on [OWN ADDRESS]…`."""
    match = _DROPPED.match(text, at)
    return match and (b"", match[1], match[2])


def _ptr(text: bytes, at: int) -> Where | None:
    """`HOST" is set up for A, ignoring`: the name is what a client's own name server says."""
    _host, found, address = text[at:].rpartition(b'" is set up for ')
    return (b"", address.removesuffix(b", ignoring"), b"") if found else None


def _in_brackets(opening: bytes, closing: tuple[bytes, ...]) -> Shape:
    """`HOST [A] failed.` and the like, read from the end."""

    def shape(text: bytes, at: int) -> Where | None:
        for end in closing:
            if text.endswith(end):
                _host, found, address = text[at : -len(end)].rpartition(opening)
                return (b"", address, b"") if found else None
        return None

    return shape


def _rhost(text: bytes, at: int) -> Where | None:
    """PAM's `logname= uid=0 euid=0 tty=ssh ruser= rhost=A  user=USER`."""
    match = _RHOST.fullmatch(text)
    return match and (match[2] or b"", match[1], b"")


def _row(name: str, start: bytes, role: int, shape: Shape, *, keep: bytes = b"", method: str = "") -> Row:
    return Row(name, start + keep, len(start), role, shape, method)


def _rows() -> list[Row]:
    once_peer = _once(_ONCE_PEER)
    rows = [
        _row("failed password", b"Failed password for ", SECRET, _ssh2),
        _row("failed keyboard-interactive/pam", b"Failed keyboard-interactive/pam for ", KBDINT, _ssh2),
        _row("failed keyboard-interactive", b"Failed keyboard-interactive for ", KBDINT, _ssh2),
        _row("failed none", b"Failed none for ", OTHER, _ssh2),
        _row("failed otherwise", b"Failed ", OTHER, _once_method),  # publickey, hostbased, gssapi-with-mic
        _row("accepted publickey", b"Accepted publickey for ", ACCEPTED, _ONCE, method="publickey"),
        _row("accepted password", b"Accepted password for ", ACCEPTED, _ssh2, method="password"),
        _row("accepted hostbased", b"Accepted hostbased for ", ACCEPTED, _ONCE, method="hostbased"),
        _row("accepted gssapi", b"Accepted gssapi-with-mic for ", ACCEPTED, _ONCE, method="gssapi-with-mic"),
        _row("postponed", b"Postponed ", OTHER, _once_method),
        _row("partial", b"Partial ", OTHER, _once_method),
        _row("invalid user", b"Invalid user ", UNKNOWN, _from),
        _row("not allowed", b"User ", DENIED, _once(_ONCE_DENIED)),
        _row("exceeded", b"maximum authentication attempts exceeded for ", EXCEEDED, _ssh2_preauth),
        _row("pam error", b"PAM: ", PAM, _pam),
        _row("bad identification", b"Bad protocol version identification ", OTHER, _from_only),
        _row("starting session", b"Starting session: ", OTHER, _session),
        _row("close session", b"Close session: ", OTHER, _session),
        _row("dropped", b"drop connection #", OTHER, _dropped),
        _row("nasty ptr", b'Nasty PTR record "', OTHER, _ptr),
        _row("no reverse", b"reverse mapping checking ", OTHER, _in_brackets(b" [", _UNMAPPED)),
        _row("libwrap", b"refused connect from ", OTHER, _in_brackets(b" (", (b")",))),
    ]
    for word in ("/pam", ""):
        start = f"Accepted keyboard-interactive{word} for ".encode()
        rows.append(_row(f"accepted keyboard-interactive{word}", start, ACCEPTED, _ssh2, method="keyboard-interactive"))
    for start in (b"Connection closed by ", b"Connection reset by ", b"Disconnected from "):
        name = start.decode().lower().rstrip()
        rows += [
            _row(f"{name} invalid", start, GONE, _behind_user, keep=INVALID),
            _row(f"{name} authenticating", start + b"authenticating user ", OTHER, _behind_user),
            _row(f"{name} user", start + b"user ", OTHER, _behind_user),
            _row(f"{name} peer", start, OTHER, _peer),
        ]
    for start in (
        b"Disconnecting ",
        b"Unable to negotiate with ",
        b"ssh_dispatch_run_fatal: Connection from ",
        b"Connection from ",
    ):
        name = start.decode().lower().rstrip()
        rows += [
            _row(f"{name} invalid", start + INVALID, OTHER, once_peer),
            _row(f"{name} authenticating", start + b"authenticating user ", OTHER, once_peer),
            _row(f"{name} user", start + b"user ", OTHER, once_peer),
            _row(f"{name} peer", start, OTHER, _peer),
        ]
    for start in (
        b"Received disconnect from ", b"Did not receive identification string from ",
        b"banner exchange: Connection from ", b"Timeout before authentication for connection from ",
        b"Timeout before authentication for ", b"ROOT LOGIN REFUSED FROM ", b"Protocol major versions differ for ",
        b"Address ",
    ):  # fmt: skip
        rows.append(_row(start.decode().lower().rstrip(), start, OTHER, _peer))
    return rows


PAM_AUTH = Row("pam failure", b"", 0, OTHER, _rhost)
PAM_MORE = Row("pam more failures", b"", 0, OTHER, _rhost)
ROWS = tuple(_rows())
_BY_WORD: dict[bytes, list[Row]] = {}
for _each in ROWS:
    _BY_WORD.setdefault(_each.start.partition(b" ")[0], []).append(_each)
_LEVELS = (b"error:", b"fatal:")


def read(message: bytes) -> Reading | None:
    """What a message says about a client; None if that is nothing, or not known, or could be the client's own words."""
    word = message[: message.find(b" ")]
    for row in _BY_WORD.get(word, ()):
        if message.startswith(row[1]):
            where = row[4](message, row[2])
            return where and (row, *where)
    if word in _LEVELS and not (rest := message[len(word) + 1 :]).startswith(_LEVELS):
        return read(rest)
    row = PAM_AUTH if _PAM_AUTH.match(message) else PAM_MORE
    if row is PAM_AUTH or _MORE.match(message):
        where = row.shape(message, 0)
        return where and (row, *where)
    return None
