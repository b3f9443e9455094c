# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the agent off a host, also where only a part of it is there.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

NFT = "/usr/sbin/nft"
TABLE = "inet stockade"
DIRECTORIES = (
    "/etc/stockade",
    "/run/stockade",
    "/run/stockade-watcher",
    "/var/lib/stockade",
    "/var/lib/stockade-watcher",
)
USERS = ("stockade-watcher", "stockade-warden")
GROUPS = (*USERS, "stockade")


def remove(run: Run, *, check: bool) -> list[str]:
    """What of the agent is on this host, in words; taken off it unless ``check``.

    The order leaves nothing half alive: services, rules, files, state, users. Each part is looked for by itself, so a
    host on which this was interrupted, or somebody removed a part by hand, ends up the same.

    Raises StockadeError naming the part that does not go.
    """
    states = units.states(run)
    found = ["running " + unit for unit, state in states.items() if state.active not in units.GONE]
    found += units.files()
    table = has_table(run)
    found += ["nftables table " + TABLE] if table else []
    places = [name for name in (*_links(), tree.BASE, *DIRECTORIES) if os.path.lexists(name)]
    accounts = [("user", name) for name in USERS if _known(run, "passwd", name)]
    accounts += [("group", name) for name in GROUPS if _known(run, "group", name)]
    found += places + ["%s %s" % account for account in accounts]
    if check or not found:
        return found
    try:
        units.withdraw(run)
        if table:
            remove_table(run)
        for name in places:
            _remove_tree(name)
    except OSError as error:
        raise StockadeError("cannot remove %s: %s" % (error.filename or "the agent", error.strerror)) from None
    for kind, name in accounts:
        _remove_account(run, kind, name)
    return found


def has_table(run: Run) -> bool:
    """True if the agent's rules are in the kernel."""
    if not os.path.exists(NFT):
        return False
    rc, out, _err = run([NFT, "list", "tables"])
    return rc == 0 and "table " + TABLE in out.splitlines()


def remove_table(run: Run) -> None:
    """Take the agent's rules out of the kernel; it is no error if they are gone already."""
    units.must(run, [NFT, "add table %s; delete table %s" % (TABLE, TABLE)], "remove the nftables table " + TABLE)


def _links() -> t.Iterator[str]:
    """The command, if it is ours: a program of that name from elsewhere is no link into our tree."""
    for name in (tree.COMMAND, tree.COMMAND + ".new"):
        if os.path.islink(name) and os.readlink(name).startswith(tree.BASE + "/"):
            yield name


def _remove_tree(name: str) -> None:
    if os.path.isdir(name) and not os.path.islink(name):
        shutil.rmtree(name)
    else:
        tree.remove(name)  # a link that somebody put there: what it points to is theirs


def _known(run: Run, database: str, name: str) -> bool:
    return run(["/usr/bin/getent", database, name])[0] == 0


def _remove_account(run: Run, kind: str, name: str) -> None:
    if kind == "group" and not _known(run, "group", name):
        return  # went with its user
    command = "/usr/sbin/userdel" if kind == "user" else "/usr/sbin/groupdel"
    units.must(run, [command, name], "remove the %s %s" % (kind, name))
