# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared jails, made true on one host: compose, try, apply, look, or put everything back.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable

from .._errors import StockadeError
from ._banaction import OUR_ACTION, resolve, warden_here
from ._client import Fail2banClient
from ._daemon import Daemon, last_words
from ._declare import check_name, render, wants_running
from ._files import HEADER, ManagedFiles
from ._judge import Run, Verdict, actions, backend, judge, settings

_REST = "without these jails fail2ban's configuration is broken by itself: %s"


class Refused(StockadeError):
    """fail2ban would not run with a configuration; ``why`` is its own message, nothing was changed."""

    def __init__(self, why: str) -> None:
        super().__init__("fail2ban would not run with these jails, nothing was changed: %s" % why)
        self.why = why


class Plan:
    """What the files of this collection are to be, against what they are."""

    def __init__(self, files: ManagedFiles, jails: list[dict[str, Any]], *, absent: bool, prune: bool) -> None:
        """Raises StockadeError for a declaration that cannot be written."""
        names = [check_name(jail.get("name")) for jail in jails]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StockadeError("jail %s is declared twice in one call" % ", ".join(twice))
        self.files = files
        self.before = files.read()
        wanted: dict[str, str | None] = {}
        for name, jail in zip(names, jails):
            wanted[name] = None if absent else HEADER + "\n" + render(jail)
        if prune:
            wanted.update({name: None for name in self.before if name not in wanted})
        self.changes = {name: text for name, text in sorted(wanted.items()) if self._differs(name, text)}
        #: Jails declared on or off in so many words.
        self.on = set() if absent else {jail["name"] for jail in jails if wants_running(jail) is True}
        self.off = set() if absent else {jail["name"] for jail in jails if wants_running(jail) is False}

    def _differs(self, name: str, text: str | None) -> bool:
        if self.before.get(name) != text:
            return True
        return text is not None and self.files.untidy(name)

    def diff(self) -> list[dict[str, str]]:
        """Return the changes as Ansible shows them."""
        return [
            {
                "before_header": self.files.path(name),
                "after_header": self.files.path(name),
                "before": self.before.get(name, ""),
                "after": text or "",
            }
            for name, text in self.changes.items()
        ]

    def undo(self) -> None:
        """Put the files back as they were."""
        self.files.apply({name: self.before.get(name) for name in self.changes})


def preflight(
    plan: Plan, *, run: Run, client: str, config_dir: str, scratch: str, forgiven: tuple[str, ...] = ()
) -> Verdict:
    """Try the composed configuration in a copy; nothing live is touched.

    :param scratch: a private directory that does not exist yet; removed afterwards

    Raises StockadeError with fail2ban's own message when the configuration would harm the server.
    """
    shadow = os.path.join(scratch, "fail2ban")
    os.mkdir(scratch, 0o700)
    try:
        shutil.copytree(config_dir, shadow, symlinks=True)
        jail_d = os.path.join(shadow, "jail.d")
        os.makedirs(jail_d, exist_ok=True)
        ManagedFiles(jail_d).apply(plan.changes)
        rc, out, err = run([client, "-c", shadow, "-t"])
        if rc != 0:
            raise Refused(last_words(out, err).replace(shadow, config_dir))
        verdict = judge(run, client=client, live=config_dir, wanted=shadow, forgiven=forgiven)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if verdict.errors:
        raise Refused("; ".join(_complaint(error) for error in verdict.errors[:5]))
    _check_sources(plan, verdict)
    return verdict


def apply(plan: Plan, verdict: Verdict, daemon: Daemon, *, running: list[str] | None) -> dict[str, Any]:
    """Write the files and bring the server along; if it does not follow, put the files back and say why.

    Returns ``{"reloaded", "stopped", "started", "jails"}``. Raises StockadeError.
    """
    wanted = set(verdict.wanted)
    stopped = sorted((set(running or []) & (set(verdict.live) | plan.off)) - wanted)
    reloaded = []
    if running is not None:
        other = {jail for jail in wanted if daemon.actions(jail) != actions(verdict.wanted[jail])}
        reloaded = sorted(verdict.changed() | (wanted - set(running)) | other)
    try:
        plan.files.apply(plan.changes)
        if running is None:
            daemon.start(wanted)
        for jail in stopped:
            daemon.stop(jail)
        for jail in reloaded:
            daemon.reload(jail, verdict.wanted[jail])
        daemon.settle(present=wanted, gone=set(stopped))
    except (StockadeError, OSError) as e:
        plan.undo()
        raise StockadeError("%s; %s" % (e, _recover(verdict, daemon, running=running, tried=reloaded))) from e
    return {
        "reloaded": reloaded,
        "stopped": stopped,
        "started": running is None,
        "jails": daemon.running() or [],
    }


def _withdraw(
    plan: Plan,
    daemon: Daemon,
    *,
    running: list[str],
    remaining: Callable[[], dict[str, list[list[Any]]]],
    why: str,
) -> tuple[dict[str, Any], list[str]]:
    """Take our files away although what remains is broken by itself (Debian 12's own sshd jail without a log is).

    Nobody must need us to get rid of us: our jails stop, every other jail is loaded anew as far as that works.
    """
    warnings = [_REST % why]
    plan.files.apply(plan.changes)
    stopped, reloaded = sorted(set(running) & set(plan.changes)), []
    for jail in stopped:
        daemon.stop(jail)
    configured = remaining()
    for jail in sorted((set(running) - set(stopped)) & set(configured)):
        try:
            daemon.reload(jail, configured[jail])
            reloaded.append(jail)
        except StockadeError as e:
            warnings.append(str(e))
    return {"reloaded": reloaded, "stopped": stopped, "started": False, "jails": daemon.running() or []}, warnings


def drifted(plan: Plan, daemon: Daemon, running: list[str] | None) -> bool:
    """Return whether the server is not what unchanged files say, as after an interrupted run.

    A jail without any action counts as well: that is what fail2ban's own reload makes of a jail whose action changed.
    """
    if running is None:
        return bool(plan.on)
    if plan.on - set(running) or plan.off & set(running):
        return True
    return not all(daemon.actions(jail) for jail in plan.on)


def _recover(verdict: Verdict, daemon: Daemon, *, running: list[str] | None, tried: list[str]) -> str:
    """Return the server to the old files, which are back already; return what became of it."""
    if running is None:
        return "the files are as before, fail2ban does not run, as before"
    try:
        for jail in tried:
            if jail not in verdict.live:
                daemon.stop(jail)
        for jail in sorted(set(verdict.live) & (set(tried) | (set(running) - set(daemon.running() or [])))):
            daemon.reload(jail, verdict.live[jail])
        daemon.settle(present=set(running), gone=set(tried) - set(running))
    except StockadeError as e:
        return "the files are as before, but fail2ban is not: %s; look at fail2ban-client status" % e
    return "files and jails are as before"


def _deaf(verdict: Verdict, plan: Plan) -> list[str]:
    """Warn of jails that ban by a warden that is not here because another file says so."""
    ours = [jail for jail in sorted(plan.on) if OUR_ACTION in actions(verdict.wanted.get(jail, []))]
    if not ours or warden_here():
        return []
    return ["no warden on this host: %s would detect and not ban; set another banaction" % ", ".join(ours)]


def _complaint(error: dict[str, Any]) -> str:
    if error["jail"] is None:
        return " ".join(str(error["error"]).split())
    return "jail %s, %s: %s" % (error["jail"], error["setting"], " ".join(str(error["error"]).split()))


def _check_sources(plan: Plan, verdict: Verdict) -> None:
    """Refuse a declared jail that would look active and see nothing."""
    for name in sorted(plan.on & set(plan.changes)):
        if name not in verdict.wanted:
            raise Refused("jail %s is declared but another file turns it off" % name)
        journal = backend(verdict.wanted[name]).startswith("systemd")
        text = plan.changes[name] or ""
        if journal and "\nlogpath = " in text:
            raise Refused("jail %s: logpath is not read with backend systemd: set backend" % name)
        if not journal and "\njournalmatch = " in text:
            raise Refused("jail %s: journalmatch needs backend: systemd" % name)
        if not journal and not settings(verdict.wanted[name], "addlogpath"):
            raise Refused("jail %s has no log to read: set logpath, or backend: systemd" % name)


def converge(
    params: dict[str, Any],
    *,
    run: Run,
    find: Callable[[str], str | None],
    scratch: str,
    check: bool,
    diff: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Do the work of the module ``fail2ban_jails``; return its result and its warnings. Raises StockadeError."""
    if os.geteuid() != 0:
        raise StockadeError("cannot manage fail2ban's jails: needs root: add -b (become)")
    config_dir, absent = params["config_dir"], params["state"] == "absent"
    files = ManagedFiles(os.path.join(config_dir, "jail.d"))
    jails: list[dict[str, Any]] = params["jails"]
    said: list[str] = []
    if not absent:
        jails, said = resolve(jails, present=files.read().values(), check=check)
    plan = Plan(files, jails, absent=absent, prune=params["prune"])
    result: dict[str, Any] = {"changed": bool(plan.changes)}
    if diff:
        result["diff"] = plan.diff()
    client = find("fail2ban-client")
    if client is None or not os.path.isdir(config_dir):
        if check and plan.changes:
            return result, [*said, "fail2ban is not installed here yet: predicted without trying the jails"]
        if not absent and not check:
            raise StockadeError("fail2ban is not installed: apply the role stockade.fleet.fail2ban")
        plan.files.apply(plan.changes)  # left over from a fail2ban that is gone
        return result, []
    daemon = Daemon(
        run, client=Fail2banClient(), command=client, config_dir=config_dir, systemctl=find("systemctl")
    )  # fmt: skip
    running = daemon.running()
    if not plan.changes and not drifted(plan, daemon, running):
        return dict(result, jails=running or []), said
    if absent and running is None:
        plan.files.apply({} if check else plan.changes)
        return result, []
    try:
        verdict = preflight(
            plan,
            run=run,
            client=client,
            config_dir=config_dir,
            scratch=scratch,
            forgiven=(OUR_ACTION + ".py",) if check else (),  # its file may come with the role
        )
    except Refused as e:
        if not absent:
            raise
        if check:
            return result, [_REST % e.why]
        told, warnings = _withdraw(
            plan,
            daemon,
            running=running or [],
            remaining=lambda: judge(run, client=client, live=config_dir, wanted=config_dir).live,
            why=e.why,
        )
        return dict(result, **told), warnings
    if running is None and not params["start"]:
        raise StockadeError(
            "fail2ban is installed but does not run, so a jail cannot be seen to come up: "
            "start it (systemctl start fail2ban) or pass start=true"
        )
    result["changed"] = True
    if check:
        return dict(result, jails=sorted(verdict.wanted)), said
    result.update(apply(plan, verdict, daemon, running=running))
    return result, said + _deaf(verdict, plan)
