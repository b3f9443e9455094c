# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From `nft flush ruleset` until the bans are in force again, as packets show it."""

from __future__ import annotations

import json
import random
import subprocess
import time

from onhost.rig import Rig, Stream
from onhost.warden import run, wait_enforcing

DEADLINE = 60.0
QUIET = 0.1  # seconds without an arrival


def _others() -> str:
    """Every table but the warden's, as a script that makes it again."""
    tables = [item["table"] for item in json.loads(run("nft", "-j", "list", "tables"))["nftables"] if "table" in item]
    kept = [(table["family"], table["name"]) for table in tables if table["name"] != "stockade"]
    return "".join(run("nft", "list", "table", family, name) for family, name in kept)


def measure(banned: list[str], repeat: int) -> dict[str, list[float]]:
    """Seconds from the start of nft to the first dropped packet of the last of these addresses to be dropped again."""
    seconds = []
    with Rig() as rig:
        for _attempt in range(repeat):
            wait_enforcing()
            if not rig.dropped(banned):
                raise RuntimeError(f"not all of {banned} are banned")
            others = _others()
            time.sleep(random.random())  # the warden looks once a second: anywhere in it
            streams = [Stream(sender) for sender in rig.senders(banned)]
            began = time.monotonic()
            flush = subprocess.Popen(["nft", "flush", "ruleset"])
            while flush.poll() is None or not all(stream.gone(QUIET) for stream in streams):
                rig.exchange(streams)
                if time.monotonic() - began > DEADLINE:
                    raise RuntimeError(f"bans are not in force {DEADLINE:.0f} s after the ruleset was flushed")
                if flush.returncode is None:
                    for stream in streams:  # what is missing before the flush counts for nothing
                        stream.last = len(stream.sent) - 1
            if flush.returncode != 0:
                raise RuntimeError("nft flush ruleset failed")
            seconds.append(max(stream.first_missing or began for stream in streams) - began)
            for stream in streams:
                stream.sender.close()
            run("nft", "-f", "-", text=others)
    return {"seconds": seconds}
