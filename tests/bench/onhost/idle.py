# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services cost while nothing happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

from onhost.warden import main_pid, run


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process and the children it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        key, _colon, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) / 1024
    raise RuntimeError(f"no {name} in /proc/{pid}/status")


def measure(seconds: float) -> dict[str, float]:
    """Percent of one core over `seconds`, of the warden and of all services; resident memory at the end in MiB."""
    listed = run("systemctl", "show", "--value", "--property=MainPID", "stockade-*.service").split()
    services = {int(pid) for pid in listed} - {0}
    warden = main_pid()
    began = time.monotonic()
    before = {pid: _cpu(pid) for pid in services}
    time.sleep(seconds)
    took = time.monotonic() - began
    used = {pid: 100 * (_cpu(pid) - before[pid]) / took for pid in services}
    return {
        "warden_percent": used[warden],
        "services_percent": sum(used.values()),
        "rss_mb": _memory(warden, "VmRSS"),
        "peak_mb": _memory(warden, "VmHWM"),
    }
