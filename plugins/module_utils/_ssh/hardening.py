# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Harden sshd by one drop-in: plan (changes nothing), then apply on a host that goes back by itself unless told not to.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import time

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import extras, files, host, ports, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection, Proof, Ways, ways_in
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.armed import DIRECTORY, Armed
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.change import Change, knock
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    MAIN,
    ConfigFile,
    ConfigTree,
    lines_of,
    load,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doors import Doors
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
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.planned import (
    Arming,
    Plan,
    refuse_while_held,
    refuse_without_include,
    second_step,
    strange,
    upstream,
    without_sftp,
    writes_of,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.profiles import (
    QUERIES,
    algorithms,
    baseline,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.shadow import cast
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.used import find_used


class Hardening:
    """One run on one host. ``run`` is ``module.run_command``; ``ssh`` the client's path, if there is one."""

    def __init__(self, run: host.Run, *, sshd: str, ssh: str | None) -> None:
        self._run = run
        self._binary, self._sshd = sshd, host.Sshd(run, sshd)
        self._ssh = ssh
        self._armed = Armed(run)
        self._doors = Doors(run)

    def plan(self, wish: Wish, client: dict[str, list[str]] | None = None) -> Plan:
        """The whole preflight. Raises StockadeError for everything that can be known before anything is changed.

        ``client`` is what the controller's ssh knows, by keyword, and its name as ``program``.
        """
        asked = asked_for(wish)
        host.require_root()
        refuse_while_held(self._armed.holder())
        version = self._sshd.version()
        host.prepare_privsep_directory()
        self._refuse_broken()
        now, tree = self._sshd.effective(MAIN), load()
        connection = host.find_connection(wish.operator)
        listener = host.find_listener(self._run)
        found = extras.extras(wish, version, extras.facts(self._run, now, tree))
        warnings = list(found.warnings)
        before, tidy = files.read(DROPIN)
        settings: dict[str, str] = {}
        if wish.state == "present":
            refuse_without_include(tree, version)
            settings, notes = self._settings(wish, asked, now, version, connection, found.settings)
            warnings += notes
        listening = self._listening(wish, before, now, tree, listener)
        after = render(settings) if wish.state == "present" else (before or b"") if listening.more else None
        after = ports.with_ports(after, listening.own) if after is not None else None
        waits = wish.state == "absent" and listening.more  # the drop-in stays for a step, and so does what it names
        writes = writes_of(files.Write(DROPIN, before, after), tidy, {} if waits else found.files, listening)
        changed = bool(writes)
        effective, mine = self._examine(writes, after, settings, version, connection)
        ways, refusal, notes = self._access(mine, connection)
        refusal = refusal or strange(effective, client or {}, wish.profile)
        refusal = refusal or ports.deaf(listener, effective, connection)
        warnings += notes + without_sftp(effective)
        if refusal and changed and not wish.force:
            raise StockadeError("refused, nothing was changed: {} (force: true to do it anyway)".format(refusal))
        if refusal:
            warnings.append(refusal)
        if listener.mode == "none":
            warnings.append("no ssh service or socket of systemd is active: the files are checked, no listener is")
        else:
            changed = self._refuse_stale(listener, now, changed) or changed
        fresh = tuple(port for port in listening.ports if port not in ports.listening(listener, now))
        if changed:
            self._doors.check(fresh)
        warnings += self._doors.warnings(fresh) + upstream(fresh)
        later: tuple[files.Write, ...] = ()
        if listening.more:
            later = second_step(wish, tree, listener, writes, listening, found.files)
            warnings.append(
                "this is the first of two steps: in the second, ports other than {} go, and Port lines of other files "
                "are commented out or come back".format(listening.login)
            )
        return Plan(
            version, connection, listener, writes, changed, settings, effective, ways, listening, fresh, warnings, later
        )

    def apply(self, plan: Plan, arming: Arming) -> bool:
        """Put the planned files in place and have the daemon read them; undone if that or the verification fails.

        True if the host is armed now: it goes back by itself unless somebody commits in time.
        """
        change = Change(self._run, self._sshd, plan.writes, plan.effective, plan.listener)
        if plan.listener.mode == "none":  # nobody could log in anew, and there is no unit to reload
            change.apply()
            return False
        self._doors.open(plan.fresh)
        try:
            self._armed.arm(
                plan.writes,
                plan.listener,
                run_id=arming.run,
                controller=arming.controller,
                seconds=arming.rollback_after,
            )
            change.undone_by(self._armed.rollback, still=self._armed.require, run_id=arming.run)
        except StockadeError:
            with contextlib.suppress(StockadeError):
                self.shut_doors()
            raise
        if not arming.verify:
            self._armed.commit(arming.run)
            try:  # it is decided already, so this can only be told
                self.shut_doors()
            except StockadeError as error:
                plan.warnings.append(str(error))
        return arming.verify

    def has_traces(self) -> bool:
        """Whether there is something on the host for :class:`Armed` to remove."""
        return os.path.isdir(DIRECTORY)

    def shut_doors(self) -> list[str]:
        """Close in firewall and SELinux what we opened for ports that do not answer any more."""
        return self._doors.close_unused(self._binary)

    def _settings(
        self,
        wish: Wish,
        asked: dict[str, str | None],
        now: dict[str, list[str]],
        version: Version,
        connection: Connection,
        more: dict[str, str],
    ) -> tuple[dict[str, str], list[str]]:
        """What the drop-in shall set, and warnings."""
        supported = self._sshd.supported(self._ssh, QUERIES, now)
        defaults = baseline(
            profile=wish.profile, known=now, operator_is_root=host.find_account(connection.user, now).uid == 0
        )
        defaults.update(algorithms(profile=wish.profile, version=version, supported=supported))
        defaults.update(more)
        settings = merge(defaults, asked, now)
        kept, reasons = without_host_keys(settings, files.public_host_keys(now))
        warnings = [reason for reason in reasons if not {"HostKeyAlgorithms", "RequiredRSASize"} & set(asked)]
        return kept if warnings else settings, warnings

    def _listening(
        self,
        wish: Wish,
        before: bytes | None,
        now: dict[str, list[str]],
        tree: ConfigTree,
        listener: host.Listener,
    ) -> ports.Listening:
        answering = ports.listening(listener, now)
        wanted = wish.port if wish.state == "present" else None
        if wanted is not None and wanted not in answering:
            if listener.mode == "none":
                raise StockadeError(
                    "refused, nothing was changed: no ssh service or socket of systemd is active, so that nobody "
                    "could prove port {}".format(wanted)
                )
            user = ports.in_use(self._run, wanted)
            if user:
                raise StockadeError("refused, nothing was changed: {}".format(user))
        own = ports.own_ports(before)
        return ports.arrange(
            wish.port, absent=wish.state == "absent", now=answering, own=own, tree=tree, listener=listener
        )

    def _refuse_stale(self, listener: host.Listener, now: dict[str, list[str]], changed: bool) -> bool:
        """Whether the daemon has not read its files; that is an error if they shall be changed."""
        stale = wire.differences(knock(listener, now), now)
        if stale and changed:
            raise StockadeError(
                "refused, nothing was changed: {}; restart {} first, or see what else configures it".format(
                    "; ".join(stale), listener.service.name if listener.service else "ssh.service"
                )
            )
        return bool(stale)

    def _access(self, effective: dict[str, list[str]], connection: Connection) -> tuple[Ways, str, list[str]]:
        """The operator's ways in with these values, why they would lose access ("" if not), and warnings."""
        moment = time.strftime("%Y%m%d%H%M%S", time.gmtime())
        current = self._sshd.effective(MAIN, connection)
        used = find_used(self._run, connection)
        proof = Proof(used.fingerprint, current.get("forcecommand", ["none"])[0]) if used else Proof()
        now, then = (
            ways_in(values, host.find_account(connection.user, values), connection, now=moment, proof=proof)
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
        self,
        writes: tuple[files.Write, ...],
        content: bytes | None,
        settings: dict[str, str],
        version: Version,
        connection: Connection,
    ) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """What sshd makes of the files as they will be: for everyone, and for the operator's connection."""
        tree = load(overlay={DROPIN: content, **{write.path: write.after for write in writes}})
        wanted: dict[str, list[str]] = {}
        if content is not None:
            keys = ["HostKey " + path for path in self._sshd.effective(MAIN).get("hostkey", [])]
            alone = ConfigTree(DROPIN, {DROPIN: ConfigFile(DROPIN, lines_of(content.decode("utf-8")) + keys)})
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
