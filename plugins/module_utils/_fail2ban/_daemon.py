# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a running fail2ban to another configuration without taking any other jail down.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

A ``reload`` of everything that fails removes every jail it has not reached yet, with their bans; a reload of one jail
removes at worst this one. So jails are reloaded one by one, and the server's own list is looked at afterwards, because
the command line prints ``OK`` and returns 0 even while jails are missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Callable, Iterator

from ._client import Fail2banClient, Fail2banError, Fail2banRefused, Fail2banUnavailable
from ._judge import Run, actions
from ._text import one_line

SERVICE = "fail2ban.service"
#: Seconds for a server to come up with all its jails; restoring bans from a large database takes most of it.
START_SECONDS = 60.0
#: Seconds for the list of jails to become the wanted one after a reload.
SETTLE_SECONDS = 15.0
_POLL = 0.1
#: There while files and server are brought along; whoever finds it knows that somebody was killed in between.
MARK = "/run/stockade-fail2ban.changing"


class Daemon:
    """fail2ban's server and its service."""

    def __init__(
        self,
        run: Run,
        *,
        client: Fail2banClient,
        command: str,
        config_dir: str,
        systemctl: str | None,
        sleep: Callable[[float], None] = time.sleep,
        mark: str = MARK,
    ) -> None:
        self._run = run
        self.client = client
        self._command = command
        self._config_dir = config_dir
        self._systemctl = systemctl
        self._sleep = sleep
        self._mark = mark

    def running(self) -> list[str] | None:
        """Return the names of the running jails, None without a server."""
        try:
            return self.client.jails()
        except Fail2banUnavailable as e:
            if isinstance(e.__cause__, (FileNotFoundError, ConnectionRefusedError)):
                return None
            raise

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Leave a mark for as long as the block runs, also if this process is killed in it."""
        with open(self._mark, "w", encoding="ascii"):
            pass
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._mark)

    def interrupted(self) -> bool:
        """Return whether an earlier change did not come to its end: files may say what the server was never told."""
        return os.path.exists(self._mark)

    def managed(self) -> bool:
        """Return whether the server that runs is the service's; without systemd nobody can say otherwise."""
        if self._systemctl is None:
            return True
        state = self._run([self._systemctl, "is-active", SERVICE])[1].strip()
        return state in ("active", "activating", "reloading")

    def reload(
        self,
        jail: str,
        commands: list[list[Any]],
        expected: dict[str, Any] | None = None,
        *,
        restart: bool = False,
    ) -> None:
        """Load one jail anew, or for the first time, and look into it.

        :param commands: what the configuration says of this jail
        :param expected: setting -> what the jail has to answer afterwards
        :param restart: whether its actions do something else now: what they did is undone by what they were

        Raises Fail2banError with fail2ban's own words.
        """
        argv = [self._command, "-c", self._config_dir, "reload", "--if-exists"]  # else a new jail is an error
        # A plain reload drops every action it has just added (1.0 and 1.1): the jail would detect and never ban.
        runs = jail in (self.running() or [])  # asking for another one would be an error in fail2ban's log
        if restart or not runs or actions(commands) - self.actions(jail):
            argv.append("--restart")
        rc, out, err = self._run([*argv, jail])
        if rc != 0:
            raise Fail2banError("fail2ban did not load jail %s: %s" % (jail, last_words(out, err)))
        self.settle(present={jail}, gone=set())
        how = self.differs(jail, commands, expected or {})
        if how:
            raise Fail2banError("jail %s runs with %s" % (jail, how))

    def stop(self, jail: str) -> None:
        """Stop one jail; that it does not run is fine."""
        try:
            self.client.call(["stop", jail], timeout=60.0)
        except Fail2banRefused as e:
            if e.kind != "UnknownJailException":
                raise

    def start(self, wanted: set[str]) -> None:
        """Start the service and wait for its jails; raises Fail2banError with what the service said."""
        if self._systemctl is None:
            raise Fail2banError("cannot start fail2ban: no systemctl on this host; start it and run this again")
        self._bring_up("start", wanted)

    def restart(self, wanted: set[str]) -> None:
        """Restart the service and wait for its jails; raises Fail2banError with what the service said."""
        if self._systemctl is None:
            raise Fail2banError("cannot restart fail2ban: no systemctl on this host; restart it and run this again")
        self._bring_up("restart", wanted)

    def _bring_up(self, verb: str, wanted: set[str]) -> None:
        systemctl = str(self._systemctl)
        self._run([systemctl, "reset-failed", SERVICE])
        rc, out, err = self._run([systemctl, verb, SERVICE])
        if rc != 0:
            raise Fail2banError("fail2ban did not %s: %s" % (verb, last_words(out, err)))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            state = self._run([systemctl, "is-active", SERVICE])[1].strip()
            jails = self.running()
            if jails is not None and wanted <= set(jails):
                return
            if state != "active":
                raise Fail2banError("fail2ban did not stay up (%s): %s" % (state, self._journal()))
            self._sleep(_POLL)
        missing = sorted(wanted - set(self.running() or []))
        raise Fail2banError("fail2ban started without %s: %s" % (", ".join(missing), self._journal()))

    def halt(self) -> None:
        """Stop the service, which did not run before."""
        if self._systemctl is not None:
            self._run([self._systemctl, "stop", SERVICE])

    def settle(self, *, present: set[str], gone: set[str], seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the server runs all of ``present`` and none of ``gone``; raises Fail2banError if it does not."""
        deadline = time.monotonic() + seconds
        while True:
            jails = set(self.running() or [])
            missing, extra = present - jails, gone & jails
            if not missing and not extra:
                return
            if time.monotonic() >= deadline:
                break
            self._sleep(_POLL)
        said = ["%s does not run" % jail for jail in sorted(missing)]
        said += ["%s still runs" % jail for jail in sorted(extra)]
        raise Fail2banError("fail2ban's jails are not the wanted ones: %s" % ", ".join(said))

    def actions(self, jail: str) -> set[str]:
        """Return the names of a running jail's actions, nothing for a jail that does not run."""
        try:
            return {str(name) for name in self.client.call(["get", jail, "actions"])}
        except Fail2banRefused:
            return set()

    def logs(self, jail: str) -> list[str] | None:
        """Return the files that a running jail reads, sorted; None if it does not run, or reads no file."""
        try:
            return sorted(str(path) for path in self.client.call(["get", jail, "logpath"]) or []) or None
        except Fail2banRefused:
            return None

    def differs(self, jail: str, commands: list[list[Any]], expected: dict[str, Any]) -> str:
        """Return how a running jail is not what its configuration says, nothing if it is.

        Raises Fail2banError for a jail that does not run.
        """
        running, wanted = sorted(self.actions(jail)), sorted(actions(commands))
        if running != wanted:
            return "the actions %s instead of %s" % (", ".join(running) or "none", ", ".join(wanted) or "none")
        for setting, value in expected.items():
            found = self.client.call(["get", jail, setting])
            if _plain(found) != _plain(value):
                return "%s %s instead of %s" % (setting, one_line(found), one_line(value))
        return ""

    def _journal(self) -> str:
        rc, out, err = self._run(["journalctl", "--unit", SERVICE, "--lines", "20", "--output", "cat", "--no-pager"])
        return last_words(out, err) if rc == 0 else "see the journal of %s" % SERVICE


def _plain(value: Any) -> Any:
    """Return an answer as JSON has it, lists of files in one order."""
    plain = json.loads(json.dumps(value, default=str))
    return sorted(plain, key=str) if isinstance(plain, list) else plain


def last_words(out: str, err: str) -> str:
    """Return what a fail2ban program said, errors first; one line, at most 500 characters."""
    lines = [line.strip() for line in (err + "\n" + out).splitlines() if line.strip()]
    # the verdict alone says nothing, and stands last after the reasons
    lines = [line for line in lines if not line.endswith("test configuration failed")] or lines
    telling = [line for line in lines if "ERROR" in line or "NOK" in line] or lines[-3:]
    shown = "; ".join(dict.fromkeys(line.split("ERROR", 1)[-1].strip(" :") or line for line in telling))
    return "".join(c if c.isprintable() else " " for c in shown)[:500] or "it said nothing"
