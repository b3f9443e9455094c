# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban declared, fed and restarted by the collection, beside what people do without it, on the same host.

Writes build/bench/fail2ban.json and prints the figures. What is measured how: README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from bans import left_as_it_was
from benchlib.figures import Figures, Target
from benchlib.hosts import BENCH, REPOSITORY, BenchError, Host, say
from benchlib.runs import afterwards, common_options, run_bench, tell, undone_on_error

OUTPUT = REPOSITORY / "build/bench/fail2ban.json"
LOG = "/var/log/stockade-bench.log"
TEMPLATE = "/etc/fail2ban/jail.d/stockade-bench.local"
PLAY = BENCH / "benchlib/template_restart.yml"
FAIL2BAN = "/etc/fail2ban"
JAILS_MODULE = "stockade.fleet.fail2ban_jails"
# Twenty filters of fail2ban 1.1.0's own that need nothing but a log.
FILTERS = [
    *("sshd", "proftpd", "pure-ftpd", "vsftpd", "postfix", "dovecot", "exim", "sieve", "mysqld-auth", "recidive"),
    *("nginx-http-auth", "nginx-limit-req", "nginx-botsearch", "nginx-bad-request"),
    *("apache-auth", "apache-badbots", "apache-noscript", "apache-overflows", "apache-nohome", "apache-botsearch"),
]
BY_HAND = "stockade-bench-by-hand"
RESTARTED = {"stockade": "stockade-bench-stockade", "nftables": "stockade-bench-nftables"}
PARTS = ["declare", "bans", "restarts"]
MOST_REPEATS = 9
SLOW_REPEATS = 3  # of what takes minutes

# The promise of our action: a restart is no gap. The others stand beside what people do without the collection.
TARGETS = {"unprotected_s_stockade": Target(0.01)}


def jail(name: str, filter_name: str, **options: Any) -> dict[str, Any]:
    """A jail of the bench, in the words of the module."""
    made = {"name": name, "enabled": True, "filter": filter_name, "backend": "polling", "logpath": [LOG]}
    return {**made, "banaction": "nftables", "bantime": "2h", **options}


TWENTY = [jail(f"stockade-bench-{name}", name) for name in FILTERS]
ALL = [entry["name"] for entry in TWENTY] + [BY_HAND, *RESTARTED.values()]


class Fail2ban:
    """One run on one host. `bans` is how many a jail holds at its restart, `repeat` how often each thing is done."""

    def __init__(self, host: Host, *, bans: int, repeat: int) -> None:
        self.figures = Figures(TARGETS)
        self._host = host
        self._bans = bans
        self._repeat = repeat
        self._slowly = min(repeat, SLOW_REPEATS)

    def declare(self) -> None:
        """Twenty jails from nothing: by one call, by twenty, by an ordinary play. Each way in each round."""
        names = [entry["name"] for entry in TWENTY]
        self._host.timed("ansible.builtin.ping")  # opens the connection that all share
        for number in range(self._repeat):
            say(f"twenty jails, round {number + 1} of {self._repeat}")
            self.figures.add("ping_s", self._host.timed("ansible.builtin.ping")[0])
            self.figures.add("declare_20_one_call_s", self._declare(TWENTY))
            self._host.measure("jails_wait", jails=names)
            self.figures.add("declare_20_again_s", self._declare(TWENTY, changed=False))
            self._host.measure("jails_from_nothing")
            if number < self._slowly:
                self.figures.add("declare_20_calls_s", sum(self._declare([entry]) for entry in TWENTY))
                self._host.measure("jails_wait", jails=names)
                self._host.measure("jails_from_nothing")
            self.figures.add("template_restart_s", self._template(names))
            self._host.measure("jails_from_nothing")

    def bans(self) -> None:
        """A thousand bans by hand in one jail with our action: by the module, by the client in a loop."""
        self._declare([jail(BY_HAND, "sshd", banaction="stockade")])
        for number in range(self._slowly):
            say(f"1,000 bans by hand, round {number + 1} of {self._slowly}")
            looped, told = ([f"{first}.{number}.{n >> 8}.{n & 255}" for n in range(1000)] for first in (241, 242))
            found = self._host.measure("jails_client_loop", jail=BY_HAND, addresses=looped)
            self.figures.add("ban_1000_client_loop_s", found["seconds"])
            self._host.measure("jails_lift", jail=BY_HAND)
            took, result = self._host.timed("stockade.fleet.ban", f"address={','.join(told)} jail={BY_HAND}")
            if [item["state"] for item in result["results"]] != ["banned"] * len(told):
                raise BenchError(f"not all of 1,000 addresses were banned: {result['results'][:3]}")
            self._host.measure("jails_insist", jail=BY_HAND, bans=len(told))
            self.figures.add("ban_1000_module_s", took)
            self._host.measure("jails_lift", jail=BY_HAND)
        withdraw(self._host, [BY_HAND])

    def restarts(self) -> None:
        """fail2ban restarts with many bans in a jail: with our action, with the stock one."""
        others = [f"240.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(self._bans - 2)]
        for action, name in RESTARTED.items():
            say(f"{self._slowly} restarts with {self._bans:,} bans, action {action}")
            # the stock action guards ports: those of the neighbour's packets
            self._declare([jail(name, "sshd", banaction=action, protocol="udp", port=["9"])])
            found = self._host.measure("restart", jail=name, others=others, repeat=self._slowly)
            self.figures.add(f"unprotected_s_{action}", *found["last"])
            self.figures.add(f"unprotected_first_s_{action}", *found["first"])
            self.figures.add(f"restart_s_{action}", *found["restart"])
            self.figures.add(f"load_{self._bans}_bans_s_{action}", *found["load_seconds"])
            self.figures.add(f"probes_per_s_{action}", *found["rate"])
            self._host.measure("jails_lift", jail=name)
            withdraw(self._host, [name])

    def _declare(self, entries: list[dict[str, Any]], *, changed: bool = True) -> float:
        took, result = self._host.timed(JAILS_MODULE, json.dumps({"jails": entries}))
        missing = {entry["name"] for entry in entries} - set(result["jails"])
        if result["changed"] is not changed or missing:
            raise BenchError(f"{len(entries)} jails: changed={result['changed']}, {sorted(missing)} do not run")
        return took

    def _template(self, names: list[str]) -> float:
        """The play, and then until fail2ban answers: the hosts are containers, so there is one clock."""
        began = time.monotonic()
        self._host.play(PLAY, bench_jails=TWENTY, bench_template=TEMPLATE)
        ended = time.monotonic()
        answered = float(self._host.measure("jails_wait", jails=names))
        # asking takes a moment: if the jails were there at once, the play's end counts
        return max(ended, answered) - began


def withdraw(host: Host, names: list[str]) -> None:
    """Remove jails of the bench, whether they are there or not."""
    absent = {"jails": [{"name": name} for name in names], "state": "absent"}
    host.timed(JAILS_MODULE, json.dumps(absent))


@contextlib.contextmanager
def fail2ban_as_it_was(host: Host) -> Iterator[None]:
    """Its configuration and service are afterwards what they were, also where the roles changed or removed something.

    What an interrupted run of the bench left in it does not come back.
    """
    ours, active_or_not = "*stockade-bench*", "systemctl is-active fail2ban || true"
    listing = f"find {FAIL2BAN} -type f ! -name '{ours}' ! -name '*.pyc' -exec sha256sum {{}} + | sort"
    pack = f"tar -c -C {FAIL2BAN} --exclude='{ours}' . | base64 -w0"
    archive = host.shell("sh", "-c", f"if [ -d {FAIL2BAN} ]; then {pack}; fi").encode()
    before, active = host.shell("sh", "-c", listing), host.shell("sh", "-c", active_or_not).strip()
    try:
        yield
    finally:
        now = host.shell("sh", "-c", listing), host.shell("sh", "-c", active_or_not).strip()
        if archive and now != (before, active):
            say("putting fail2ban's configuration back")
            fresh = f"{FAIL2BAN}.stockade-bench"
            unpack = f"rm -rf {fresh} && mkdir {fresh} && base64 -d | tar -x -C {fresh}"
            host.shell("sh", "-c", f"{unpack} && rm -rf {FAIL2BAN} && mv {fresh} {FAIL2BAN}", sent=archive)
            host.shell("systemctl", "restart" if active == "active" else "stop", "fail2ban")


@contextlib.contextmanager
def bench_jails_gone(host: Host) -> Iterator[None]:
    """No jail and no ban of the bench before, nor afterwards."""
    host.measure("jails_leave", jails=ALL)
    host.measure("jails_prepare")
    with afterwards(lambda: host.measure("jails_leave", jails=ALL), "removing the jails"):
        yield


def harden(host: Host, *, installed: bool) -> None:
    """As `bans` does. If it fails half-way, the agent does not stay unless it was `installed`."""

    def remove() -> None:
        if not installed:
            host.play("remove.yml")

    say(f"{host.name}: harden.yml")
    with undone_on_error(remove, "removing it"):
        host.play("harden.yml")


def run(asked: argparse.Namespace) -> None:
    """Measure everything and leave the host as it was. Raises BenchError if something cannot be measured."""
    host = Host(asked.host)
    installed = host.installed()
    with fail2ban_as_it_was(host):
        harden(host, installed=installed)
        with left_as_it_was(host, installed=installed):
            facts: dict[str, Any] = host.measure("facts")
            bench = Fail2ban(host, bans=asked.bans, repeat=asked.repeat)
            with bench_jails_gone(host):
                for part in asked.parts:
                    getattr(bench, part)()
            facts["load_after"] = host.measure("facts")["load_before"]
    tell(bench.figures, asked.output, host, facts, bans=asked.bans, repeat=asked.repeat)


def main() -> int:
    """Exit codes: 0 measured, 1 not."""
    parser = common_options(__doc__, host="web2", output=OUTPUT)
    parser.add_argument("--bans", type=int, default=5000, help="bans in the jail at a restart [%(default)s]")
    parser.add_argument("--repeat", type=int, default=5, choices=range(1, MOST_REPEATS + 1), help="[%(default)s]")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="[all]")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
