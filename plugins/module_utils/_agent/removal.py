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

from ansible_collections.stockade.fleet.plugins.module_utils._agent import backends, reports, tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient
from ansible_collections.stockade.fleet.plugins.module_utils._whitelist_renders import render

COMMAND_LEDGER = "/var/lib/stockade/command.ledger"
DIRECTORIES = (
    "/etc/stockade",
    "/run/stockade",
    "/run/stockade-watcher",
    "/var/lib/stockade",
    "/var/lib/stockade-watcher",
    reports.LOGS,
    reports.HOME,
    reports.LOGROTATE,
)
USERS = ("stockade-report", "stockade-watcher", "stockade-warden")
GROUPS = (*USERS, "stockade")


def remove(run: Run, *, check: bool, warn: t.Callable[[str], None]) -> list[str]:
    """What of the agent is on this host, in words; taken off it unless ``check``.

    The order leaves nothing half alive: services, rules, files, state, users. Each part is looked for by itself, so a
    host on which this was interrupted, or somebody removed a part by hand, ends up the same.

    Raises StockadeError naming the part that does not go.
    """
    states = units.states(run)
    found = ["running " + unit for unit, state in states.items() if state.active not in units.GONE]
    found += units.files()
    found += backends.leftovers(run, [])
    places = [name for name in (*_links(), tree.BASE, *DIRECTORIES) if os.path.lexists(name)]
    accounts = [("user", name) for name in USERS if _known(run, "passwd", name)]
    accounts += [("group", name) for name in GROUPS if _known(run, "group", name)]
    found += places + ["%s %s" % account for account in accounts]
    follows = render([], run=run, check=check)  # fail2ban and sshd no longer follow a whitelist
    found += follows["lines"]
    for warning in follows["warnings"]:
        warn(warning)
    if check or not found:
        return found
    try:
        _lift_what_a_command_banned(warn)
        units.withdraw(run)
        units.forget_timers(units.TIMERS.values())
        backends.clear(run, [])
        for name in places:
            _remove_tree(name)
    except OSError as error:
        raise StockadeError("cannot remove %s: %s" % (error.filename or "the agent", error.strerror)) from None
    for kind, name in accounts:
        _remove_account(run, kind, name)
    return found


def _lift_what_a_command_banned(warn: t.Callable[[str], None]) -> None:
    """What the backend C(command) did elsewhere outlives this host's files: have the warden undo it, while it lives."""
    if not os.path.exists(COMMAND_LEDGER):
        return
    before = None
    while True:
        try:
            WardenClient().call("release")
            return
        except StockadeError as error:  # with many bans a call does a part of them, and says how many are left
            ledger = tree.read(COMMAND_LEDGER)
            if ledger == before:
                warn("bans that the command applied were not all lifted (%s): see %s" % (error, COMMAND_LEDGER))
                return
            before = ledger


def _links() -> t.Iterator[str]:
    """Command and completion, if they are ours: a file of that name from elsewhere is no link into our tree."""
    for name in (path + suffix for path in (tree.COMMAND, tree.COMPLETION) for suffix in ("", ".new")):
        if os.path.islink(name) and os.readlink(name).startswith(tree.BASE + "/"):
            yield name


def _remove_tree(name: str) -> None:
    if os.path.isdir(name) and not os.path.islink(name):
        shutil.rmtree(name)
    else:
        tree.remove(name)  # a link that somebody put there: what it points to is theirs
    if name == tree.COMPLETION:
        for parent in (os.path.dirname(name), os.path.dirname(os.path.dirname(name))):
            tree.remove_empty(parent)


def _known(run: Run, database: str, name: str) -> bool:
    return run(["/usr/bin/getent", database, name])[0] == 0


def _remove_account(run: Run, kind: str, name: str) -> None:
    if kind == "group" and not _known(run, "group", name):
        return  # went with its user
    command = "/usr/sbin/userdel" if kind == "user" else "/usr/sbin/groupdel"
    units.must(run, [command, name], "remove the %s %s" % (kind, name))
