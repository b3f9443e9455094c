# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's watcher as its unit runs it, for the time of a bench with the bench's log and no memory.

Configuration, state and whether it runs are afterwards what they were before, also after a run that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from onhost.rig import ADDRESSES
from onhost.warden import ask, run

UNIT = "stockade-watcher.service"
CONFIG = Path("/etc/stockade/watcher.toml")
STATE = Path("/var/lib/stockade-watcher")
STATUS = Path("/run/stockade-watcher/status.json")
DIRECTORY = Path("/var/log/stockade-bench")
LOG = DIRECTORY / "access.log"
RULE, MAXRETRY = "errors", 30  # of the default rules: so many refused requests in a minute
BEFORE = Path("/var/lib/stockade-bench-watcher.json")  # what was there; while it exists, a bench runs or was killed

# The default rules, without the breaker: 200 bans in a minute by one rule are just what it is for.
SETTINGS = f"""preset = "default"
max_bans_per_minute = 0
max_share = 0
[[input]]
name = "stockade-bench"
path = "{LOG}"
"""


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.stockade-bench")


class Watched:
    """The service with SETTINGS and an empty log, for the time of a `with` block."""

    def __enter__(self) -> Watched:
        put_back()
        active = run("systemctl", "is-active", UNIT, check=False).strip() == "active"
        run("systemctl", "stop", UNIT)
        there = [str(path) for path in (CONFIG, STATE) if path.exists()]
        BEFORE.write_text(json.dumps({"active": active, "there": there}), encoding="ascii")
        for name in there:
            Path(name).rename(_aside(Path(name)))
        try:
            DIRECTORY.mkdir(mode=0o755)
            LOG.touch()
            CONFIG.write_text(SETTINGS, encoding="utf-8")
            CONFIG.chmod(0o644)
            run("systemctl", "start", UNIT)
        except BaseException:
            put_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        put_back()

    @property
    def pid(self) -> int:
        """Its process. Raises RuntimeError if it does not run."""
        pid = int(run("systemctl", "show", "--value", "--property=MainPID", UNIT))
        if not pid:
            raise RuntimeError("the watcher does not run: " + run("systemctl", "status", UNIT, check=False)[-1500:])
        return pid

    def status(self) -> dict[str, Any]:
        """What it said about itself last."""
        status: dict[str, Any] = json.loads(STATUS.read_text(encoding="ascii"))
        return status

    def wait_read(self, lines: int, deadline: float = 120.0) -> dict[str, Any]:
        """Its status once it has read so many lines. Raises RuntimeError if it died meanwhile, or needs longer."""
        pid, until = self.pid, time.monotonic() + deadline
        while True:
            with contextlib.suppress(OSError, ValueError):
                status = self.status()
                if status["pid"] == pid and status["inputs"][0]["lines"] >= lines:
                    break
            if self.pid != pid:
                raise RuntimeError("the watcher was started again while it read")
            if time.monotonic() > until:
                raise RuntimeError(f"the watcher has not read {lines} lines after {deadline:.0f} s: {status}")
            time.sleep(0.1)
        entry = status["inputs"][0]
        if (entry["lines"], entry["unparsed"], entry["out_of_time"]) != (lines, 0, 0):
            raise RuntimeError(f"the watcher should have read {lines} lines that count: {entry}")
        return status

    def cpu_seconds(self) -> float:
        """Processor time it has used since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> dict[str, float]:
        """Resident memory now and at its most, in MiB."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return {name: int(fields[key].split()[0]) / 1024 for name, key in (("rss", "VmRSS"), ("peak", "VmHWM"))}


def put_back() -> None:
    """The watcher as it was before a bench; nothing to do if none was interrupted."""
    lift()
    if not BEFORE.exists():
        return
    before = json.loads(BEFORE.read_text(encoding="ascii"))
    run("systemctl", "stop", UNIT, check=False)
    for path in (CONFIG, STATE):
        if _aside(path).exists():
            _remove(path)
            _aside(path).rename(path)
        elif str(path) not in before["there"]:
            _remove(path)
    _remove(DIRECTORY)
    run("systemctl", "reset-failed", UNIT, check=False)
    if before["active"]:
        run("systemctl", "start", UNIT)
    BEFORE.unlink()


def lift() -> None:
    """Lift the bans that the bench's lines brought about."""
    source = f"watcher/{RULE}"
    networks = [row["network"] for row in ask("bans", source=source, limit=200_000)["bans"]]
    if ours := [network for network in networks if network.partition("/")[0] in ADDRESSES]:
        ask("unban", networks=ours, source=source)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
