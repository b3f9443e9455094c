# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what is on the test hosts with what was there before: files, units, users, rules, listeners.

snapshot.py take HOST...     write build/fleet/snapshot/HOST.json
snapshot.py compare HOST...  print every difference to it; exit 1 if there is one
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fleetlib.definition import BUILD_DIR
from fleetlib.podman import become_root, podman

DIRECTORY = BUILD_DIR / "snapshot"

PROBE = Path(__file__).with_name("probe.py")  # runs on the host


def probe(host: str) -> dict[str, dict[str, str]]:
    """What is on the host now, by kind."""
    found: dict[str, dict[str, str]] = json.loads(
        podman("exec", host, "/usr/bin/python3", "-c", PROBE.read_text(encoding="utf-8"))
    )
    return found


def differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[str]:
    """One line for each thing that came, went or changed."""
    lines = []
    for kind in before:
        for name in sorted(before[kind].keys() | after[kind].keys()):
            was, now = before[kind].get(name, "-"), after[kind].get(name, "-")
            if was != now:
                lines.append(f"{kind}: {name}: {was} => {now}")
    return lines


def main() -> int:
    """Take or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=("take", "compare"))
    parser.add_argument("hosts", nargs="+", metavar="HOST")
    options = parser.parse_args()
    become_root()
    found = 0
    for host in options.hosts:
        path = DIRECTORY / f"{host}.json"
        if options.action == "take":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(probe(host)), encoding="utf-8")
            continue
        for line in differences(json.loads(path.read_text(encoding="utf-8")), probe(host)):
            print(f"{host}: {line}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
