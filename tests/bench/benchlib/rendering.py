# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge and write a report as the role does, in a process of its own.

`python -m benchlib.rendering HOSTS BANS KIND PAGE`, where KIND is `shared` or `distinct`, prints what it took as JSON.
The peak is that of the whole process, with the facts of all hosts in it, as in Ansible.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.stockade.fleet.plugins.filter import (
    ban_page,
    ban_proposals,
    ban_table,
    bans_csv,
    bans_markdown,
    host_table,
    merge_bans,
)
from benchlib.manyhosts import fleet

STEPS = {
    "page": (ban_page, "ban_page"),
    "csv": (bans_csv, "bans_csv"),
    "markdown": (bans_markdown, "bans_markdown"),
    "proposals": (ban_proposals, "ban_proposals"),
    "ban_table": (ban_table, "ban_table"),
    "host_table": (host_table, "host_table"),
}


def filter_of(module: Any, name: str) -> Callable[..., Any]:
    """The function that Ansible gets."""
    found: Callable[..., Any] = module.FilterModule().filters()[name]
    return found


def main() -> None:
    """Measure and print."""
    hosts, bans, kind, page = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    results = fleet(hosts=hosts, bans=bans, distinct=kind == "distinct")
    parts: dict[str, float] = {}
    texts: dict[str, Any] = {}

    def timed(name: str, what: Callable[..., Any], *given: Any, **options: Any) -> None:
        began = time.monotonic()
        texts[name] = what(*given, **options)
        parts[name] = time.monotonic() - began

    # There was a report before, as on every day but the first.
    previous = filter_of(merge_bans, "merge_bans")(dict(list(results.items())[: hosts // 50]), as_text=True)
    timed("merge", filter_of(merge_bans, "merge_bans"), results, as_text=True, previous=previous)
    for name, (module, function) in STEPS.items():
        timed(name, filter_of(module, function), texts["merge"])
    page.write_text(texts["page"], encoding="utf-8")
    found = {
        "seconds": sum(parts.values()),
        "parts": parts,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "page_mb": page.stat().st_size / 1e6,
        "json_mb": len(texts["merge"]) / 1e6,
        "networks": json.loads(texts["merge"])["summary"]["networks"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
