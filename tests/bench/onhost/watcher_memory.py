# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watcher takes of the host: memory with many clients in its windows, processor time with nothing to do."""

from __future__ import annotations

import time

from onhost.watcher_logs import write_distinct
from onhost.watcher_service import LOG, Watched

_AHEAD = 20  # seconds that the lines lie ahead, so that they stand in windows for longer
_SAVED = 7.0  # seconds in which it saves its state at least once


def measure(clients: int, idle: float = 0.0) -> dict[str, float]:
    """MiB after a minute's log with one request of each of so many clients; percent of one core in `idle` seconds then.

    `tracked` is how many the watcher remembers at most in one rule, `shed` how many it had to forget.
    """
    with Watched() as service:
        before = service.memory_mb()
        write_distinct(LOG, clients, time.time() + _AHEAD, seed=clients)
        rules = service.wait_read(clients)["rules"]
        time.sleep(_SAVED)
        found = {
            "tracked": max(rule["tracked"] for rule in rules),
            "shed": max(rule["shed"] for rule in rules),
            "start_rss_mb": before["rss"],
            **{f"{name}_mb": value for name, value in service.memory_mb().items()},
        }
        if idle:
            began, used = time.monotonic(), service.cpu_seconds()
            time.sleep(idle)
            found["idle_percent"] = 100 * (service.cpu_seconds() - used) / (time.monotonic() - began)
    return found
