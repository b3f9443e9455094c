# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Harden sshd by one drop-in: plan (changes nothing), apply, verify; the old file comes back when a step fails.

The three steps are separate so that something can stand between them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection, Proof, Ways, ways_in
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.change import Change, knock
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    MAIN,
    ConfigFile,
    ConfigTree,
    load,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.lockout import judge
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import (
    Wish,
    asked_for,
    explain,
    merge,
    render,
    shadowed,
    without_host_keys,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.profiles import QUERIES, algorithms, baseline
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.shadow import cast
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.used import find_used

_FIRST_WITH_INCLUDE = (8, 2)


@dataclass
class Plan:
    """What will be done and what was found out on the way. ``before`` and ``after`` are None for no file."""

    version: Version
    connection: Connection
    listener: host.Listener
    before: bytes | None
    after: bytes | None
    changed: bool
    settings: dict[str, str]
    effective: dict[str, list[str]]
    ways: Ways
    warnings: list[str] = field(default_factory=list)


class Hardening:
    """One run on one host. ``run`` is ``module.run_command``; ``ssh`` the client's path, if there is one."""

    def __init__(self, run: host.Run, *, sshd: str, ssh: str | None) -> None:
        self._run = run
        self._sshd = host.Sshd(run, sshd)
        self._ssh = ssh

    def plan(self, wish: Wish) -> Plan:
        """The whole preflight. Raises StockadeError for everything that can be known before anything is changed."""
        asked = asked_for(wish)
        host.require_root()
        version = self._sshd.version()
        host.prepare_privsep_directory()
        self._refuse_broken()
        now = self._sshd.effective(MAIN)
        connection = host.find_connection(wish.operator)
        warnings: list[str] = []
        settings: dict[str, str] = {}
        before, tidy = files.read(DROPIN)
        after = None
        if wish.state == "present":
            _refuse_without_include(load(), version)
            supported = self._sshd.supported(self._ssh, QUERIES, now)
            defaults = baseline(
                profile=wish.profile, known=now, operator_is_root=host.find_account(connection.user, now).uid == 0
            )
            defaults.update(algorithms(profile=wish.profile, version=version, supported=supported))
            settings = merge(defaults, asked)
            kept, reasons = without_host_keys(settings, files.public_host_keys(now))
            warnings += [reason for reason in reasons if not {"HostKeyAlgorithms", "RequiredRSASize"} & set(asked)]
            settings = kept if warnings else settings
            after = render(settings)
        changed = before != after or not tidy
        effective, mine = self._examine(after, settings, version, connection)
        ways, refusal, notes = self._access(mine, connection)
        warnings += notes
        if refusal and changed and not wish.force:
            raise StockadeError("refused, nothing was changed: {} (force: true to do it anyway)".format(refusal))
        if refusal:
            warnings.append(refusal)
        listener = host.find_listener(self._run)
        if listener.mode == "none":
            warnings.append("no ssh service or socket of systemd is active: the files are checked, no listener is")
        else:
            stale = wire.differences(knock(listener, now), now)
            if stale and changed:
                raise StockadeError(
                    "refused, nothing was changed: {}; restart {} first, or see what else configures it".format(
                        "; ".join(stale), listener.service.name if listener.service else "ssh.service"
                    )
                )
            changed = changed or bool(stale)
        return Plan(version, connection, listener, before, after, changed, settings, effective, ways, warnings)

    def apply(self, plan: Plan) -> None:
        """Put the planned file in place and have the daemon read it; undone if that or the verification fails."""
        self._change(plan).apply()

    def verify(self, plan: Plan) -> None:
        """The files say what was planned, and the daemon that answers offers it. Raises StockadeError."""
        self._change(plan).verify()

    def _change(self, plan: Plan) -> Change:
        return Change(
            self._run,
            self._sshd,
            path=DROPIN,
            before=plan.before,
            after=plan.after,
            effective=plan.effective,
            listener=plan.listener,
        )

    def _access(self, effective: dict[str, list[str]], connection: Connection) -> tuple[Ways, str, list[str]]:
        """The operator's ways in with these values, why they would lose access ("" if not), and warnings."""
        today = time.strftime("%Y%m%d", time.gmtime())
        current = self._sshd.effective(MAIN, connection)
        used = find_used(self._run, connection)
        proof = Proof(used.fingerprint, current.get("forcecommand", ["none"])[0]) if used else Proof()
        now, then = (
            ways_in(values, host.find_account(connection.user, values), connection, today=today, proof=proof)
            for values in (current, effective)
        )
        refusal, warnings = judge(now, then, used, connection.user, effective)
        return then, refusal, warnings

    def _refuse_broken(self) -> None:
        good, complaints = self._sshd.test(MAIN)
        if not good:
            raise StockadeError(
                "the SSH configuration of this host is broken already, nothing was changed: {}".format(
                    "; ".join("{}:{}: {}".format(c.path, c.line, c.text) if c.path else c.text for c in complaints)
                )
            )

    def _examine(
        self, content: bytes | None, settings: dict[str, str], version: Version, connection: Connection
    ) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """What sshd makes of the files as they will be: for everyone, and for the operator's connection."""
        tree = load(overlay={DROPIN: content})
        wanted: dict[str, list[str]] = {}
        if content is not None:
            keys = ["HostKey " + path for path in self._sshd.effective(MAIN).get("hostkey", [])]
            alone = ConfigTree(DROPIN, {DROPIN: ConfigFile(DROPIN, content.decode("utf-8").splitlines() + keys)})
            with cast(alone) as shadow:
                good, complaints = self._sshd.test(shadow.main)
                ours = [c for c in shadow.real(complaints) if c.path == DROPIN or not good]
                if ours:
                    raise StockadeError(explain(ours, content=content, version=version))
                wanted = self._sshd.effective(shadow.main)
        with cast(tree) as shadow:
            good, complaints = self._sshd.test(shadow.main)
            if not good:
                reason = explain(shadow.real(complaints), content=content or b"", version=version)
                raise StockadeError("refused, nothing was changed: the configuration would be broken: " + reason)
            effective = self._sshd.effective(shadow.main)
            mine = self._sshd.effective(shadow.main, connection)
        lost = shadowed(settings, wanted=wanted, effective=effective, tree=tree, match=False)
        lost = lost or shadowed(settings, wanted=wanted, effective=mine, tree=tree, match=True)
        if lost:
            raise StockadeError("refused, nothing was changed: {}".format("; ".join(lost)))
        return effective, mine


def result(plan: Plan) -> dict[str, Any]:
    """What the module returns beside changed and diff."""
    return {
        "path": DROPIN,
        "version": plan.version.text,
        "operator": {"user": plan.connection.user, "address": plan.connection.address},
        "operator_access": plan.ways.open,
        "listener": plan.listener.mode,
        "ports": sorted({port for _address, port in host.endpoints(plan.listener, plan.effective)}),
        "settings": plan.settings,
    }


def difference(plan: Plan) -> dict[str, str]:
    """For ``--diff``."""
    return {
        "before_header": DROPIN,
        "after_header": DROPIN,
        "before": (plan.before or b"").decode("utf-8", "replace"),
        "after": (plan.after or b"").decode("utf-8", "replace"),
    }


def _refuse_without_include(tree: ConfigTree, version: Version) -> None:
    if version.number < _FIRST_WITH_INCLUDE:
        raise StockadeError("{} has no Include: OpenSSH 8.2 or later is needed".format(version.text))
    if not tree.includes(DROPIN):
        raise StockadeError(
            "{} does not include {} outside of Match blocks: add the line `Include {}/*.conf` at its top".format(
                MAIN, DROPIN, os.path.dirname(DROPIN)
            )
        )
