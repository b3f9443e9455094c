# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m onhost.watcher onhost NAME`: one measurement of the bench `watcher`, as `python3 -m onhost NAME` makes
those of the others. The word `onhost` is what a running measurement is known by.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from onhost import watcher_drops, watcher_memory, watcher_rates, watcher_service

MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "watcher_bans": watcher_drops.load_bans,
    "watcher_drops": watcher_drops.measure,
    "watcher_leave": watcher_service.put_back,
    "watcher_logs": watcher_rates.prepare,
    "watcher_logs_leave": watcher_rates.leave,
    "watcher_memory": watcher_memory.measure,
    "watcher_rates": watcher_rates.measure,
    "watcher_versions": watcher_rates.versions,
}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # as an exception: what it made goes away
    print(json.dumps(MEASUREMENTS[sys.argv[2]](**json.load(sys.stdin))))
