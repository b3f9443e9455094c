# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else a host has to allow before sshd may listen on another port: the firewall in use and SELinux.

Only what we opened is closed again, so that is written down, and before it is opened: whoever is killed in between
leaves a line too many, never a door that nobody knows of. A line too many does no harm, for a rule of ufw's bears our
comment and the others are looked at again before they are taken back.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doorways import (
    Find,
    Firewalld,
    Programs,
    Selinux,
    Step,
    Ufw,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.ports import answering
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.saved import sync

RECORD = "/var/lib/stockade-ssh/opened"

_ROW = re.compile(r"(?:ufw [0-9]{1,5}|firewalld(?:-permanent)? [0-9]{1,5} \w[\w.-]*|selinux [0-9]{1,5}(?: \w+)?)")
_LEGACY = "/proc/net/ip_tables_names"  # the tables of the kernel's older filter, if anybody loaded it
_MAY_DROP = "a ruleset of nftables that drops by default may not let port {} in: the new login will tell"


class Doors:
    """The firewall and SELinux of one host. ``run`` is ``module.run_command``, ``find`` knows a program's path."""

    def __init__(self, run: host.Run, *, record: str = RECORD, find: Find | None = None) -> None:
        self._run = run
        self._programs = Programs(run, find or _find)
        self._record = record
        self._ufw, self._firewalld = Ufw(self._programs), Firewalld(self._programs)
        self._selinux = Selinux(self._programs)

    def any_opened(self) -> bool:
        """Whether ``close`` may have something to do."""
        return bool(self._rows())

    def check(self, ports: Iterable[int]) -> list[str]:
        """What ``open`` would do. Raises StockadeError for what cannot be done."""
        wanted = sorted(set(ports))
        return [step.text for step in self._steps(wanted)] + self.warnings(wanted)

    def warnings(self, ports: Iterable[int]) -> list[str]:
        """Why a port may stay shut all the same: rules that somebody wrote by hand are not for us to edit."""
        wanted = sorted(set(ports))
        if not wanted or not self._programs.find("nft") or self._ufw.active() or self._firewalld.active():
            return []
        try:
            ruleset = self._ruleset()
        except StockadeError:
            return []  # the new login tells, with or without this warning
        return [_MAY_DROP.format(port) for port in wanted] if _drops(ruleset) else []

    def firewalls(self) -> list[str]:
        """What filters packets here beside us: ufw, firewalld, or else nftables or iptables, ruled by hand."""
        fronts: dict[str, Ufw | Firewalld] = {"ufw": self._ufw, "firewalld": self._firewalld}
        found = [name for name, part in fronts.items() if part.active()]
        if not found and self._programs.find("nft"):
            found += ["nftables"] if _hooked(self._ruleset()) else []
        if not found and files.content(_LEGACY):
            found.append("iptables")
        return found

    def open(self, ports: Iterable[int]) -> list[str]:
        """Open what is shut. Raises StockadeError, and what had been opened on the way is closed then."""
        wanted = sorted(set(ports))
        steps, before = self._steps(wanted), self._rows()
        fresh = [step.row for step in steps if step.row not in before]
        if fresh:
            self._write(before + fresh)
        for step in steps:
            try:
                self._programs.ask(step.command)
            except Exception:
                with contextlib.suppress(StockadeError):
                    self._close(fresh)
                raise
        return [step.text for step in steps] + self.warnings(wanted)

    def close(self, keep: Iterable[int]) -> list[str]:
        """Take back what we opened for other ports than these, as far as it is still as we left it.

        Raises StockadeError with all that could not be closed; the next call tries again.
        """
        kept = {str(port) for port in keep}
        return self._close([row for row in self._rows() if row.split(" ")[1] not in kept])

    def _ruleset(self) -> str:
        return self._programs.ask(("nft", "-j", "list", "ruleset"))[1]

    def close_unused(self, sshd: str | None) -> list[str]:
        """The same for all but the ports on which sshd, a path, listens now; without sshd there is none to keep."""
        if not self.any_opened():  # nearly always, and then neither systemd nor sshd has to be asked
            return []
        return self.close(answering(self._run, sshd))

    def _steps(self, ports: list[int]) -> list[Step]:
        parts: list[Ufw | Firewalld | Selinux] = [self._ufw, self._firewalld, self._selinux]
        return [step for part in parts if ports and part.active() for step in part.opening(ports)]

    def _close(self, rows: list[str]) -> list[str]:
        texts, problems = [], []
        parts: dict[str, Ufw | Firewalld | Selinux] = {"ufw": self._ufw, "selinux": self._selinux}
        for row in rows:
            kind, port, more = (row + " ").split(" ")[:3]
            try:
                step = parts.get(kind, self._firewalld).closing(row, int(port), more)
                if step is None:
                    continue
                if step.command:
                    self._programs.ask(step.command)
                    texts.append(step.text)
                self._write([other for other in self._rows() if other != row])
            except StockadeError as error:
                problems.append(str(error))
        if problems:
            raise StockadeError("cannot close what was opened for sshd: {}".format("; ".join(problems)))
        return texts

    def _rows(self) -> list[str]:
        """The record; a line that is none of ours names nothing that could be closed."""
        try:
            content = files.content(self._record) or b""
        except OSError as error:
            raise StockadeError("cannot read {}: {}".format(self._record, error.strerror)) from error
        lines = content.decode("utf-8", "replace").splitlines()
        return list(dict.fromkeys(line for line in lines if _ROW.fullmatch(line)))

    def _write(self, rows: list[str]) -> None:
        directory = os.path.dirname(self._record)
        try:
            if not os.path.isdir(directory):
                os.makedirs(directory, 0o700)
                sync(os.path.dirname(directory))
            replace(self._record, "".join(row + "\n" for row in rows).encode("utf-8") or None, mode=0o600)
        except OSError as error:
            raise StockadeError("cannot write {}: {}".format(self._record, error.strerror)) from error


def _find(name: str) -> str | None:
    """As a login of root's would find it: a PATH of somebody else's may lack the directories of root's programs."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    )


def _hooked(ruleset: str) -> list[dict[str, Any]]:
    """The chains of tables that are not ours through which packets go."""
    try:
        items = json.loads(ruleset)["nftables"]
        chains = [item["chain"] for item in items if isinstance(item, dict) and isinstance(item.get("chain"), dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [chain for chain in chains if chain.get("hook") and not str(chain.get("table", "")).startswith("stockade")]


def _drops(ruleset: str) -> bool:
    """Whether a table that is not ours drops what comes in and no rule lets in."""
    return any(chain["hook"] == "input" and chain.get("policy") == "drop" for chain in _hooked(ruleset))
