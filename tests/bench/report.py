# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: merged and written of a thousand hosts with 500 bans each, opened in a browser; what it asks of hosts.

Writes build/bench/report.json and prints the figures beside their targets. How soon the page can be used is measured
where there is a Chromium. The last two parts use the test fleet.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchlib.figures import Figures, Target
from benchlib.hosts import BENCH, ENVIRONMENT, REPOSITORY, BenchError, Host, say
from benchlib.runs import afterwards, run_bench

OUTPUT = REPOSITORY / "build/bench/report.json"
# Of the test fleet: the one that holds many bans, and all that are audited, which are a group of its inventory.
HOLDER, FLEET, AUDITED = "web2", "servers", ("web1", "web2", "gate")
LOADED = 100_000
LIST = "bench"
TARGETS = {"merge_render_1000x500_s": Target(20.0), "peak_mb": Target(1000.0)}


def merged(figures: Figures, options: argparse.Namespace, page: Path) -> None:
    """The filters of the role, each time in a process of its own; the page is left there."""
    for number in range(options.repeat):
        say(f"round {number + 1} of {options.repeat}: {options.hosts} hosts with {options.bans} bans")
        found = child(options, "shared", page)
        figures.add("merge_render_1000x500_s", found["seconds"])
        figures.add("peak_mb", found["peak_mb"])
        for part, seconds in found["parts"].items():
            figures.add(f"{part}_s", seconds)
        figures.put("page_mb", found["page_mb"])
        figures.put("json_mb", found["json_mb"])
        figures.put("networks", found["networks"])
    if options.distinct:
        say("the same of addresses that no two hosts share")
        found = child(options, "distinct", page.with_name("distinct.html"))
        figures.put("distinct_merge_render_s", found["seconds"])
        figures.put("distinct_peak_mb", found["peak_mb"])


def child(options: argparse.Namespace, kind: str, page: Path) -> dict[str, Any]:
    """What one run in its own process measured. Raises BenchError if it fails."""
    command = [sys.executable, "-m", "benchlib.rendering", str(options.hosts), str(options.bans), kind, str(page)]
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{BENCH}:{REPOSITORY / '.collections'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"rendering failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def opened(figures: Figures, options: argparse.Namespace, page: Path) -> None:
    """Seconds until the page can be used, in a new Chromium each time."""
    sys.path.insert(0, str(REPOSITORY / "tests/browser"))
    chromium = importlib.import_module("chromium")
    reason = chromium.missing()
    if reason:
        say(f"page_interactive_s is left out: {reason}")
        return
    for number in range(options.repeat):
        say(f"round {number + 1} of {options.repeat}: the page in Chromium")
        browser = chromium.Browser()
        try:
            browser.open(page)
            figures.add("page_interactive_s", browser.interactive_s())
        finally:
            browser.close()


def asked(figures: Figures, options: argparse.Namespace, page: Path) -> None:
    """A call of ban_facts on a host that holds many bans, and `ping` beside it."""
    host = Host(HOLDER)
    networks = page.with_name("bench.txt")
    # 240.0.0.0/4 is nobody's (RFC 1112).
    networks.write_text("".join(f"242.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(LOADED)), encoding="utf-8")
    with hardened(host.name):
        say(f"{host.name}: a list of {LOADED:,}")
        declared = f"name={LIST} src={networks}"
        with afterwards(lambda: lifted(host), "lifting the bans"):
            host.timed("stockade.fleet.permanent_bans", declared)
            for number in range(options.repeat):
                say(f"round {number + 1} of {options.repeat}: ban_facts on {host.name}")
                figures.add("ping_s", host.timed("ansible.builtin.ping")[0])
                took, result = host.timed("stockade.fleet.ban_facts")
                held = result["ansible_facts"]["stockade"]["summary"]["bans"]
                if held < LOADED:
                    raise BenchError(f"{host.name} holds {held} bans, not {LOADED}")
                figures.add("ban_facts_100k_s", took)


def lifted(host: Host) -> None:
    """Take the list of bans off again."""
    host.timed("stockade.fleet.permanent_bans", f"name={LIST} state=absent")


def audited(figures: Figures, options: argparse.Namespace, page: Path) -> None:
    """audit.yml over three hardened hosts, and how often each host is asked for something meanwhile."""
    fleet, hosts = Host(FLEET), [Host(name) for name in AUDITED]
    variables = {"stockade_report_dir": str(page.with_name("audit")), "stockade_audit_fail_on": "none"}
    with hardened(FLEET):
        fleet.play("audit.yml", **variables)  # opens the connections
        for number in range(options.repeat):
            say(f"round {number + 1} of {options.repeat}: audit.yml over {len(hosts)} hosts")
            before = [escalations(host) for host in hosts]
            began = time.monotonic()
            fleet.play("audit.yml", **variables)
            figures.add("audit_fleet_s", time.monotonic() - began)
            tasks = [escalations(host) - old for host, old in zip(hosts, before, strict=True)]
            figures.add("audit_remote_tasks", *tasks)


def escalations(host: Host) -> int:
    """How often sudo has run something on a host; a task with become does once."""
    return host.shell("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "sudo").count("COMMAND=")


@contextlib.contextmanager
def hardened(name: str) -> Iterator[None]:
    """The hosts of that name are hardened; those that were not are as before afterwards."""
    bare = [host for host in map(Host, AUDITED if name == FLEET else (name,)) if not host.installed()]

    def leave() -> None:
        for host in bare:
            say(f"{host.name}: remove.yml")
            host.play("remove.yml")

    with afterwards(leave, "cleaning up"):
        for host in bare:
            say(f"{host.name}: harden.yml")
            host.play("harden.yml")
        yield


# One after the other; what one leaves at the page's place is there for the next. Parts that need hosts come last.
PARTS = {"merged": merged, "opened": opened, "asked": asked, "audited": audited}


def run(options: argparse.Namespace) -> None:
    """Measure. Raises BenchError if something cannot be measured."""
    figures = Figures(TARGETS)
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as place:
        for part in options.parts:
            PARTS[part](figures, options, Path(place) / "index.html")
    moment = datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
    facts = {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
    figures.write(options.output, date=moment, machine=facts, fleet={"hosts": options.hosts, "bans": options.bans})
    print("\n".join(figures.table()))
    print(f"in {options.output}; {facts['system']}, {facts['cores']} cores, Python {facts['python']}")


def main() -> int:
    """Exit codes: 0 measured, 1 not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    place = OUTPUT.relative_to(REPOSITORY)
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"where the figures go [{place}]")
    parser.add_argument("--hosts", type=int, default=1000, help="hosts of the fleet that is made up [%(default)s]")
    parser.add_argument("--bans", type=int, default=500, help="bans of each [%(default)s]")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of which figures are the median [%(default)s]")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="opened needs merged [all]")
    parser.add_argument("--no-distinct", dest="distinct", action="store_false", help="leave out the worst case")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
