# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From `systemctl start` on a host whose kernel holds nothing until the unit says that all bans are in force."""

from __future__ import annotations

import time

from onhost.rig import Rig
from onhost.warden import UNIT, elements, run, wait_enforcing


def measure(banned: list[str], repeat: int) -> dict[str, list[float]]:
    """Seconds for each start, Python's own included; the page cache is warm.

    Raises RuntimeError if one of `banned` gets through afterwards, or if the kernel holds other bans than before.
    """
    seconds = []
    before = elements()
    with Rig() as rig:
        for _attempt in range(repeat):
            run("systemctl", "stop", UNIT)
            run("nft", "delete", "table", "inet", "stockade")
            if rig.dropped(banned):
                raise RuntimeError("packets are dropped without the warden's table: nothing can be measured")
            run("systemctl", "reset-failed", UNIT, check=False)  # its start limit counts the starts
            began = time.monotonic()
            run("systemctl", "start", UNIT)
            seconds.append(time.monotonic() - began)
            if not rig.dropped(banned):
                raise RuntimeError(f"the unit is active and not all of {banned} are dropped")
            wait_enforcing()
            if (held := elements()) != before:
                raise RuntimeError(f"the kernel held {before} bans before the start and {held} after it")
    return {"seconds": seconds, "elements": [before]}
