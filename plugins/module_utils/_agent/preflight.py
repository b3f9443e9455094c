# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have before the agent is put on it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import HOSTS_DENY, NFT, NFTABLES, Choice
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import PYTHON, Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

LDD = "/usr/bin/ldd"
SSHD = "/usr/sbin/sshd"
HOSTS_ALLOW = "/etc/hosts.allow"
INIT_STATUS = "/proc/1/status"
INIT_MOUNTS = "/proc/1/mountinfo"
MINIMUM_PYTHON = (3, 11)
TRIED = (("debian", "12"), ("debian", "13"))


CAP_NET_ADMIN = 12  # the bit, <linux/capability.h>


def check(run: Run, choice: Choice, *, countries: bool = False, warn: t.Callable[[str], None]) -> list[str]:
    """The packages that are missing, with ``countries`` the one that reads a file of them as well.

    Raises StockadeError for what no package mends; ``warn`` of the rest.
    """
    if not os.path.isdir("/run/systemd/system"):
        raise StockadeError("cannot install the agent: this host does not run systemd (sd_booted(3))")
    _check_python(run)
    missing = []
    if NFTABLES in choice.names:
        _check_net_admin()
        missing = _check_nft(run)
    if HOSTS_DENY in choice.names:
        _check_libwrap(run, warn)
    if choice.credentials:
        _check_propagation()
    if countries and run([PYTHON, "-I", "-c", "import maxminddb"])[0] != 0:
        missing.append("python3-maxminddb")
    distribution = _os_release()
    if distribution not in TRIED:
        warn("the agent was never tried on %s %s: it should work, watch `stockade status`" % distribution)
    return missing


def _check_python(run: Run) -> None:
    needed = "it needs Python %d.%d or later (Debian 12, Ubuntu 24.04, EL 10 have it)" % MINIMUM_PYTHON
    if not os.path.exists(PYTHON):
        raise StockadeError("cannot install the agent: there is no %s, and %s" % (PYTHON, needed))
    _rc, out, _err = run([PYTHON, "-I", "-c", "import sys; print(*sys.version_info[:2])"])
    if tuple(int(part) for part in out.split()) < MINIMUM_PYTHON:
        found = ".".join(out.split()) or "broken"
        raise StockadeError("cannot install the agent: %s is Python %s, and %s" % (PYTHON, found, needed))


def _check_net_admin() -> None:
    with open(INIT_STATUS, encoding="ascii") as file:
        bounds = [line.split()[1] for line in file if line.startswith("CapBnd:")]
    if bounds and not int(bounds[0], 16) >> CAP_NET_ADMIN & 1:
        raise StockadeError(
            "cannot install the agent with the backend nftables: this host (a container, it seems) cannot have "
            "CAP_NET_ADMIN. Set backends: [hosts_deny] (stockade_agent_backends), or give it to the container"
        )


def _check_propagation() -> None:
    """systemd mounts credentials in a namespace of its own; only where /run is shared do they reach the service."""
    with open(INIT_MOUNTS, encoding="utf-8", errors="replace") as file:
        mounts = [line.split() for line in file]
    over = [fields for fields in mounts if fields[4] in ("/", "/run")]  # proc(5): the mount point, options follow
    if over and not any(field.startswith("shared:") for field in max(over, key=lambda fields: len(fields[4]))[6:]):
        raise StockadeError(
            "cannot hand credentials over: /run is a private mount in this container, and systemd leaves them out "
            "without a word. Run `mount --make-shared /run` before its systemd starts services, or set no credentials"
        )


def _check_nft(run: Run) -> list[str]:
    if not os.path.exists(NFT):
        return ["nftables"]
    rc, _out, err = run([NFT, "list", "tables"])
    if rc != 0:
        raise StockadeError("cannot install the agent: the kernel takes no nftables rules here: %s" % err.strip()[:300])
    return []


def _check_libwrap(run: Run, warn: t.Callable[[str], None]) -> None:
    rc, out, _err = run([LDD, SSHD])
    if rc == 0 and "libwrap.so" not in out:
        warn("backend hosts_deny: %s does not use libwrap here, so it refuses nobody that is only banned there" % SSHD)
    try:
        with open(HOSTS_ALLOW, encoding="utf-8", errors="replace") as file:
            rules = [line for line in file if line.strip() and not line.startswith("#")]
    except OSError:
        return
    if rules:
        warn("backend hosts_deny: whom %s lets in is not refused: it is asked first" % HOSTS_ALLOW)


def _os_release() -> tuple[str, str]:
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _equals, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except OSError:
        return "an unknown distribution", ""
    return values.get("ID", "an unknown distribution"), values.get("VERSION_ID", "")
