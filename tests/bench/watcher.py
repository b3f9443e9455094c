# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher: lines per second of processor time beside fail2ban and mawk, the time to a ban, memory, idling.

Writes build/bench/watcher.json and prints the figures beside their targets. A figure that misses its target is
told, no failure; a measurement that cannot be made is one. What is measured how: README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from bans import LIST
from benchlib.figures import Target, percentile
from benchlib.floors import FlooredFigures, markdown
from benchlib.hosts import BENCH, REPOSITORY, BenchError, Host, say
from benchlib.runs import afterwards, common_options, run_bench, tell

OUTPUT = REPOSITORY / "build/bench/watcher.json"
AGENT = BENCH / "benchlib/agent.yml"
PARTS = ["rates", "drops", "memory"]
SSHD_SHARE = 0.3  # lines of the log of logins for each line of the access log
MOST_CLIENTS = 200  # the neighbour has so many addresses
LOAD = 20_000  # lines a second
IDLE = 30  # seconds
SUFFIX = "_per_cpu_s"

TARGETS = {
    "write_to_drop_p99_ms": Target(250.0),
    "write_to_drop_p99_ms_at_20k": Target(250.0),
    "missed": Target(1.0),
    "missed_at_20k": Target(1.0),
    "rss_mb_100k": Target(64.0),
    "rss_mb_1m": Target(64.0),
    "idle_cpu_percent": Target(0.5),
}
# Figure -> what is divided by what, and the number to reach.
RATIOS = {
    "ratio_fail2ban_stock": ("lines", "fail2ban_stock_lines", 40.0),
    "ratio_fail2ban_tuned": ("lines", "fail2ban_tuned_lines", 8.0),
    "ratio_mawk": ("lines", "mawk_lines", 0.5),
    "ratio_fail2ban_sshd": ("sshd_lines", "fail2ban_sshd_lines", 5.0),
}


class Watcher:
    """One run on one host. `lines` is the length of the access log, `repeat` how often it is read."""

    def __init__(self, host: Host, options: argparse.Namespace) -> None:
        self.figures = FlooredFigures(TARGETS, {name: floor for name, (_over, _under, floor) in RATIOS.items()})
        self.more: dict[str, Any] = {}
        self._host = host
        self._options = options

    def rates(self) -> None:
        """Lines per second of processor time, each program in each round."""
        options = self._options
        sshd_lines = max(1, int(options.lines * SSHD_SHARE))
        say(f"{options.lines:,} access lines, {sshd_lines:,} lines of logins")
        try:
            self.more["logs"] = self._host.measure("watcher_logs", access_lines=options.lines, sshd_lines=sshd_lines)
            for number in range(options.repeat):
                say(f"lines per second, round {number + 1} of {options.repeat}")
                found = self._host.measure(
                    "watcher_rates",
                    access_lines=options.lines,
                    sshd_lines=sshd_lines,
                    fail2ban_lines=options.fail2ban_lines,
                )
                self.more["said"] = found["said"]
                rates: dict[str, float] = found["rates"]
                for name, rate in rates.items():
                    self.figures.add(name + SUFFIX, rate)
                # Of each round: what slows the machine down for a while meets both alike.
                for name, (over, under, _floor) in RATIOS.items():
                    self.figures.add(name, rates[over] / rates[under])
        finally:
            self._host.measure("watcher_logs_leave")

    def drops(self) -> None:
        """From a line to the first dropped packet, with a big list of bans loaded."""
        options = self._options
        say(f"a list of {options.size:,} permanent bans")
        added = self._host.measure("watcher_bans", into=LIST, size=options.size)
        if added != options.size:
            raise BenchError(f"{added} of {options.size} bans were added")
        say(f"from a line to a dropped packet, {options.clients} clients")
        self._dropped("", self._host.measure("watcher_drops", count=options.clients))
        say(f"the same at {LOAD:,} other lines a second")
        found = self._host.measure("watcher_drops", count=options.clients, lines_per_second=LOAD)
        if found["lines_per_second"] < 0.98 * LOAD:
            raise BenchError(f"only {found['lines_per_second']:.0f} of {LOAD} lines a second were written")
        self._dropped("_at_20k", found)
        self.figures.put("load_lines_per_s", found["lines_per_second"])

    def _dropped(self, when: str, found: dict[str, Any]) -> None:
        for percent in (50, 99):
            self.figures.put(f"write_to_drop_p{percent}_ms{when}", percentile(found["drop_ms"], percent))
        self.figures.put(f"missed{when}", found["missed"])
        self.more[f"drops{when}"] = {"shed": found["shed"], "drop_ms": [round(drop, 1) for drop in found["drop_ms"]]}

    def memory(self) -> None:
        """Resident memory with many clients, and what the service uses while nothing happens."""
        say("100,000 clients in a minute, then idling")
        found = self._host.measure("watcher_memory", clients=100_000, idle=IDLE)
        self._remember("100k", found)
        self.figures.put("idle_cpu_percent", found["idle_percent"])
        say("1,000,000 clients in a minute")
        self._remember("1m", self._host.measure("watcher_memory", clients=1_000_000))

    def _remember(self, name: str, found: dict[str, float]) -> None:
        self.figures.put(f"rss_mb_{name}", found["rss_mb"])
        self.figures.put(f"peak_mb_{name}", found["peak_mb"])
        self.more[f"memory_{name}"] = found


@contextlib.contextmanager
def left_as_it_was(host: Host) -> Iterator[None]:
    """The agent and the measurements are on the host meanwhile; afterwards it has nothing that the bench brought."""
    installed = host.installed()

    def leave() -> None:
        say("cleaning up")
        if host.installed():
            host.measure("watcher_leave")
            host.measure("cleanup", lists=[LIST])
        host.displace()
        if not installed:
            host.play("remove.yml")

    host.place()
    with afterwards(leave, "cleaning up"):
        say(f"{host.name}: the agent")
        host.play(AGENT)
        host.measure("watcher_leave")  # after an interrupted run
        host.measure("cleanup", lists=[LIST])
        yield


def run(asked: argparse.Namespace) -> None:
    """Measure and leave the host as it was. Raises BenchError if something cannot be measured."""
    if asked.markdown:
        print("\n".join(markdown(asked.output)))
        return
    host = Host(asked.host)
    with left_as_it_was(host):
        facts: dict[str, Any] = host.measure("facts") | host.measure("watcher_versions")
        bench = Watcher(host, asked)
        for part in asked.only:
            getattr(bench, part)()
    said = {key: getattr(asked, key) for key in ("lines", "fail2ban_lines", "size", "clients", "repeat")}
    tell(bench.figures, asked.output, host, facts, asked=said, **bench.more)


def main() -> int:
    """Exit codes: 0 measured, 1 not."""
    parser = common_options(__doc__, host="gate", output=OUTPUT)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"{PARTS} [all]")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the access log [%(default)s]")
    parser.add_argument("--fail2ban-lines", type=int, default=200_000, help="of them for fail2ban [%(default)s]")
    parser.add_argument("--size", type=int, default=100_000, help="permanent bans loaded [%(default)s]")
    parser.add_argument(
        "--clients", type=int, default=MOST_CLIENTS, help=f"that are banned, up to {MOST_CLIENTS} [all]"
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds of which figures are the median [%(default)s]")
    parser.add_argument("--markdown", action="store_true", help="print what the file has as a table, measure nothing")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
