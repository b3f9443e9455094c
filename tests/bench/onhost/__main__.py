# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m onhost NAME`: one measurement; arguments as JSON on standard input, its answer on standard output."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from onhost import (
    boot,
    drift,
    drops,
    facts,
    fail2ban,
    flood,
    idle,
    jails,
    restart,
    warden,
    watcher_drops,
    watcher_memory,
    watcher_rates,
    watcher_service,
)

MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "bans": warden.bans,
    "boot": boot.measure,
    "cleanup": warden.cleanup,
    "drift": drift.measure,
    "drops": drops.measure,
    "facts": facts.measure,
    "fail2ban": fail2ban.measure,
    "flood": flood.measure,
    "idle": idle.measure,
    "jails_client_loop": jails.client_loop,
    "jails_from_nothing": jails.from_nothing,
    "jails_insist": jails.insist,
    "jails_leave": jails.leave,
    "jails_lift": jails.lift,
    "jails_prepare": jails.prepare,
    "jails_wait": jails.wait_running,
    "restart": restart.measure,
    "unban": warden.unban,
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
    print(json.dumps(MEASUREMENTS[sys.argv[1]](**json.load(sys.stdin))))
