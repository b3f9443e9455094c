# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the images with mmdebstrap."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import machine
from .definition import CUSTOMIZE, Fleet, FleetError, Image
from .podman import podman, query, run, say, succeeds

# Not under the checkout: apt's own user must be able to walk there.
WORKSPACE = Path("/var/tmp/stockade-fleet")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def _build(image: Image, label: str) -> None:
    say(f"image {image.name}: building from {image.suite} (about 30 s)")
    with tempfile.TemporaryDirectory(dir=WORKSPACE) as directory:
        workspace = Path(directory)
        workspace.chmod(0o755)
        (workspace / "sources.list").write_text(machine.archive().sources(image.suite), encoding="utf-8")
        (workspace / "apt.conf").write_text(machine.apt_configuration(), encoding="utf-8")
        tarball = workspace / "image.tar"
        run(
            "env",
            f"TMPDIR={workspace}",
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            # Kept, so that a host knows its packages from the start as an installed one does.
            "--skip=cleanup/apt/lists",
            '--aptopt=Acquire::GzipIndexes "true"',
            '--aptopt=Acquire::Languages "none"',
            f"--aptopt={workspace / 'apt.conf'}",
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            f"--include={','.join(image.packages)}",
            *(f"--customize-hook={hook}" for hook in (CUSTOMIZE, image.hook) if hook),
            image.suite,
            str(tarball),
            str(workspace / "sources.list"),
            timeout=900.0,
        )
        podman(
            "import",
            "--quiet",
            # systemd 256 and later refuse cgroup v1 without this word; a container's PID 1 reads it from its arguments.
            '--change=CMD ["/sbin/init","SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]',
            "--change=STOPSIGNAL SIGRTMIN+3",
            f"--change=LABEL {label}",
            str(tarball),
            image.reference,
        )
    say(f"image {image.name}: built")


def build(fleet: Fleet, wanted: list[Image]) -> None:
    """Build those of the images that are missing, two at a time.

    Raises FleetError if one cannot be built, or if one named by an environment variable does not exist.
    """
    missing = [image for image in wanted if not succeeds("image", "exists", image.reference)]
    foreign = [image for image in missing if not image.reference.startswith("localhost/stockade-fleet/")]
    if foreign:
        raise FleetError(
            f"no image {foreign[0].reference} (from {foreign[0].override}): load it, or unset the variable"
        )
    if not missing:
        return
    run("rm", "-rf", "--one-file-system", str(WORKSPACE))
    WORKSPACE.mkdir(mode=0o755)
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda image: _build(image, fleet.label), missing))
    run("rm", "-rf", "--one-file-system", str(WORKSPACE))


def remove(fleet: Fleet, *, keep_current: bool) -> None:
    """Remove our images: all of them, or those of earlier recipes that no container uses."""
    current = {image.reference for image in fleet.images} if keep_current else set()
    for found in query("images", "--filter", f"label={fleet.label}", "--format", "json"):
        if not current.intersection(found.get("Names") or []):
            podman("rmi", found["Id"], check=not keep_current)
