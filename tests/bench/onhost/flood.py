# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a packet costs in the warden's chain when 20 prefix lengths are in use.

A neighbour floods from one core. On a veth pair the kernel carries a packet through the receiving host's prerouting
within the sender's own system call, so seconds for each packet are those of sending plus those of the chain, and the
difference between two chains is what they differ in. Four are compared, in turn, several times:

- an empty chain at the same hook (a packet passes up to a socket whose buffer is full),
- that chain with the one rule `drop`,
- the warden's table with 20 prefix lengths, from an address that passes all of them,
- the same from an address that is banned in the last of them (/32).

`pass` is the third minus the first: what a visitor pays. `drop` is the fourth minus the second: the dearest drop.
"""

from __future__ import annotations

import math
import os
import socket
import statistics
import time

from onhost.rig import ADDRESSES, Rig
from onhost.warden import ask, ban, run, unban, wait_enforcing

PASSES, BANNED = ADDRESSES[0], ADDRESSES[1]
NETWORKS = [f"240.{16 * (length - 12)}.0.0/{length}" for length in range(13, 28)]
NETWORKS += [f"241.0.{length}.0/{length}" for length in range(28, 32)] + [BANNED]  # /13 to /32
BURST = 1000  # packets: some milliseconds
TABLE = "inet stockade_bench"
CHAIN = f"add table {TABLE}; add chain {TABLE} c {{ type filter hook prerouting priority -310; }}"


def _flood(rig: Rig, sender: socket.socket, packets: int, *, passes: bool) -> float:
    """Nanoseconds for each packet of the fastest burst: whatever else the machine does only adds to it.

    Raises RuntimeError if packets pass that should not, or the other way round.
    """
    send, payload = sender.send, b"x" * 16
    rig.drain()
    fastest = math.inf
    for _burst in range(packets // BURST):
        began = time.perf_counter_ns()
        for _number in range(BURST):
            send(payload)
        fastest = min(fastest, (time.perf_counter_ns() - began) / BURST)
    if (rig.drain() > 0) is not passes:
        raise RuntimeError(f"packets were {'dropped' if passes else 'let through'}")
    return fastest


def measure(packets: int, rounds: int) -> dict[str, float]:
    """Nanoseconds for each packet: medians over the rounds, and of the two differences."""
    if len(NETWORKS) != 20:
        raise RuntimeError("20 prefix lengths are meant")
    took: dict[str, list[float]] = {name: [] for name in ("empty", "drop_rule", "passes_20", "dropped_20")}
    cores = os.sched_getaffinity(0)
    with Rig() as rig:
        visitor, attacker = rig.senders([PASSES, BANNED])
        try:
            ban(NETWORKS)
            os.sched_setaffinity(0, {max(cores)})
            _flood(rig, visitor, packets, passes=True)
            for _round in range(rounds):
                ask("release")
                run("nft", "-f", "-", text=CHAIN)
                took["empty"].append(_flood(rig, visitor, packets, passes=True))
                run("nft", "-f", "-", text=f"add rule {TABLE} c iifname stockade-bench drop")
                took["drop_rule"].append(_flood(rig, attacker, packets, passes=False))
                run("nft", "delete", "table", *TABLE.split())
                ask("resume")
                wait_enforcing()
                took["passes_20"].append(_flood(rig, visitor, packets, passes=True))
                took["dropped_20"].append(_flood(rig, attacker, packets, passes=False))
        finally:
            os.sched_setaffinity(0, cores)
            run("nft", "delete", "table", *TABLE.split(), check=False)
            ask("resume")
            unban(NETWORKS)
    found = {name: statistics.median(values) for name, values in took.items()}
    rise = zip(took["empty"], took["passes_20"], strict=True), zip(took["drop_rule"], took["dropped_20"], strict=True)
    found["pass"], found["drop"] = (statistics.median(after - before for before, after in pairs) for pairs in rise)
    return found
