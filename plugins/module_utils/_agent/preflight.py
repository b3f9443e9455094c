# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have before the agent is put on it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import PYTHON, Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

NFT = "/usr/sbin/nft"
MINIMUM_PYTHON = (3, 11)
TRIED = (("debian", "12"), ("debian", "13"))


def check(run: Run, *, predicting: bool, warn: t.Callable[[str], None]) -> None:
    """Raise StockadeError for the first thing this host lacks; ``warn`` of what was never tried.

    In a prediction the absence of nft is a warning: the role installs it just before.
    """
    if not os.path.isdir("/run/systemd/system"):
        raise StockadeError("cannot install the agent: this host does not run systemd (sd_booted(3))")
    _check_python(run)
    _check_nft(run, predicting=predicting, warn=warn)
    distribution = _os_release()
    if distribution not in TRIED:
        warn("the agent was never tried on %s %s: it should work, watch `stockade status`" % distribution)


def _check_python(run: Run) -> None:
    needed = "it needs Python %d.%d or later (Debian 12, Ubuntu 24.04, EL 10 have it)" % MINIMUM_PYTHON
    if not os.path.exists(PYTHON):
        raise StockadeError("cannot install the agent: there is no %s, and %s" % (PYTHON, needed))
    _rc, out, _err = run([PYTHON, "-I", "-c", "import sys; print(*sys.version_info[:2])"])
    if tuple(int(part) for part in out.split()) < MINIMUM_PYTHON:
        found = ".".join(out.split()) or "broken"
        raise StockadeError("cannot install the agent: %s is Python %s, and %s" % (PYTHON, found, needed))


def _check_nft(run: Run, *, predicting: bool, warn: t.Callable[[str], None]) -> None:
    if not os.path.exists(NFT):
        message = "there is no %s: install the package nftables (the role stockade.fleet.agent does)" % NFT
        if not predicting:
            raise StockadeError("cannot install the agent: " + message)
        warn(message)
        return
    rc, _out, err = run([NFT, "list", "tables"])
    if rc != 0:
        raise StockadeError("cannot install the agent: the kernel takes no nftables rules here: %s" % err.strip()[:300])


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
