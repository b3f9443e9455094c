# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the rules of the house that no other linter knows: file headers, small modules, action group, no leftovers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
WITH_HEADER = {".py", ".sh", ".toml", ".yml", ".yaml", ".cfg", ".ini", ".service", ".socket", ".j2"}
WITHOUT_HEADER = ("changelogs/changelog.yaml", "changelogs/fragments/", "tests/data/")
LEFTOVER = re.compile(r"\b(?:TO(?:DO)|FIX(?:ME))\b")
MODULE_LINES = 60
UTIL_LINES = 300


def known_files() -> list[Path]:
    """Return the files git knows or would add, relative to the checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    return sorted(Path(name) for name in set(listing.split("\0")) if name and (ROOT / name).is_file())


def code_lines(source: str) -> int:
    """Count the lines from the first statement after a module's documentation on, blank and comment lines left out."""
    documentation = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    last = 0
    for node in ast.parse(source).body:
        names = {target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)}
        if names & documentation:
            last = node.end_lineno or last
    rest = source.splitlines()[last:]
    return sum(1 for line in rest if line.strip() and not line.lstrip().startswith("#"))


def complaints_about(name: Path) -> Iterator[str]:
    """Yield what is wrong with one file."""
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    posix = name.as_posix()
    head = "\n".join(text.splitlines()[:8])
    if text and name.suffix in WITH_HEADER and not posix.startswith(WITHOUT_HEADER) and SPDX not in head:
        yield f"{posix}: no licence header ({SPDX})"
    if LEFTOVER.search(text) and name.suffix in WITH_HEADER | {".md"}:
        yield f"{posix}: unfinished work is marked in it"
    if posix.startswith("plugins/modules/") and name.suffix == ".py" and (lines := code_lines(text)) > MODULE_LINES:
        yield f"{posix}: {lines} lines of code, more than {MODULE_LINES}: the logic belongs into module_utils"
    if posix.startswith("plugins/module_utils/") and (lines := len(text.splitlines())) > UTIL_LINES:
        yield f"{posix}: {lines} lines, more than {UTIL_LINES}: split it"


def complaints_about_action_group() -> Iterator[str]:
    """Yield the modules that are missing in the action group and the names in it that are no modules."""
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    listed = set(runtime["action_groups"]["all"])
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")} - {"__init__"}
    for module in sorted(modules ^ listed):
        where = "not in action group all" if module in modules else "in action group all, but no such module"
        yield f"meta/runtime.yml: {module}: {where}"


def main() -> int:
    """Print every complaint; return 1 if there is one."""
    complaints = [line for name in known_files() for line in complaints_about(name)]
    complaints += complaints_about_action_group()
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
