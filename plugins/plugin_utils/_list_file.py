# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List files: one network a line, read on the controller.

    # scanners
    203.0.113.9
    198.51.100.0/24 until=2027-01-31 # seen in the mail log

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import socket
import typing as t
import unicodedata

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._until import parse_until

LONGEST_REMARK = 200  # characters, as in the warden
SHOWN = 80
_MAPPED = b"\0" * 10 + b"\xff\xff"

Entry = t.Union[str, t.Dict[str, t.Any]]


class ListFile(t.NamedTuple):
    """``entries`` as the warden takes them, and for each network, in its canonical form, the line that names it."""

    entries: list[Entry]
    lines: dict[str, int]


def parse(content: bytes, name: str, remark_key: str) -> ListFile:
    """The entries of a list file; what stands behind ``#`` goes under ``remark_key``.

    The same line twice is one entry. Raises StockadeError with file, line, text and reason for the first line that is
    none, and for a network that two lines want differently. The warden checks again what is sent to it: this is so
    that nothing is changed on any host because of a file with a slip in it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = name, len(_lines(error.object[: int(error.start)].decode()))
        raise StockadeError("%s, line %d: not UTF-8 text. Save the file as UTF-8" % place) from None
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    ends: dict[str, int] = {}  # by text: a long list has few
    for number, line in enumerate(_lines(text), 1):
        before, _mark, remark = line.partition("#")
        words = before.split()
        if not words:
            continue
        try:
            network = canonical(words[0])
            entry = network if len(words) == 1 else _timed(network, words[1:], ends)
            remark = remark.strip()
            if remark:
                entry = _remarked(entry, remark_key, remark)
        except ValueError as error:
            raise StockadeError("%s, line %d: %s: %s" % (name, number, visible(line.strip()), error)) from None
        if entries.setdefault(network, entry) != entry:
            raise StockadeError(
                "%s: lines %d and %d name %s with different words or ends: remove one of them"
                % (name, lines[network], number, network)
            )
        lines.setdefault(network, number)
    return ListFile(list(entries.values()), lines)


def _lines(text: str) -> list[str]:
    """The lines, whichever of the three ends they have: an unseen one would make the rest of a file a comment."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _timed(network: str, words: list[str], ends: dict[str, int]) -> Entry:
    key, _mark, end = words[0].partition("=")
    if key != "until" or len(words) > 1:
        raise ValueError("behind the network only until=2027-01-31 may stand, and a comment behind #")
    if end not in ends:
        ends[end] = parse_until(end)
    return {"network": network, "expires_at": ends[end]}


def _remarked(entry: Entry, key: str, remark: str) -> Entry:
    if len(remark) > LONGEST_REMARK:
        raise ValueError("the comment has %d characters (at most %d)" % (len(remark), LONGEST_REMARK))
    fields = {"network": entry} if isinstance(entry, str) else entry
    return dict(fields, **{key: remark})


def canonical(text: str) -> str:
    """The canonical form of the network that ``text`` names. Raises ValueError with the reason.

    A list has mostly bare addresses, and ipaddress takes ten times as long for them as the C library.
    """
    try:
        if "/" not in text:
            if ":" not in text:
                return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
            packed = socket.inet_pton(socket.AF_INET6, text)
            if packed.startswith(_MAPPED):
                return socket.inet_ntop(socket.AF_INET, packed[12:])
            return str(ipaddress.IPv6Address(packed))
        address, _slash, prefix = text.partition("/")
        if "%" not in text and prefix.isascii() and prefix.isdigit():
            return _format(ipaddress.ip_network(text))
    except (OSError, ValueError):
        pass
    raise ValueError(_reason(text))


def _format(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    if network.version == 6 and network.prefixlen >= 96 and network.network_address.packed.startswith(_MAPPED):
        network = ipaddress.IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _reason(text: str) -> str:
    address, slash, prefix = text.partition("/")
    if "%" in text:
        return "zone ids are not allowed"
    if slash and not (prefix.isascii() and prefix.isdigit()):
        return "the part behind / must be a prefix length"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        if address.count(".") == 3 and address.replace(".", "").isdigit():
            return "not an address (numbers are 0 to 255, without leading zeros)"
        return "not an address or network (host names are not allowed)"
    try:
        return "host bits set (did you mean %s?)" % _format(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return "the prefix length is too long"


def visible(text: str) -> str:
    """``text`` with control, bidirectional and other invisible characters as escapes, shortened to 80 characters."""
    shown = "".join(
        char if unicodedata.category(char)[0] not in "CZ" or char == " " else char.encode("unicode_escape").decode()
        for char in text[: SHOWN + 1]
    )
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."
