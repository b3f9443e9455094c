# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: merged and written of a thousand hosts with 500 bans each, and opened in a browser.

Writes build/bench/report.json and prints the figures beside their targets. Needs no host; how soon the page can be used
is measured where there is a Chromium.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchlib.figures import Figures, Target
from benchlib.hosts import BENCH, ENVIRONMENT, REPOSITORY, BenchError, say
from benchlib.runs import run_bench

OUTPUT = REPOSITORY / "build/bench/report.json"
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


# One after the other; what one leaves at the page's place is there for the next. Parts that need hosts come last.
PARTS = (merged, opened)


def run(options: argparse.Namespace) -> None:
    """Measure. Raises BenchError if something cannot be measured."""
    figures = Figures(TARGETS)
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as place:
        for part in PARTS:
            part(figures, options, Path(place) / "index.html")
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
    parser.add_argument("--no-distinct", dest="distinct", action="store_false", help="leave out the worst case")
    return run_bench(parser, run)


if __name__ == "__main__":
    sys.exit(main())
