# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host's sshd in one dictionary. Reads only.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN, EXEMPT, MAIN, load
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.findings import findings


def gather(run: host.Run, *, sshd: str, operator: str | None) -> tuple[dict[str, Any], list[str]]:
    """Everything ssh_info returns, and warnings. Files that sshd refuses are a finding, not an error."""
    host.require_root()
    server = host.Sshd(run, sshd)
    version = server.version()
    host.prepare_privsep_directory()
    connection = host.find_connection(operator)
    good, complaints = server.test(MAIN)
    everyone = server.effective(MAIN) if good else {}
    effective = server.effective(MAIN, connection) if good else {}
    listener = host.find_listener(run)
    targets = host.endpoints(listener, everyone)
    offer, warnings = _knock(targets if listener.mode != "none" else [])
    tree = load()
    modes = _modes(list(tree.files) + everyone.get("hostkey", []))
    return {
        "version": version.text,
        "listener": listener.mode,
        "ports": sorted({port for _address, port in targets}),
        "banner": offer.banner if offer else "",
        "offered": offer.algorithms if offer else {},
        "effective": effective,
        "connection": {"user": connection.user, "address": connection.address},
        "files": [
            {"path": path, "mode": "{:04o}".format(modes[path]), "ours": path in (DROPIN, EXEMPT)}
            for path in tree.files
        ],
        "findings": findings(
            effective=everyone,
            offered=offer.algorithms if offer else {},
            tree=tree,
            modes=modes,
            complaints=[] if good else complaints,
        ),
    }, warnings


def _knock(targets: list[tuple[str, int]]) -> tuple[wire.Offer | None, list[str]]:
    problems = []
    for address, port in targets:
        try:
            return wire.probe(address, port), []
        except StockadeError as error:
            problems.append(str(error))
    return None, problems


def _modes(paths: list[str]) -> dict[str, int]:
    return {path: stat.S_IMODE(os.stat(path).st_mode) for path in paths if os.path.exists(path)}
