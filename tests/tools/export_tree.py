# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""export_tree.py DESTINATION: mirror the files git knows, or would add, so that nothing else of the checkout is seen.

Files that did not change keep their times, files that went away are removed, and `.git` and `tests/output` of the
destination are left alone, so that tools with caches there stay quick.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = (Path(".git"), Path("tests/output"))


def known_files() -> set[Path]:
    """Return the tracked and the not ignored untracked files that exist, relative to the checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    names = (Path(name) for name in listing.split("\0") if name)
    return {name for name in names if (ROOT / name).is_symlink() or (ROOT / name).is_file()}


def is_kept(name: Path) -> bool:
    """Say whether a path of the destination belongs to the tool that works there."""
    return any(name == kept or kept in name.parents for kept in KEPT)


def is_same(source: Path, target: Path) -> bool:
    """Say whether a plain file has its copy already: content and mode."""
    if source.is_symlink() or target.is_symlink() or not target.is_file():
        return False
    return source.stat().st_mode == target.stat().st_mode and filecmp.cmp(source, target)


def export(*, destination: Path) -> None:
    """Bring the destination to the state of the checkout."""
    wanted = known_files()
    destination.mkdir(parents=True, exist_ok=True)
    present = {path.relative_to(destination) for path in destination.rglob("*") if path.is_symlink() or path.is_file()}
    for name in present - wanted:
        if not is_kept(name) and "__pycache__" not in name.parts:
            (destination / name).unlink()
    for name in wanted:
        source, target = ROOT / name, destination / name
        if is_same(source, target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    for path in sorted((path for path in destination.rglob("*") if path.is_dir()), reverse=True):
        if not is_kept(path.relative_to(destination)) and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    export(destination=Path(sys.argv[1]).resolve())
