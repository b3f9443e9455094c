# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of fail2ban's server itself: its log, its database, its threads.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

What the running server takes over its socket is set there, at once; for the rest the service is restarted, and has to
come back with every jail it had. The socket and the file of the process id are not among the settings: whoever talks to
fail2ban looks for it where it is by default, this collection too.
"""

from __future__ import annotations

import os
from typing import Any

from .._errors import StockadeError
from ._client import Fail2banClient
from ._converge import Host, try_out
from ._daemon import Daemon
from ._declare_jails import is_duration
from ._files import DAEMON
from ._plan import Declared, Plan
from ._text import assignment, quoted, section, value_lines

#: Option -> section, in the order in which they are written.
SETTINGS = {
    "loglevel": "Definition",
    "logtarget": "Definition",
    "syslogsocket": "Definition",
    "dbfile": "Definition",
    "dbpurgeage": "Definition",
    "dbmaxmatches": "Definition",
    "allowipv6": "Definition",
    "stacksize": "Thread",
}
#: What the server takes while it runs, in this order: the target is opened with the level.
_AT_ONCE = ("loglevel", "syslogsocket", "logtarget", "dbmaxmatches", "dbpurgeage")
#: What it answers in the words in which it was told.
_COMPARABLE = ("loglevel", "logtarget", "dbmaxmatches")
_TARGETS = ("STDOUT", "STDERR", "SYSLOG", "SYSOUT", "SYSTEMD-JOURNAL")


def render(params: dict[str, Any]) -> str:
    """Return the text of the file; raises StockadeError naming the setting and the reason."""
    given = {name: params[name] for name in SETTINGS if params.get(name) is not None}
    if not given:
        raise StockadeError("no setting is given: name one, or state absent to go back to what the distribution says")
    for name, value in given.items():
        why = _objection(name, str(value))
        if why:
            raise StockadeError("%s is %s: %s" % (name, quoted(str(value)), why))
    parts = []
    for title in ("Definition", "Thread"):
        settings = {name: value for name, value in given.items() if SETTINGS[name] == title}
        lines = (assignment(name, value_lines("fail2ban", name, value)) for name, value in settings.items())
        parts.append(section(title, lines))
    return DAEMON.header + "\n" + "\n".join(part for part in parts if part)


def _objection(name: str, value: str) -> str:
    if name == "dbpurgeage" and not is_duration(value):
        return "not a duration (such as 1d, 12h)"
    if name == "dbmaxmatches" and int(value) < 0:
        return "must not be negative"
    if name == "stacksize" and value != "0" and int(value) < 32:
        return "at least 32 KiB, or 0 for the system's own size"
    if name == "logtarget":
        target = value.partition("[")[0].strip()
        if target not in _TARGETS and not _in_directory(target):
            return "neither one of %s nor an absolute path in a directory that exists" % ", ".join(_TARGETS)
    if name == "dbfile" and value not in ("None", ":memory:") and not _in_directory(value):
        return "neither None nor :memory: nor an absolute path in a directory that exists"
    return ""


def _in_directory(path: str) -> bool:
    return os.path.isabs(path) and os.path.isdir(os.path.dirname(path)) and not os.path.isdir(path)


class Settings:
    """The server of one host and what is declared for it."""

    def __init__(self, params: dict[str, Any], host: Host) -> None:
        """Raises StockadeError for settings that cannot be."""
        self._host = host
        self._start = bool(params["start"])
        self._absent = params["state"] == "absent"
        self._params = params
        self.plan = Plan(host.config_dir, [Declared(DAEMON, {"": None if self._absent else render(params)}, False)])

    def converge(self, *, check: bool, diff: bool) -> dict[str, Any]:
        """Make it true; return the module's result. Raises StockadeError."""
        host, plan = self._host, self.plan
        result: dict[str, Any] = {"changed": plan.changed, "restarted": False}
        if diff:
            result["diff"] = plan.diff()
        command = host.find("fail2ban-client")
        if command is None or not os.path.isdir(host.config_dir):
            if not check and not self._absent:
                raise StockadeError("fail2ban is not installed: apply the role stockade.fleet.fail2ban")
            if not check:
                plan.write()
            return result
        client = Fail2banClient()
        daemon = Daemon(
            host.run, client=client, command=command, config_dir=host.config_dir, systemctl=host.find("systemctl")
        )
        running = daemon.running()
        strays = [] if running is None else self._strays(client)
        starting = running is None and self._start
        if not plan.changed and not strays and not starting:
            return result
        verdict = try_out(plan, host, command=command)
        result["changed"] = True
        if check:
            return result
        told = {name: verdict.server.get(name) for name in _AT_ONCE}
        restart = running is not None and self._needs_restart()
        try:
            plan.write()
            if restart or starting:
                daemon.restart(set(running or verdict.wanted))
            elif running is not None:
                _tell(client, told, before={name: client.call(["get", name]) for name in _AT_ONCE})
        except (StockadeError, OSError) as e:
            lost = plan.undo()
            raise StockadeError(
                "%s; %s%s" % (e, _recover(daemon, running, restart), "; NOT put back: %s" % lost if lost else "")
            ) from e
        return dict(result, restarted=restart, jails=daemon.running() or [])

    def _strays(self, client: Fail2banClient) -> list[str]:
        """Return the settings that the server has been told otherwise since."""
        declared = {name: self._params.get(name) for name in _COMPARABLE if not self._absent}
        return [
            name
            for name, value in declared.items()
            if value is not None and _told(client.call(["get", name])) not in ("NONE", _told(value))
        ]

    def _needs_restart(self) -> bool:
        part = self.plan.parts[DAEMON]
        texts = [text or "" for text in (part.before.get(""), part.changes.get("", part.before.get("")))]
        later = [
            {line for line in text.splitlines() if line.partition(" = ")[0] in SETTINGS and not _at_once(line)}
            for text in texts
        ]
        return later[0] != later[1]


def _at_once(line: str) -> bool:
    """Other options of a target are no other target: those a running server does not take over."""
    return line.partition(" = ")[0] in _AT_ONCE and "[" not in line


def _told(value: Any) -> str:
    """Return a setting as the server tells it: without a target's options, None for what it has no use for."""
    return str(value).partition("[")[0].strip().upper()


def _tell(client: Fail2banClient, told: dict[str, Any], *, before: dict[str, Any]) -> None:
    """Have the running server take settings; what it had comes back if it refuses one."""
    done: list[str] = []
    try:
        for name, value in told.items():
            if value is not None and str(value) != str(before.get(name)):
                client.call(["set", name, str(value)])
                done.append(name)
    except StockadeError:
        for name in reversed(done):
            if before.get(name) is not None:
                client.call(["set", name, str(before[name])])
        raise


def _recover(daemon: Daemon, running: list[str] | None, restarted: bool) -> str:
    if running is None:
        daemon.halt()
        return "the file is as before, fail2ban does not run, as before"
    if not restarted:
        return "the file is as before"
    try:
        daemon.restart(set(running))
    except StockadeError as e:
        return "the file is as before, but fail2ban is not: %s" % e
    return "the file is as before, and fail2ban runs as before"
