# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan made true on one host: try it in a copy, apply it, look, or put everything back.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, NamedTuple

from .._errors import StockadeError
from ._banaction import OUR_ACTION, warden_here
from ._client import Fail2banClient
from ._daemon import SERVICE, Daemon
from ._detect import files
from ._files import ACTIONS, FILTERS, JAILS, copy_config
from ._judge import Run, Verdict, actions, judge, judge_samples
from ._plan import Plan
from ._sources import check_options, check_sources, missing_logs
from ._text import one_line

_REST = "without these files fail2ban's configuration is broken by itself: %s"


class Refused(StockadeError):
    """fail2ban would not run with a configuration as declared; ``why`` says so, nothing was changed."""

    def __init__(self, why: str) -> None:
        super().__init__("refused, nothing was changed: %s" % why)
        self.why = why


class Wish(NamedTuple):
    """What a module was asked for, beside the files of its plan."""

    plan: Plan
    #: Filters to try with samples, as `judge_samples` takes them.
    samples: dict[str, Any]
    #: Jail -> names of the options that are declared for it.
    options: dict[str, set[str]]
    #: Jail -> log paths declared for it, to find logs that have come or gone.
    logpaths: dict[str, list[str]]
    absent: bool
    start: bool


class Host(NamedTuple):
    """The host, as far as fail2ban is concerned."""

    run: Run
    find: Callable[[str], str | None]
    config_dir: str
    #: A private directory that does not exist yet.
    scratch: str


def converge(wish: Wish, host: Host, *, check: bool, diff: bool) -> tuple[dict[str, Any], list[str]]:
    """Do the work of a module; return its result and its warnings. Raises StockadeError."""
    plan = wish.plan
    result: dict[str, Any] = {"changed": plan.changed}
    if diff:
        result["diff"] = plan.diff()
    command = host.find("fail2ban-client")
    if command is None or not os.path.isdir(host.config_dir):
        return _without_fail2ban(wish, result, check=check)
    daemon = Daemon(
        host.run,
        client=Fail2banClient(),
        command=command,
        config_dir=host.config_dir,
        systemctl=host.find("systemctl"),
    )
    running = daemon.running()
    if running is not None and wish.start and not daemon.managed():
        raise StockadeError(
            "fail2ban runs, but not as %s: somebody started it by hand, and systemd will not keep it; "
            "stop it (fail2ban-client stop) and run this again" % SERVICE
        )
    if not plan.changed and not drifted(wish, daemon, running):
        return dict(result, jails=running or []), []
    if wish.absent and running is None and JAILS in plan.parts:
        if not check:
            plan.write()
        return result, []
    try:
        verdict = preflight(wish, host, command=command, check=check)
    except Refused as e:
        if not wish.absent or JAILS not in plan.parts:
            raise
        if check:
            return result, [_REST % e.why]
        told, warnings = _withdraw(wish, host, daemon, command=command, running=running or [], why=e.why)
        return dict(result, **told), warnings
    if running is None and not wish.start and wish.options:
        raise StockadeError(
            "fail2ban is installed but does not run, so a jail cannot be seen to come up: "
            "start it (systemctl start fail2ban) or pass start=true"
        )
    if not plan.changed and not drifted(wish, daemon, running, wanted=verdict.wanted):
        return dict(result, jails=running or []), []
    result["changed"] = True
    if check:
        return dict(result, jails=sorted(verdict.wanted)), []
    result.update(apply(wish, verdict, daemon, running=running))
    return result, _deaf(verdict, plan)


def preflight(wish: Wish, host: Host, *, command: str, check: bool) -> Verdict:
    """Try the composed configuration in a copy; nothing live is touched.

    Raises Refused with fail2ban's own message when the configuration would harm the server.
    """
    forgiven = (OUR_ACTION + ".py",) if check else ()  # its file may come with the role
    try:
        verdict = try_out(wish.plan, host, command=command, samples=wish.samples, forgiven=forgiven)
    except Refused as e:
        lost = missing_logs(wish.logpaths) if "any log file" in e.why else []
        if lost:
            raise Refused("; ".join(lost)) from None
        raise
    why = check_options(wish.options, verdict) or check_sources(wish.plan, wish.logpaths, verdict)
    if why:
        raise Refused("; ".join(why))
    return verdict


def try_out(
    plan: Plan,
    host: Host,
    *,
    command: str,
    samples: dict[str, Any] | None = None,
    forgiven: tuple[str, ...] = (),
) -> Verdict:
    """Have fail2ban's own code try a plan in a copy of the configuration. Raises Refused."""
    shadow = os.path.join(host.scratch, "fail2ban")
    os.mkdir(host.scratch, 0o700)
    try:
        copy_config(host.config_dir, shadow)
        plan.write(shadow)
        tried = {name: lines for name, lines in (samples or {}).items() if name in plan.changes(FILTERS)}
        said = []
        if tried:
            said = judge_samples(host.run, client=command, base=shadow, filters=tried, scratch=host.scratch)
        if said:
            raise Refused("; ".join(one_line(error.replace(shadow, host.config_dir)) for error in said[:5]))
        verdict = judge(
            host.run,
            client=command,
            live=host.config_dir,
            wanted=shadow,
            forgiven=forgiven,
            actions=[name for name, text in plan.changes(ACTIONS).items() if text is not None],
        )
    finally:
        shutil.rmtree(host.scratch, ignore_errors=True)
    if verdict.errors:
        raise Refused("; ".join(_complaint(error) for error in verdict.errors[:5]))
    return verdict


def apply(wish: Wish, verdict: Verdict, daemon: Daemon, *, running: list[str] | None) -> dict[str, Any]:
    """Write the files and bring the server along; if it does not follow, put the files back and say why.

    Returns ``{"reloaded", "stopped", "started", "jails"}``. Raises StockadeError.
    """
    plan, wanted = wish.plan, set(verdict.wanted)
    gone = {name for name, text in plan.changes(JAILS).items() if text is None}  # live files may tell nothing
    stopped = sorted((set(running or []) & (set(verdict.live) | plan.off | gone)) - wanted)
    reloaded: list[str] = []
    started = running is None and wish.start
    if running is not None:
        other = {
            jail
            for jail in wanted & set(running)
            if daemon.differs(jail, verdict.wanted[jail], verdict.expected.get(jail, {}))
        }
        reloaded = sorted(verdict.changed() | (wanted - set(running)) | other)
    with daemon.changing():
        try:
            plan.write()
            if started:
                daemon.start(wanted)
            for jail in stopped:
                daemon.stop(jail)
            for jail in reloaded:
                daemon.reload(
                    jail, verdict.wanted[jail], verdict.expected.get(jail, {}), restart=verdict.acts_anew(jail)
                )  # fmt: skip
            if running is not None:
                daemon.settle(present=wanted, gone=set(stopped))
        except (StockadeError, OSError) as e:
            why = e if isinstance(e, StockadeError) else "cannot write %s: %s" % (e.filename, e.strerror)
            lost = plan.undo()
            back = _recover(verdict, daemon, running=running, started=started, tried=reloaded)
            raise StockadeError("%s; %s%s" % (why, back, "; NOT put back: %s" % lost if lost else "")) from e
    return {"reloaded": reloaded, "stopped": stopped, "started": started, "jails": daemon.running() or []}


def drifted(
    wish: Wish, daemon: Daemon, running: list[str] | None, *, wanted: dict[str, list[list[Any]]] | None = None
) -> bool:
    """Return whether the server is not what unchanged files say: after an interrupted run, or with logs that came.

    A jail without any action counts as well: that is what fail2ban's own reload makes of a jail whose action changed.
    With ``wanted``, the commands of each jail, it does not count if it is to have none.
    """
    plan = wish.plan
    if running is None:
        return bool(plan.on)
    if plan.on - set(running) or plan.off & set(running) or daemon.interrupted():
        return True
    idle = [jail for jail in plan.on if not daemon.actions(jail)]
    return bool(_strayed(wish, daemon)) or any(wanted is None or actions(wanted.get(jail, [])) for jail in idle)


def _strayed(wish: Wish, daemon: Daemon) -> list[str]:
    """Return the jails that read other files than their paths name now: fail2ban looks for files only when it loads."""
    return [jail for jail, paths in wish.logpaths.items() if daemon.logs(jail) not in (None, files(paths))]


def _without_fail2ban(wish: Wish, result: dict[str, Any], *, check: bool) -> tuple[dict[str, Any], list[str]]:
    if check and wish.plan.changed and not wish.absent:
        return result, ["fail2ban is not installed here yet: predicted without trying it"]
    if not wish.absent and not check:
        raise StockadeError("fail2ban is not installed: apply the role stockade.fleet.fail2ban")
    if not check:
        wish.plan.write()  # left over from a fail2ban that is gone
    return result, []


def _withdraw(
    wish: Wish, host: Host, daemon: Daemon, *, command: str, running: list[str], why: str
) -> tuple[dict[str, Any], list[str]]:
    """Take our jails away although what remains is broken by itself (Debian 12's own sshd jail without a log is).

    Nobody must need us to get rid of us: our jails stop, every other jail is loaded anew as far as that works.
    """
    warnings = [_REST % why]
    plan = wish.plan
    plan.write()
    stopped, reloaded = sorted(set(running) & set(plan.changes(JAILS))), []
    for jail in stopped:
        daemon.stop(jail)
    told = judge(host.run, client=command, live=host.config_dir, wanted=host.config_dir)
    for jail in sorted((set(running) - set(stopped)) & set(told.live)):
        try:
            daemon.reload(jail, told.live[jail])
            reloaded.append(jail)
        except StockadeError as e:
            warnings.append(str(e))
    return {"reloaded": reloaded, "stopped": stopped, "started": False, "jails": daemon.running() or []}, warnings


def _recover(verdict: Verdict, daemon: Daemon, *, running: list[str] | None, started: bool, tried: list[str]) -> str:
    """Return the server to the old files, which are back already; return what became of it."""
    if running is None:
        if started:
            daemon.halt()
        return "the files are as before, fail2ban does not run, as before"
    try:
        for jail in sorted(set(tried) & set(daemon.running() or []) - set(verdict.live)):
            daemon.stop(jail)
        for jail in sorted(set(verdict.live) & (set(tried) | (set(running) - set(daemon.running() or [])))):
            daemon.reload(jail, verdict.live[jail], restart=verdict.acts_anew(jail))
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
    where = [error["setting"] or ""] if error["jail"] is None else ["jail %s" % error["jail"], str(error["setting"])]
    return ": ".join(part for part in (", ".join(word for word in where if word), one_line(error["error"])) if part)
