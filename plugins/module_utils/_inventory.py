# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the inventory as whitelist entries: addresses as they are, names as this host resolves them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
import time
import typing as t

LIST = "inventory"
RESOLVE_SECONDS = 2.0  # for all names together
RESOLVERS = 16  # at a time: one name whose server is silent must not take the others' time
SHOWN = 10
# What libc takes for an address though nobody writes it: "1" is 0.0.0.1, "010.1" is 8.0.0.1. An alias may look like it.
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)


def entries(
    texts: list[str], unresolved: list[str], held: t.Callable[[], list[dict[str, t.Any]]]
) -> list[dict[str, str]]:
    """An entry for each address; a name that does not resolve now keeps the addresses it had the last time.

    Such names are added to ``unresolved``; ``held`` tells the whitelist as it is.
    """
    comments: dict[str, str] = {}  # by network
    names = []
    for text in dict.fromkeys(texts):
        if not _is_address(text):
            names.append(text)
        elif _is_worth_listing(text):
            comments.setdefault(text, "host of the fleet")
    found = resolve([name for name in names if name and not _NUMBERS.fullmatch(name)])
    for name in names:
        if name not in found:
            unresolved.append(name)
        for address in found.get(name, []):
            if _is_worth_listing(address):
                comments.setdefault(address, _comment(name))
    if unresolved:
        lost = {_comment(name) for name in unresolved}
        for entry in held():
            if entry["list"] == LIST and entry["comment"] in lost:
                comments.setdefault(entry["network"], entry["comment"])
    return [{"network": network, "comment": comment} for network, comment in comments.items()]


def resolve(names: list[str], seconds: float = RESOLVE_SECONDS) -> dict[str, list[str]]:
    """The addresses of each name, as this host resolves it. What has no answer after ``seconds`` is left out."""
    waiting: queue.Queue[str] = queue.Queue()
    for name in names:
        waiting.put(name)
    answers: queue.Queue[tuple[str, list[str]]] = queue.Queue()

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except (OSError, ValueError):  # no such name, no server, or no name at all
                rows = []
            answers.put((name, sorted({str(row[4][0]) for row in rows})))

    for _worker in range(min(RESOLVERS, len(names))):
        threading.Thread(target=work, daemon=True).start()  # a lookup cannot be broken off: the process ends it
    found = {}
    deadline = time.monotonic() + seconds
    for _answer in names:
        try:
            name, addresses = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            break
        if addresses:
            found[name] = addresses
    return found


def _comment(name: str) -> str:
    return "host of the fleet (%s)" % name


def complaint(unresolved: list[str]) -> str:
    """The warning about names that do not resolve."""
    shown = ", ".join(repr(name) for name in unresolved[:SHOWN])
    more = " and %d more" % (len(unresolved) - SHOWN) if len(unresolved) > SHOWN else ""
    return (
        "not protected, or only at the address known from an earlier run, as this host cannot resolve the name: %s%s. "
        "Set ansible_host to an address, or whitelist it" % (shown, more)
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_worth_listing(text: str) -> bool:
    """True for what can be whitelisted; some addresses are never banned anyway, or stand for no host."""
    address = ipaddress.ip_address(text.partition("%")[0])
    never = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return "%" not in text and not never
