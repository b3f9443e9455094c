# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two hosts as the watcher's tests ask about them."""

from __future__ import annotations

import json
from typing import Any

from jailhosts import Target

STATUS = "/run/stockade-watcher/status.json"


def source_of(target: Target, address: str) -> str:
    """Who banned that address on the host; empty if nobody did."""
    rows = target.operator.ask(target.name, "bans", "--limit", "1000")["bans"]
    return next((str(row["source"]) for row in rows if row["network"] == address), "")


def is_banned(target: Target, rule: str, address: str = "", seconds: float = 5.0) -> bool:
    """Whether that rule of the watcher has the client (default: this test's) banned before the deadline."""
    client = address or target.client.ipv4
    return target.eventually(lambda: source_of(target, client) == f"watcher/{rule}", seconds)


def status(target: Target) -> dict[str, Any]:
    """What the watcher says about itself; nothing for the moment between a start and its first word."""
    silent: dict[str, Any] = {"at": 0, "pending": 0, "inputs": [], "problems": ["silent"], "eased": []}
    return json.loads(target.shell("cat", STATUS, check=False) or "null") or silent


def told(target: Target, text: str) -> bool:
    """Whether a line of the watcher's journal holds that text."""
    return text in target.shell("journalctl", "-q", "-u", "stockade-watcher", "-o", "cat", "--no-pager")


def has_read(target: Target, name: str) -> bool:
    """Whether the watcher has read everything that its input `name` has; waits until it says so of a time after now."""
    asked = float(target.shell("date", "+%s"))

    def current() -> bool:
        now = status(target)
        behind = [entry["behind_bytes"] for entry in now["inputs"] if entry["name"] == name]
        return bool(now["at"] > asked and behind == [0])

    return target.eventually(current, 15)
