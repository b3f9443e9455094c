# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request on the warden's socket to the first packet that is dropped."""

from __future__ import annotations

import time

from onhost.rig import ADDRESSES, Rig, Stream
from onhost.warden import REASON, Connection, unban

DEADLINE = 10.0


def measure(count: int) -> dict[str, list[float]]:
    """Ban `count` addresses one by one, each while it sends; milliseconds to the first drop and to the answer."""
    drops, answers = [], []
    addresses = ADDRESSES[-count:]
    connection = Connection()
    with Rig() as rig:
        try:
            for sender, address in zip(rig.senders(addresses), addresses, strict=True):
                stream = Stream(sender)
                while stream.last < 10:  # it gets through before
                    rig.exchange([stream])
                    if len(stream.sent) > 1000:
                        raise RuntimeError(f"no packet of {address} arrives although it is not banned")
                asked = time.monotonic()
                connection.send("ban", bans=[{"network": address, "duration": "2h", "reason": REASON}])
                answered = 0.0
                while not (answered and stream.gone()):
                    if rig.exchange([stream], [] if answered else [connection.sock]):
                        answered = time.monotonic()
                        connection.answer()
                    if time.monotonic() - asked > DEADLINE:
                        raise RuntimeError(f"{address} still gets through {DEADLINE:.0f} s after it was banned")
                if stream.first_missing is None:
                    raise RuntimeError("nothing was dropped")
                drops.append(1000 * (stream.first_missing - asked))
                answers.append(1000 * (answered - asked))
        finally:
            unban(addresses)
    return {"drop_ms": drops, "answer_ms": answers}
