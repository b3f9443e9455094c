# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing, upgrading and removing the agent.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _toml as toml
from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient

UNITS = "/etc/systemd/system"
CONFIG_DIRECTORY = "/etc/stockade"
WARDEN_CONFIG = CONFIG_DIRECTORY + "/warden.toml"
OWN_UNITS = ("stockade-warden.socket", "stockade-warden.service", "stockade-watcher.service")
ENABLED_UNITS = ("stockade-warden.socket", "stockade-warden.service")
SERVICES = ("stockade-watcher", "stockade-warden")  # each is a user, a state directory and a unit
READY_SECONDS = 45.0
HEADER = "# Managed by the Ansible collection stockade.fleet; changes are overwritten.\n"


class Agent:
    """The agent of this host. ``settings`` are the keys of warden.toml."""

    def __init__(self, *, run: Run, settings: dict[str, t.Any]) -> None:
        self._run = run
        self._config = HEADER + "".join("%s = %s\n" % (k, toml.value(v)) for k, v in sorted(settings.items()))

    def differences(self, name: str) -> list[str]:
        """What installing version ``name`` would change, in words; empty if nothing."""
        found = []
        if tree.current() != name or not tree.is_intact(name):
            return ["version %s -> %s" % (tree.current() or "none", name)]
        source = tree.version_directory(name)
        found += [path for path, wanted in self._copies(source) if not _same_file(path, wanted)]
        if not os.path.islink(tree.COMMAND):
            found.append(tree.COMMAND)
        if _read(WARDEN_CONFIG) != self._config:
            found.append(WARDEN_CONFIG)
        states = self._unit_states(ENABLED_UNITS)
        found += [
            "%s is %s and %s" % (unit, *state) for unit, state in states.items() if state != ("active", "enabled")
        ]
        return found

    def install(self, name: str, content: bytes | None) -> None:
        """Bring the host to version ``name``; on failure the version before is put back.

        Raises StockadeError with the reason, and whether the old version runs again.
        """
        before = tree.current()
        if content is not None:
            tree.unpack(name, content, self._run)
        try:
            self._activate(name)
        except StockadeError as error:
            if before is None or before == name or not tree.is_intact(before):
                raise
            self._activate(before)
            raise StockadeError("%s; version %s runs again" % (error, before)) from None
        tree.prune({name, before})

    def remove(self) -> list[str]:
        """Take the agent off this host: services, rules, files, users, in the order that leaves nothing half alive."""
        removed = []
        present = [unit for unit in OWN_UNITS if os.path.exists(os.path.join(UNITS, unit))]
        if present:
            self._systemctl("disable", "--now", *reversed(present))
        removed += [os.path.join(UNITS, unit) for unit in present]
        if present or os.path.isdir(tree.BASE):
            self._run(["/usr/sbin/nft", "add table inet stockade; delete table inet stockade"])
        removed += [tree.COMMAND] if os.path.lexists(tree.COMMAND) else []
        for path in removed:
            tree.remove(path)
        states = ["/var/lib/" + name for name in ("stockade", "stockade-watcher")]
        for directory in (tree.BASE, CONFIG_DIRECTORY, "/run/stockade", *states):
            if os.path.isdir(directory):
                shutil.rmtree(directory)
                removed.append(directory)
        if present:
            self._systemctl("daemon-reload")
            self._run(["/usr/bin/systemctl", "reset-failed", *present])  # fails if none had failed: nothing to do then
        return removed + self._remove_users()

    def installed(self) -> list[str]:
        """What of the agent is on this host, in words; empty if nothing is."""
        units = [os.path.join(UNITS, unit) for unit in OWN_UNITS]
        return [p for p in (tree.BASE, tree.COMMAND, CONFIG_DIRECTORY, *units) if os.path.lexists(p)]

    def _activate(self, name: str) -> None:
        source = tree.version_directory(name)
        tree.switch(name)
        tree.link(os.path.join(tree.CURRENT, "bin", "stockade"), tree.COMMAND)
        os.makedirs(CONFIG_DIRECTORY, mode=0o755, exist_ok=True)
        for path, wanted in self._copies(source):
            _write(path, _read(wanted) or "")
        _write(WARDEN_CONFIG, self._config)
        self._must(["/usr/bin/systemd-sysusers", os.path.join(source, "sysusers", "stockade.conf")], "create the users")
        self._systemctl("daemon-reload")
        self._systemctl("enable", *ENABLED_UNITS)
        self._systemctl("start", "stockade-warden.socket")
        self._systemctl("restart", "stockade-warden.service")
        self._systemctl("try-restart", "stockade-watcher.service")
        self._wait_until_enforcing()

    def _wait_until_enforcing(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        status: dict[str, t.Any] = {}
        while time.monotonic() < deadline:
            status = WardenClient(timeout=READY_SECONDS).call("status")
            if status["state"] != "degraded":
                return
            time.sleep(0.2)
        raise StockadeError("the warden runs, but bans are not in force: %s" % "; ".join(status["problems"]))

    def _copies(self, source: str) -> list[tuple[str, str]]:
        return [(os.path.join(UNITS, unit), os.path.join(source, "systemd", unit)) for unit in OWN_UNITS]

    def _unit_states(self, units: t.Sequence[str]) -> dict[str, tuple[str, str]]:
        rc, out, _err = self._run(["/usr/bin/systemctl", "show", "-p", "Id,ActiveState,UnitFileState", *units])
        states = {}
        for block in out.strip().split("\n\n") if rc == 0 else []:
            values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            states[values.get("Id", "")] = (values.get("ActiveState", ""), values.get("UnitFileState", ""))
        return {unit: states.get(unit, ("unknown", "unknown")) for unit in units}

    def _remove_users(self) -> list[str]:
        removed = []
        for name in SERVICES:
            if self._run(["/usr/bin/getent", "passwd", name])[0] == 0:
                self._must(["/usr/sbin/userdel", name], "remove the user %s" % name)
                removed.append("user " + name)
        for name in (*SERVICES, "stockade"):
            if self._run(["/usr/bin/getent", "group", name])[0] == 0:
                self._must(["/usr/sbin/groupdel", name], "remove the group %s" % name)
                removed.append("group " + name)
        return removed

    def _systemctl(self, *words: str) -> None:
        self._must(["/usr/bin/systemctl", *words], "%s %s" % (words[0], " ".join(words[1:])))

    def _must(self, command: list[str], purpose: str) -> None:
        rc, out, err = self._run(command)
        if rc != 0:
            raise StockadeError("cannot %s: %s" % (purpose.strip(), (err.strip() or out.strip())[:500]))


def _same_file(path: str, other: str) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: str, content: str) -> None:
    if _read(path) == content:
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)
