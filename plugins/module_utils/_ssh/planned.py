# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of ssh_hardening will do and say, and what it refuses before it begins.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Iterable

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import extras, files, host, ports
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection, Ways
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.armedstate import Holder
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    MAIN,
    ConfigTree,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import Wish
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.profiles import (
    QUERIES,
    nothing_common,
)

_FIRST_WITH_INCLUDE = (8, 2)
_SHORTEST, _LONGEST = 10, 3600  # seconds


@dataclass(frozen=True)
class Arming:
    """Who changes something, how long (seconds) the host waits for a commit, and whether a new login is to bring it."""

    run: str
    controller: str
    rollback_after: int
    verify: bool

    @classmethod
    def of(cls, params: dict[str, Any]) -> Arming:
        """From a module's parameters. Raises StockadeError for a time that is too short to log in, or too long."""
        seconds = params["rollback_after"]
        if not _SHORTEST <= seconds <= _LONGEST:
            raise StockadeError("rollback_after is {}, not {} to {} seconds".format(seconds, _SHORTEST, _LONGEST))
        # Without the controller's half of the module nobody would log in.
        alone = params["run"] is None
        return cls(params["run"] or "alone", params["controller"] or "", seconds, params["verify"] and not alone)


@dataclass
class Plan:
    """What will be done and what was found out on the way."""

    version: Version
    connection: Connection
    listener: host.Listener
    writes: tuple[files.Write, ...]
    changed: bool
    settings: dict[str, str]
    effective: dict[str, list[str]]
    ways: Ways
    listening: ports.Listening
    fresh: tuple[int, ...] = ()  # ports that did not answer before
    warnings: list[str] = field(default_factory=list)
    later: tuple[files.Write, ...] = ()  # of the second step, where this is the first of two


def result(plan: Plan) -> dict[str, Any]:
    """What the module returns beside changed and diff."""
    return {
        "path": DROPIN,
        "version": plan.version.text,
        "operator": {"user": plan.connection.user, "address": plan.connection.address},
        "operator_access": plan.ways.open,
        "listener": plan.listener.mode,
        "ports": list(plan.listening.ports),
        "port": plan.listening.login,
        "more": plan.listening.more,
        "settings": plan.settings,
    }


def refuse_while_held(holder: Holder | None) -> None:
    if holder is not None:
        raise StockadeError(
            "refused, nothing was changed: {}; ssh_change with state: rolled_back ends it".format(holder.text)
        )


def difference(plan: Plan, *, foresee: bool) -> list[dict[str, str]]:
    """For ``--diff``, file by file; also of the second step if that is to be foreseen."""
    return [
        {
            "before_header": write.path,
            "after_header": write.path,
            "before": extras.shown(write.path, write.before),
            "after": extras.shown(write.path, write.after),
        }
        for write in plan.writes + (plan.later if foresee else ())
    ]


def writes_of(
    dropin: files.Write, tidy: bool, more: dict[str, bytes | None], listening: ports.Listening
) -> tuple[files.Write, ...]:
    """Every file that is to be changed: those that the drop-in names before it, those that go behind it."""
    others = [files.Write(path, files.content(path), content, mode=extras.mode(path)) for path, content in more.items()]
    main = (dropin,) if dropin.before != dropin.after or not tidy else ()
    wanted = tuple(write for write in others if write.before != write.after)
    come = tuple(write for write in wanted if write.after is not None)
    return come + listening.writes + main + tuple(write for write in wanted if write.after is None)


def second_step(
    wish: Wish,
    tree: ConfigTree,
    listener: host.Listener,
    writes: tuple[files.Write, ...],
    listening: ports.Listening,
    more: dict[str, bytes | None],
) -> tuple[files.Write, ...]:
    """What the second step will write once the first one, ``writes`` and ``listening``, holds. Nothing is there yet."""
    absent, left = wish.state == "absent", {write.path: write.after for write in writes}
    then = ports.arrange(
        wish.port, absent=absent, now=[*listening.ports], own=[*listening.own], tree=tree, listener=listener
    )
    before = left[DROPIN] if DROPIN in left else files.content(DROPIN)
    after = None if absent else ports.with_ports(before or b"", then.own)
    found = writes_of(files.Write(DROPIN, before, after), True, more, then)
    found = tuple(replace(write, before=left.get(write.path, write.before)) for write in found)
    return tuple(write for write in found if write.before != write.after)


def strange(effective: dict[str, list[str]], client: dict[str, list[str]], profile: str) -> str:
    """Why the controller's ssh would not find a common algorithm any more, or nothing."""
    known = {keyword: names for keyword, names in client.items() if keyword in QUERIES}
    lists = {keyword: effective[keyword.lower()][0] for keyword in QUERIES if effective.get(keyword.lower())}
    return nothing_common(lists, known, profile=profile, program=" ".join(client.get("program", ["ssh"])))


def upstream(fresh: Iterable[int]) -> list[str]:
    """What nobody on the host can see to: firewalls before it."""
    text = "a firewall in front of this host, as clouds have it, has to let port {} in; close the old port there after"
    return [text.format(port) for port in fresh]


def without_sftp(effective: dict[str, list[str]]) -> list[str]:
    """A warning where files cannot travel by sftp or scp: Ansible goes on, by a way that not everybody allows."""
    if any(value.split()[:1] == ["sftp"] for value in effective.get("subsystem", [])):
        return []
    return ["no Subsystem sftp: sftp and scp do not work, and Ansible sends files through the shell (piped)"]


def refuse_without_include(tree: ConfigTree, version: Version) -> None:
    if version.number < _FIRST_WITH_INCLUDE:
        raise StockadeError("{} has no Include: OpenSSH 8.2 or later is needed".format(version.text))
    if not tree.includes(DROPIN):
        raise StockadeError(
            "{} does not include {} outside of Match blocks: add the line `Include {}/*.conf` at its top".format(
                MAIN, DROPIN, os.path.dirname(DROPIN)
            )
        )
