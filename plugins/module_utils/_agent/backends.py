# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the warden's backends need of root: the line in hosts.deny, a drop-in for the unit, and what they leave behind.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

NAMES = NFTABLES, HOSTS_DENY, COMMAND = ["nftables", "hosts_deny", "command"]
NFT = "/usr/sbin/nft"
TABLE = "inet stockade"
FILE = "/etc/hosts.deny"
CACHE = "/var/cache/stockade"  # CacheDirectory= of the drop-in: libwrap's callers must read it, unlike the registry
CREDENTIALS = "/etc/stockade/credentials"
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
_HEADER = "# Managed by the Ansible collection stockade.fleet; changes are overwritten.\n[Service]\n"


class Choice(t.NamedTuple):
    """A host's backends, and what its command is given: secrets by name, and whether it may use the network."""

    names: t.Sequence[str]
    credentials: t.Mapping[str, t.Any]
    network: bool


def files(choice: Choice) -> dict[str, bytes | None]:
    """What a choice has on disk, besides the version's own files; None: not there.

    Raises StockadeError for a secret without a usable name, or that is no text.
    """
    wanted: dict[str, bytes | None] = {units.dropin(): _dropin(choice)}
    for name in _listed(CREDENTIALS):
        wanted[os.path.join(CREDENTIALS, name)] = None
    for name, secret in choice.credentials.items():
        wanted[os.path.join(CREDENTIALS, _checked(name))] = _text(name, secret)
    if HOSTS_DENY in choice.names:
        path = os.path.realpath(FILE)
        wanted[path] = _with_line(tree.read(path))
    return wanted


def leftovers(run: Run, backends: t.Sequence[str]) -> list[str]:
    """What backends that are not wanted have on this host, in words."""
    found = []
    if NFTABLES not in backends and has_table(run):
        found.append("nftables table " + TABLE)
    if HOSTS_DENY not in backends:
        found += [name for name in (_line_in(), CACHE) if name and os.path.lexists(name)]
    return found


def clear(run: Run, backends: t.Sequence[str]) -> None:
    """Take away what `leftovers` found. Raises StockadeError if it does not go."""
    if NFTABLES not in backends and has_table(run):
        remove_table(run)
    if HOSTS_DENY not in backends:
        path = _line_in()
        if path:
            tree.write(path, _without_line(tree.read(path) or b"") or None)
        shutil.rmtree(CACHE, ignore_errors=True)


def has_table(run: Run) -> bool:
    """True if the agent's rules are in the kernel."""
    if not os.path.exists(NFT):
        return False
    rc, out, _err = run([NFT, "list", "tables"])
    return rc == 0 and "table " + TABLE in out.splitlines()


def remove_table(run: Run) -> None:
    """Take the agent's rules out of the kernel; it is no error if they are gone already."""
    units.must(run, [NFT, "add table %s; delete table %s" % (TABLE, TABLE)], "remove the nftables table " + TABLE)


def _line_in() -> str | None:
    """The file that holds our line, None if none does."""
    path = os.path.realpath(FILE)
    content = tree.read(path)
    return path if content is not None and _without_line(content) != content else None


def _line() -> bytes:
    return ("ALL: %s/denied EXCEPT %s/allowed" % (CACHE, CACHE)).encode()


def _with_line(content: bytes | None) -> bytes:
    """Our line first: the first rule that matches counts, and the last may end without a newline or in a backslash."""
    return _line() + b"\n" + _without_line(content or b"")


def _without_line(content: bytes) -> bytes:
    return b"".join(line for line in content.splitlines(True) if line.rstrip(b"\r\n") != _line())


def _dropin(choice: Choice) -> bytes | None:
    lines = []
    if NFTABLES not in choice.names:
        lines += ["AmbientCapabilities=", "CapabilityBoundingSet="]
    if HOSTS_DENY in choice.names:
        lines += ["CacheDirectory=" + os.path.basename(CACHE), "CacheDirectoryMode=0755"]
    if COMMAND in choice.names and choice.network:
        lines.append("RestrictAddressFamilies=AF_INET AF_INET6")
    lines += ["LoadCredential=%s:%s/%s" % (name, CREDENTIALS, name) for name in sorted(choice.credentials)]
    return (_HEADER + "".join(line + "\n" for line in lines)).encode() if lines else None


def _checked(name: t.Any) -> str:
    if not _CREDENTIAL_NAME.match(str(name)):
        raise StockadeError(
            "credentials: %a is not a usable name (letters, digits, _ . and -, at most 64 characters)" % str(name)
        )
    return str(name)


def _text(name: str, secret: t.Any) -> bytes:
    """The bytes of a secret. What YAML or a template made something else of would be another one as text."""
    if not isinstance(secret, str):
        raise StockadeError(
            "credentials: %s is not text but %s: put it in quotes, or end its template with `| string`"
            % (name, type(secret).__name__)
        )
    return secret.encode("utf-8", "surrogateescape")


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
