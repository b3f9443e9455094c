# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of the services that matter, asked of systemd in one call.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import typing as t

Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]

# Ours are named even where they are absent, for that is what somebody looks for.
OURS = ("stockade-warden.service", "stockade-warden.socket", "stockade-watcher.service")
OTHERS = (
    "stockade-exchange.service",
    "stockade-notifier.service",
    "stockade-report-traffic.timer",
    "stockade-report-security.timer",
    "stockade-report@traffic.service",
    "stockade-report@security.service",
    "fail2ban.service",
    "nftables.service",
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
)
# The collection's own: a host's choices about a unit, and the ports of a socket of sshd.
_OWN_DROPINS = ("stockade.conf", "zz-stockade.conf")
_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "DropInPaths")


def services(*, run: Run, systemctl: str | None) -> list[dict[str, t.Any]]:
    """State of our units and of those they live with; empty without systemd.

    ``run`` executes an argument list and returns exit status, output, error output.
    """
    if systemctl is None:
        return []
    argv = [systemctl, "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--"]
    _rc, out, _err = run(argv + list(OURS) + list(OTHERS))
    return parse(out)


def parse(text: str) -> list[dict[str, t.Any]]:
    """The services of the output of ``systemctl show``, which is blocks of ``Key=value`` with a blank line between.

    Absent units are left out unless they are ours; an alias (sshd for ssh on Debian) appears once.
    """
    found: dict[str, dict[str, t.Any]] = {}
    for block in text.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        name = unit.get("Id", "")
        if name and (unit.get("LoadState") != "not-found" or name in OURS):
            found.setdefault(name, _service(name, unit))
    return list(found.values())


def _service(name: str, unit: dict[str, str]) -> dict[str, t.Any]:
    restarts = unit.get("NRestarts", "")
    return {
        "name": name,
        "load": unit.get("LoadState", ""),
        "active": unit.get("ActiveState", ""),
        "sub": unit.get("SubState", ""),
        "enabled": unit.get("UnitFileState", ""),
        "failed": unit.get("ActiveState") == "failed",
        "restarts": int(restarts) if restarts.isdigit() else 0,
        "drop_ins": [
            path for path in unit.get("DropInPaths", "").split() if os.path.basename(path) not in _OWN_DROPINS
        ],
    }
