# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host to be armed: its directories are real and so is the script that undoes; systemd and sshd are played."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import armed, host, rollback
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit

SERVICE = host.Listener("service", Unit("ssh.service", loaded=True, active=True, pid=1, listen=()), None)
SOCKET = host.Listener("socket", None, Unit("ssh.socket", loaded=True, active=True, pid=0, listen=("[::]:22",)))

_SYSTEMCTL = """#!/bin/sh
cd "${0%/*}/.." || exit 1
[ "$1" != is-active ] || exec test -e timer
echo "$*" >>told
[ ! -e fails ]
"""
_SSHD = """#!/bin/sh
cd "${0%/*}/.." || exit 1
[ ! -e refuses ] || { cat refuses >&2; exit 255; }
"""


class Lab:
    """``etc`` holds the files of sshd, ``told`` what systemd was told, ``fails`` and ``refuses`` break the two."""

    def __init__(self, place: Path) -> None:
        self.place, self.state, self.units = place, place / "state", place / "units"
        self.etc = place / "etc" / "ssh"
        self.listener = SERVICE
        for directory in (self.etc, self.units, place / "bin"):
            directory.mkdir(parents=True)
        self.tool("systemctl", _SYSTEMCTL)
        self.tool("sshd", _SSHD)
        self.armed = armed.Armed(self.run, directory=str(self.state), units=str(self.units))

    def tool(self, name: str, text: str) -> None:
        """A program that the script finds before the real one."""
        program = self.place / "bin" / name
        program.write_text(text)
        program.chmod(0o755)

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        """What the modules run."""
        if argv == ["systemctl", "start", rollback.SERVICE]:
            return self.fire(), "", ""
        if argv[1:] == ["restart", rollback.TIMER]:
            (self.place / "timer").touch()
        elif argv[1:] == ["stop", rollback.TIMER]:
            (self.place / "timer").unlink(missing_ok=True)
        return 0, "", ""

    def script(self, *words: str, name: str = rollback.SCRIPT) -> subprocess.Popen[str]:
        path = "{}:{}".format(self.place / "bin", os.environ["PATH"])
        return subprocess.Popen(
            ["/bin/sh", str(self.state / name), *words],
            env={"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def fire(self) -> int:
        """The timer's time is up; the unit's condition is systemd's."""
        if not any((self.state / name).exists() for name in ("token", "rolling-back")):
            return 0
        process = self.script()
        process.communicate()
        return process.returncode

    def boot(self) -> None:
        (self.place / "timer").unlink(missing_ok=True)
        self.script("boot").communicate()

    def write(self, name: str, before: str | None, after: str | None) -> armed.Write:
        """One file of a change; the host has it as it is before."""
        path = self.etc / name
        if before is not None:
            path.write_text(before)
            path.chmod(0o640)
        return armed.Write(str(path), *(None if text is None else text.encode() for text in (before, after)))

    def arm(self, *writes: armed.Write, run_id: str = "r1", seconds: int = 120, apply: bool = True) -> None:
        self.armed.arm(writes, self.listener, run_id=run_id, controller="ci.example", seconds=seconds)
        for write in writes if apply else ():
            path = Path(write.path)
            path.unlink(missing_ok=True)  # a new file takes its place, as it does on a host
            if write.after is not None:
                path.write_bytes(write.after)

    def files(self) -> dict[str, str]:
        """Everything beside and below sshd's files."""
        return {str(path.relative_to(self.etc)): path.read_text() for path in self.etc.rglob("*") if path.is_file()}

    def told(self) -> list[str]:
        told = self.place / "told"
        return told.read_text().splitlines() if told.exists() else []
