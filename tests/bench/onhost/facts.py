# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

from onhost.warden import ask, run, wait_enforcing


def measure() -> dict[str, Any]:
    """The host's versions and how full its warden is. Raises RuntimeError if that does not enforce."""
    wait_enforcing()
    status = ask("status")
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line
    )
    cpu = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    return {
        "cores": os.cpu_count(),
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "nft": run("nft", "--version").strip(),
        "fail2ban": run("fail2ban-client", "--version", check=False).strip(),
        "agent": status["version"],
        "bans_before": status["bans"],
        "history_before": status.get("history"),
        "whitelist": status["whitelist"],
        "load_before": os.getloadavg()[0],
    }
