# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans at fleet size: how long they take, what they cost, and fail2ban beside them on the same host.

Writes build/bench/bans.json and prints the figures beside their targets. A figure that misses its target is
told, no failure; a measurement that cannot be made is one. What is measured how: README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchlib.figures import Figures, Target, percentile
from benchlib.hosts import REPOSITORY, BenchError, Host, say
from benchlib.runs import afterwards, common_options, run_bench, tell

OUTPUT = REPOSITORY / "build/bench/bans.json"
LIST = "bench"
# 240.0.0.0/4 is nobody's (RFC 1112), and there is enough of it. No argument may exceed 128 KiB, which 10,000 of these
# addresses just do not as long as the second number has one digit.
ADHOC = "240"
MOST_REPEATS = 9
# Of the neighbour that the measurements on the host make, spread over the list's file; one is banned by itself.
LISTED, SINGLE = ["198.18.78.2", "198.18.78.3", "198.18.78.4"], "198.18.78.5"
PARTS = ["calls", "quiet", "fail2ban", "big_list", "loaded"]
SLOW_REPEATS = 3  # of what takes minutes

TARGETS = {
    "ban_1000_s": Target(1.5, "ping_s"),
    "permanent_100k_first_s": Target(5.0),
    "permanent_100k_again_s": Target(2.5),
    "boot_restore_100k_s": Target(2.0),
    "ban_to_drop_p99_ms": Target(250.0),
    "warden_rss_mb_100k": Target(64.0),
    "warden_idle_cpu_percent": Target(0.5),
    "drift_repair_s": Target(2.0),
    "drift_repair_100k_s": Target(2.0),
}


class Bans:
    """One run on one host. `size` is that of the big list, `repeat` how often each thing is done."""

    def __init__(self, host: Host, *, size: int, repeat: int, directory: Path) -> None:
        self.figures = Figures(TARGETS)
        self._host = host
        self._size = size
        self._repeat = repeat
        self._file = directory / "bench.txt"
        self._used = 0  # addresses of the small calls so far

    def calls(self) -> None:
        """Ad-hoc calls, each kind in each round, so that the machine's moods meet all alike."""
        self._host.timed("ansible.builtin.ping")  # opens the connection that all share
        for number in range(self._repeat):
            say(f"ad-hoc calls, round {number + 1} of {self._repeat}")
            self.figures.add("ping_s", self._host.timed("ansible.builtin.ping")[0])
            banned = []
            for count in (1, 1000, 10_000):
                addresses = self._fresh(count, number)
                self.figures.add(f"ban_{count}_s", self._ban(addresses, changed=True))
                if count == 1000:
                    self.figures.add("ban_1000_again_s", self._ban(addresses, changed=False))
                banned += addresses
            self._host.measure("unban", networks=banned)

    def quiet(self) -> None:
        """What is measured with few bans loaded: repair after a flush, the price of a packet."""
        say("drift with few bans")
        self._ban([*LISTED, SINGLE], changed=True)
        self.figures.add("drift_repair_s", *self._drift())
        self._host.measure("unban", networks=[*LISTED, SINGLE])
        say("packets through 20 prefix lengths")
        found = self._host.measure("flood", packets=100_000, rounds=3 * self._repeat)
        self.figures.put("drop_cost_ns_20_prefix_lengths", found["drop"])
        self.figures.put("pass_cost_ns_20_prefix_lengths", found["pass"])
        self.figures.put("flood_packet_ns_empty_chain", found["empty"])
        self.figures.put("flood_packet_ns_dropped", found["dropped_20"])

    def fail2ban(self) -> None:
        """The same 1,000 bans by fail2ban."""
        say("fail2ban: 1,000 bans, in a loop and in one call")
        repeat = min(self._repeat, SLOW_REPEATS)
        blocks = [[f"241.{block}.{n >> 8}.{n & 255}" for n in range(1000)] for block in range(2 * repeat)]
        found = self._host.measure("fail2ban", loops=blocks[:repeat], calls=blocks[repeat:])
        self.figures.add("fail2ban_loop_1000_s", *found["loop"])
        self.figures.add("fail2ban_call_1000_s", *found["call"])

    def big_list(self) -> None:
        """The list's file: first, again, with 100 networks changed. It is loaded afterwards."""
        for number in range(self._repeat):
            say(f"a list of {self._size:,}, round {number + 1} of {self._repeat}")
            if number:
                self.figures.add("permanent_100k_absent_s", self._declare("state=absent", removed=self._size))
            self._write_list(changed=0)
            self.figures.add("permanent_100k_first_s", self._declare(f"src={self._file}", added=self._size))
            self.figures.add("permanent_100k_again_s", self._declare(f"src={self._file}"))
            self._write_list(changed=100)
            took = self._declare(f"src={self._file}", added=100, removed=100)
            self.figures.add("permanent_100k_change_100_s", took)

    def loaded(self) -> None:
        """What is measured with the big list loaded."""
        say("200 single bans, from request to dropped packet")
        found = self._host.measure("drops", count=200)
        for percent in (50, 99):
            self.figures.put(f"ban_to_drop_p{percent}_ms", percentile(found["drop_ms"], percent))
            self.figures.put(f"ban_to_answer_p{percent}_ms", percentile(found["answer_ms"], percent))
        say("30 s of idling")
        found = self._host.measure("idle", seconds=30)
        self.figures.put("warden_rss_mb_100k", found["rss_mb"])
        self.figures.put("warden_peak_mb_100k", found["peak_mb"])
        self.figures.put("warden_idle_cpu_percent", found["warden_percent"])
        self.figures.put("services_idle_cpu_percent", found["services_percent"])
        self._ban([SINGLE], changed=True)
        say("drift with the list loaded")
        self.figures.add("drift_repair_100k_s", *self._drift())
        say("start with an empty kernel")
        found = self._host.measure("boot", banned=[*LISTED, SINGLE], repeat=self._repeat)
        if found["elements"][0] < self._size:
            raise BenchError(f"only {found['elements'][0]} of {self._size} bans are in the kernel")
        self.figures.add("boot_restore_100k_s", *found["seconds"])
        found = self._host.measure("idle", seconds=5)
        self.figures.put("warden_rss_mb_100k_after_boot", found["rss_mb"])
        self.figures.put("warden_peak_mb_100k_after_boot", found["peak_mb"])

    def _fresh(self, count: int, number: int) -> list[str]:
        if count == 10_000:
            return [f"{ADHOC}.{number}.{n >> 8}.{n & 255}" for n in range(count)]
        start, self._used = self._used, self._used + count
        return [f"{ADHOC}.10.{n >> 8}.{n & 255}" for n in range(start, start + count)]

    def _ban(self, addresses: list[str], *, changed: bool) -> float:
        arguments = f'address={",".join(addresses)} duration=2h reason="stockade bench"'
        took, result = self._host.timed("stockade.fleet.ban", arguments)
        if result["changed"] is not changed or len(result["results"]) != len(addresses):
            raise BenchError(f"{len(addresses)} bans: changed={result['changed']}, {len(result['results'])} answers")
        return took

    def _drift(self) -> list[float]:
        found = self._host.measure("drift", banned=[*LISTED, SINGLE], repeat=2 * self._repeat)
        seconds: list[float] = found["seconds"]
        return seconds

    def _declare(self, arguments: str, *, added: int = 0, removed: int = 0) -> float:
        took, result = self._host.timed("stockade.fleet.permanent_bans", f"name={LIST} {arguments}")
        counts: dict[str, int] = result["counts"]
        if (counts["added"], counts["removed"], counts["refused"]) != (added, removed, 0):
            raise BenchError(f"permanent_bans {arguments}: expected {added} added and {removed} removed, got {counts}")
        return took

    def _write_list(self, *, changed: int) -> None:
        """Of 20 networks 18 are IPv4 addresses, one is a /24, one an IPv6 /64; the first `changed` are others then."""
        lines = []
        for n in range(self._size - len(LISTED)):
            twentieth = n // 20
            if n % 20 == 18:
                lines.append(f"243.{twentieth >> 8}.{twentieth & 255}.0/24")
            elif n % 20 == 19:
                lines.append(f"2001:db8:8000:{twentieth:x}::/64")
            else:
                first = 244 if n % 20 == 0 and twentieth < changed else 242
                lines.append(f"{first}.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        for index, address in enumerate(LISTED):
            lines.insert(index * len(lines) // (len(LISTED) - 1), address)
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextlib.contextmanager
def left_as_it_was(host: Host, *, installed: bool) -> Iterator[None]:
    """The measurements are on the host meanwhile; bans, lists and the agent, unless `installed`, are gone after."""

    def leave() -> None:
        say("cleaning up")
        host.measure("cleanup", lists=[LIST])
        host.displace()
        if not installed:
            host.play("remove.yml")

    host.place()
    with afterwards(leave, "cleaning up"):
        host.measure("cleanup", lists=[LIST])  # after an interrupted run
        yield


def run(asked: argparse.Namespace) -> None:
    """Measure everything and leave the host as it was. Raises BenchError if something cannot be measured."""
    host = Host(asked.host)
    say(f"{host.name}: harden.yml")
    installed = host.installed()
    host.play("harden.yml")
    with left_as_it_was(host, installed=installed):
        facts: dict[str, Any] = host.measure("facts")
        with tempfile.TemporaryDirectory(prefix="stockade-bench-") as directory:
            bench = Bans(host, size=asked.size, repeat=asked.repeat, directory=Path(directory))
            for part in asked.parts:
                getattr(bench, part)()
    tell(bench.figures, asked.output, host, facts, list_size=asked.size, repeat=asked.repeat)


def main() -> int:
    """Exit codes: 0 measured, 1 not."""
    parser = common_options(__doc__, host="web2", output=OUTPUT)
    parser.add_argument("--size", type=int, default=100_000, help="networks in the big list [%(default)s]")
    parser.add_argument("--repeat", type=int, default=5, choices=range(1, MOST_REPEATS + 1), help="[%(default)s]")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="loaded needs big_list [all]")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
