# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the line in the log that is one too many to the first packet of its client that is dropped."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from onhost.rig import ADDRESSES, Rig, Stream
from onhost.warden import ask, wait_enforcing
from onhost.watcher_logs import stamp
from onhost.watcher_service import LOG, MAXRETRY, Watched

DEADLINE = 5.0  # seconds after which a client counts as missed
_PHASE = 0.25  # seconds: more than the watcher takes from one look at its logs to the next
_SETTLED = 0.3  # seconds in which it has read the lines before the last one


def load_bans(into: str, size: int) -> int:
    """Declare a list of so many permanent bans, as `bans` of this directory mixes them; how many were added."""
    entries = []
    for n in range(size):
        twentieth = n // 20
        if n % 20 == 18:
            entries.append(f"243.{twentieth >> 8}.{twentieth & 255}.0/24")
        elif n % 20 == 19:
            entries.append(f"2001:db8:8000:{twentieth:x}::/64")
        else:
            entries.append(f"242.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    counts: dict[str, int] = ask("permanent_bans", list=into, entries=entries)["counts"]
    wait_enforcing()
    return counts["added"]


def measure(count: int, lines_per_second: int = 0) -> dict[str, object]:
    """Milliseconds for each of `count` clients, while so many other lines a second are written to the log.

    How many those were in fact, how many clients were not banned in DEADLINE (their milliseconds are that), and how
    many the watcher forgot to save memory. Raises RuntimeError if none is banned, or if the watcher lags behind.
    """
    drops = []
    addresses = ADDRESSES[-count:]
    with Watched() as service, Rig() as rig, LOG.open("ab", buffering=0) as log:
        with _load(lines_per_second) as written:
            for sender, address in zip(rig.senders(addresses), addresses, strict=True):
                drops.append(1000 * _one(rig, Stream(sender), address, log.write))
                sender.close()
        status = service.wait_read(count * MAXRETRY + int(written.get("lines", 0)), deadline=30.0)
    missed = sum(drop >= 1000 * DEADLINE for drop in drops)
    if missed == count:
        raise RuntimeError(f"none of {count} clients was banned: {status}")
    rate = written["lines"] / written["seconds"] if written else 0.0
    shed = max(rule["shed"] for rule in status["rules"])
    return {"drop_ms": drops, "lines_per_second": rate, "missed": missed, "shed": shed}


def _one(rig: Rig, stream: Stream, address: str, write: Callable[[bytes], object]) -> float:
    """Seconds from the line to the first packet that did not arrive; DEADLINE if all arrived until then."""
    write(_line(address) * (MAXRETRY - 1))
    begins = time.monotonic() + _SETTLED + _PHASE * random.random()
    while stream.last < 10 or time.monotonic() < begins:  # it gets through before
        rig.exchange([stream])
        if time.monotonic() > begins + DEADLINE:
            raise RuntimeError(f"no packet of {address} arrives although it is not banned")
    line = _line(address)
    began = time.monotonic()
    write(line)
    while not stream.gone():
        rig.exchange([stream])
        if time.monotonic() - began > DEADLINE:
            return DEADLINE
    if stream.first_missing is None or stream.first_missing < began:
        raise RuntimeError(f"packets of {address} were missing before the line")
    return stream.first_missing - began


def _line(address: str) -> bytes:
    return f'{address} - - [{stamp(time.time())}] "GET /bench HTTP/1.1" 404 162 "-" "bench"\n'.encode()


@contextlib.contextmanager
def _load(lines_per_second: int) -> Iterator[dict[str, float]]:
    """Other clients' lines meanwhile; afterwards `lines` and `seconds` say how many in what time."""
    written: dict[str, float] = {}
    if not lines_per_second:
        yield written
        return
    command = [sys.executable, "-B", "-m", "onhost.watcher_load", str(LOG), str(lines_per_second)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        if child.stdout.readline() != b"writing\n":
            raise RuntimeError("the load does not begin")
        yield written
        child.send_signal(signal.SIGTERM)
        written.update(json.loads(child.stdout.readline()))
    finally:
        child.kill()
        child.wait()
