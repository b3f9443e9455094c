# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart of fail2ban with many bans in a jail, as two of the banned see it.

The first and the last in the order in which fail2ban restores its bans send 200 packets a second each. What of that
arrives between `systemctl restart` and the end is time without protection.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onhost import jails
from onhost.rig import ADDRESSES, Rig, Stream
from onhost.warden import run

INTERVAL = 0.005  # seconds between two packets of an address: 200 a second, and the resolution
DEADLINE = 900.0  # for all bans to be back
QUIET = 0.5  # seconds without an arrival, before and after
# fail2ban restores in the order of the addresses as texts. The bans between these two are from 240.0.0.0/8.
FIRST, LAST = ADDRESSES[0], "249.0.0.2"


@contextlib.contextmanager
def _sending(rig: Rig) -> Iterator[list[Stream]]:
    """Both send all the time, from a thread of their own."""
    streams = [Stream(sender) for sender in rig.senders([FIRST, LAST])]
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            rig.exchange(streams, interval=INTERVAL)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield streams
    finally:
        stop.set()
        thread.join()
        for stream in streams:
            stream.sender.close()


def _restored(log: Path, offset: int, jail: str) -> list[str]:
    """The addresses in the order in which they were banned again, by fail2ban's own log."""
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(offset)
        return [line.split()[-1] for line in file if f"[{jail}] Restore Ban " in line]


def measure(jail: str, others: list[str], repeat: int) -> dict[str, Any]:
    """Ban FIRST, `others` and LAST, then restart fail2ban `repeat` times.

    For each restart: seconds until it answers, lists all bans and enforces them; seconds in which packets of the first
    and of the last arrived; packets a second that the slower of both sent. Raises RuntimeError if a ban does not hold
    before or after, or if the two are not the first and the last.
    """
    bans = len(others) + 2
    log = Path(jails.call("get", "logtarget"))
    found: dict[str, list[float]] = {"restart": [], "first": [], "last": [], "rate": [], "load_seconds": []}
    with Rig([LAST]) as rig:
        if not all(_passes(rig, address) for address in (FIRST, LAST)):
            raise RuntimeError("packets do not arrive although nobody is banned")
        began = time.monotonic()
        jails.ban(jail, [FIRST, *others, LAST])
        found["load_seconds"].append(time.monotonic() - began)
        for _attempt in range(repeat):
            if not rig.dropped([FIRST, LAST]):
                raise RuntimeError("the bans do not hold before the restart")
            offset = log.stat().st_size
            with _sending(rig) as streams:
                time.sleep(QUIET)
                began = time.monotonic()
                run("systemctl", "restart", jails.UNIT)
                _wait_back(jail, bans, began)
                found["restart"].append(time.monotonic() - began)
                time.sleep(QUIET)
            ended = time.monotonic()
            for name, stream in zip(("first", "last"), streams, strict=True):
                if not stream.gone(QUIET / 2):
                    raise RuntimeError(f"all is restored, and packets of the {name} still arrive")
                if any(stream.sent[number] < began for number in stream.arrived):
                    raise RuntimeError(f"packets of the {name} arrived before the restart")
                found[name].append(stream.passing(began))
            found["rate"].append(min(len(stream.sent) for stream in streams) / (ended - began + QUIET))
            order = _restored(log, offset, jail)
            if len(order) != bans or (order[0], order[-1]) != (FIRST, LAST):
                raise RuntimeError(f"fail2ban restored {len(order)} bans, {order[:1]} first and {order[-1:]} last")
            jails.insist(jail, bans)
    return found


def _passes(rig: Rig, address: str) -> bool:
    return not rig.dropped([address])


def _wait_back(jail: str, bans: int, began: float) -> None:
    """Until the jail lists all bans and all are in force; asking must cost little meanwhile."""
    until = began + DEADLINE
    while jails.count(jail) < bans:
        if time.monotonic() > until:
            raise RuntimeError(f"{jails.count(jail)} of {bans} bans are back after {DEADLINE:.0f} s")
        time.sleep(0.1)
    while jails.enforced(jail) < bans:
        if time.monotonic() > until:
            raise RuntimeError(f"{jails.enforced(jail)} of {bans} bans are in force after {DEADLINE:.0f} s")
        time.sleep(0.02)
