# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing and upgrading the agent.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent import backends, reports, settings, tree, units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import Choice
from ansible_collections.stockade.fleet.plugins.module_utils._agent.reports import Reports
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient

CONFIG = "/etc/stockade/warden.toml"
READY_SECONDS = 45.0


class Before(t.NamedTuple):
    """What ran before, to come back if what follows does not."""

    version: str | None
    files: dict[str, bytes | None]
    watcher: bool
    timers: list[str]


class Agent:
    """The agent of this host. ``options`` are the keys of warden.toml."""

    def __init__(self, *, run: Run, options: dict[str, t.Any], choice: Choice, reports: Reports) -> None:
        self._run = run
        self._config = settings.render(options)
        self._choice = choice
        self._reports = reports

    def differences(self, name: str) -> list[str]:
        """What installing version ``name`` would change, in words; empty if nothing.

        Raises StockadeError if the configuration would change to one that the warden does not take, and for a secret
        that is none.
        """
        version, wanted_files = tree.current(), self._wanted(name)
        if version != name or not tree.is_intact(name):
            found = ["version %s -> %s" % (version or "none", name)]
        else:
            found = [path for path, wanted in wanted_files.items() if tree.read(path) != wanted]
            found += [path for path, target in _links(name).items() if _target(path) != target]
            found += backends.leftovers(self._run, self._choice.names)
            states = units.states(self._run)
            stopped = [unit for unit in units.ENABLED if states[unit] != ("active", "enabled")]
            off, on = units.timers_to_change(states, self._reports.timers)
            found += ["%s is %s and %s" % (unit, *states[unit]) for unit in (*stopped, *off, *on)]
        if found:
            settings.judge(self._config, wanted=name, run=self._run)
        return found

    def install(self, name: str, content: bytes | None) -> None:
        """Bring the host to version ``name``; on failure what ran before runs again.

        Raises StockadeError with the reason, and what runs now.
        """
        if content is not None:
            try:
                tree.unpack(name, content, self._run)
            except OSError as error:
                raise StockadeError("cannot unpack the agent to %s: %s" % (tree.BASE, error.strerror)) from None
            settings.judge(self._config, wanted=name, run=self._run)
        wanted = self._wanted(name)
        states = units.states(self._run)
        before = Before(
            tree.current(),
            {path: tree.read(path) for path in wanted},
            watcher=states[units.WATCHER].active not in units.GONE,
            timers=[unit for unit in units.TIMERS.values() if units.is_on(states[unit])],
        )
        try:
            self._activate(name, wanted, watcher=before.watcher)
        except (StockadeError, OSError) as error:
            raise StockadeError("%s; %s" % (error, self._put_back(before))) from None
        tree.prune({name, before.version})

    def _activate(self, name: str, files: dict[str, bytes | None], *, watcher: bool) -> None:
        tree.switch(name)
        for path, target in _links(name).items():
            tree.link(target, path)
        for path, content in files.items():
            self._write(path, content)
        sysusers = os.path.join(tree.version_directory(name), "sysusers", "stockade.conf")
        units.must(self._run, ["/usr/bin/systemd-sysusers", sysusers], "create the users")
        units.start(self._run, watcher=watcher)
        units.set_timers(self._run, self._reports.timers)
        self._wait_until_enforcing()
        backends.clear(self._run, self._choice.names)

    def _put_back(self, before: Before) -> str:
        """Files, link and services as they were; says in words what runs now."""
        try:
            if before.version is None:
                units.withdraw(self._run)
                for path in (tree.COMMAND, tree.COMPLETION):
                    tree.remove(path)
            else:
                units.stop_timers(self._run, keep=before.timers)  # while their files are there
            tree.switch(before.version)
            for path, content in before.files.items():
                self._write(path, content)
            if before.version is None:
                backends.clear(self._run, [])
                return "nothing ran before, and nothing was left running"
            units.start(self._run, watcher=before.watcher)
            self._wait_until_enforcing()
            units.set_timers(self._run, before.timers)
        except (StockadeError, OSError) as error:
            return "and going back to version %s failed: %s" % (before.version or "none", error)
        return "version %s runs again, with the configuration from before" % before.version

    def _wait_until_enforcing(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        status: dict[str, t.Any] = {}
        while time.monotonic() < deadline:
            status = WardenClient(timeout=READY_SECONDS).call("status")
            if status["state"] != "degraded":
                return
            time.sleep(0.2)
        raise StockadeError("the warden runs, but bans are not in force: %s" % "; ".join(status["problems"]))

    def _wanted(self, name: str) -> dict[str, bytes | None]:
        """Every file that version ``name`` has outside its own directory."""
        source = os.path.join(tree.version_directory(name), "systemd")
        files = {units.path(unit): tree.read(os.path.join(source, unit)) for unit in units.FILES}
        files[CONFIG] = self._config.encode()
        return {**files, **backends.files(self._choice), **self._reports.files()}

    def _write(self, path: str, content: bytes | None) -> None:
        if content is None and path == reports.LOGROTATE:
            tree.remove(path)  # its directory is another package's, also where it is empty then
            return
        tree.write(path, content, secret=path.startswith(backends.CREDENTIALS + "/"))


def _links(name: str) -> dict[str, str]:
    """Every link that version ``name`` has outside its own directory, with what it points to."""
    wanted = {
        tree.COMMAND: os.path.join("bin", "stockade"),
        tree.COMPLETION: os.path.join("completion", "stockade.bash"),
    }
    there = tree.version_directory(name)
    return {
        path: os.path.join(tree.CURRENT, target)
        for path, target in wanted.items()
        if os.path.exists(os.path.join(there, target))
    }


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
