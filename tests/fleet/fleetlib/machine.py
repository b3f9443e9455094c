# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this machine reaches its package archive, handed on to images and hosts.

Nothing here names an archive: sources, proxy and certificates are read from the machine each time.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .definition import FleetError
from .podman import run

APT = Path("/etc/apt")
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")
# What decides whether a download works; the rest of apt's configuration is the machine's own taste.
_HANDED_ON = re.compile(r"^Acquire::(https?::|ftp::|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])", re.IGNORECASE)


@dataclass(frozen=True)
class Archive:
    """Where Debian comes from."""

    main: str
    security: str | None

    def sources(self, suite: str) -> str:
        """A sources.list for a Debian suite."""
        lines = [f"deb {self.main} {suite} main", f"deb {self.main} {suite}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {suite}-security main")
        return "\n".join(lines) + "\n"


def _entries() -> list[tuple[str, str]]:
    """(URI, suite) of every enabled source, in either of apt's formats."""
    entries = []
    for path in [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            pattern = re.compile(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", re.MULTILINE)
            entries += pattern.findall(path.read_text(encoding="utf-8"))
    for path in sorted((APT / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                entries += [(uri, name) for uri in fields.get("URIs", "").split() for name in fields["Suites"].split()]
    return entries


def archive() -> Archive:
    """The Debian archive this machine itself uses. Raises FleetError if it uses none."""
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    own = "".join(re.findall(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE))
    entries = _entries()
    main = [uri for uri, suite in entries if suite in (own, "stable")]
    security = [uri for uri, suite in entries if suite in (f"{own}-security", "stable-security")]
    if not main or "\nID=debian\n" not in release:
        raise FleetError(
            f"no Debian package source for {own or 'this system'} in {APT}: the fleet's images need a Debian machine"
        )
    return Archive(main=main[0], security=security[0] if security else None)


def apt_configuration() -> str:
    """The machine's apt settings that decide whether a download works, as an apt.conf fragment."""
    lines = [line for line in run("apt-config", "dump").stdout.splitlines() if _HANDED_ON.match(line)]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy and not any(line.lower().startswith(f"acquire::{scheme}::proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return "\n".join(lines) + "\n"


def hand_on(root: Path, suite: str) -> None:
    """Let a host whose files are at `root` reach what this machine reaches: sources, apt settings, authorities."""
    for source in (root / "etc/apt/sources.list.d").iterdir():
        source.unlink()  # mmdebstrap's copy of the same
    (root / "etc/apt/sources.list").write_text(archive().sources(suite), encoding="utf-8")
    configuration = apt_configuration()
    (root / "etc/apt/apt.conf.d/80build-machine").write_text(configuration, encoding="utf-8")
    for value in re.findall(r'^Acquire::https::CaInfo "([^"]+)";$', configuration, re.MULTILINE | re.IGNORECASE):
        target = root / value.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(value, target)
    certificates = sorted(LOCAL_CERTIFICATES.rglob("*.crt")) if LOCAL_CERTIFICATES.is_dir() else []
    for certificate in certificates:
        target = root / certificate.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(certificate, target)
    if certificates:
        run("chroot", str(root), "update-ca-certificates")
