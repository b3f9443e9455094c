# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host's sshd in one dictionary. Reads only.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    EXEMPT,
    MAIN,
    ConfigTree,
    Directive,
    load,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doors import Doors
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.extras import read_file
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.finding import Evidence
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.findings import findings, passed_over
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hostkeys import HostKey, host_keys
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import spelling
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.listening import parse_listening
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.matchblocks import MATCH
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.moduli import sizes
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.pam import find_code_module
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.penalties import parse_penalties, penalised


def gather(
    run: host.Run, *, sshd: str, operator: str | None, connections: Sequence[Mapping[str, Any]] = ()
) -> tuple[dict[str, Any], list[str]]:
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
    keys = host_keys(everyone.get("hostkey", []), read_file)
    private = everyone.get("hostkey", [])
    modes, foreign = _modes(list(tree.files) + private + [path + ".pub" for path in private])
    primes = read_file(everyone.get("modulifile", ["/etc/ssh/moduli"])[0])
    seen = Evidence(
        effective=everyone,
        tree=tree,
        offered=offer.algorithms if offer else {},
        modes=modes,
        foreign=foreign,
        host_keys=keys,
        moduli=None if primes is None else sizes(primes),
        code=find_code_module(read_file, everyone.get("pamservicename", ["sshd"])[0]),
    )
    return {
        "version": version.text,
        "listener": listener.mode,
        "listeners": _listeners(run, targets),
        "ports": sorted({port for _address, port in targets}),
        "firewalls": _firewalls(run, warnings),
        "banner": offer.banner if offer else "",
        "offered": offer.algorithms if offer else {},
        "effective": effective,
        "connection": {"user": connection.user, "address": connection.address},
        "connections": [_for_one(server, wanted, everyone) for wanted in connections] if good else [],
        "files": [_file(path, modes) for path in tree.files],
        "shadowed": _shadowed(tree),
        "host_keys": [_key(key, modes) for key in keys],
        "moduli": {str(bits): count for bits, count in (seen.moduli or {}).items()},
        "penalties": _penalties(run, everyone),
        "findings": findings(seen, complaints=[] if good else complaints),
    }, warnings


def _knock(targets: list[tuple[str, int]]) -> tuple[wire.Offer | None, list[str]]:
    problems = []
    for address, port in targets:
        try:
            return wire.probe(address, port), []
        except StockadeError as error:
            problems.append(str(error))
    return None, problems


def _listeners(run: host.Run, targets: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Who really listens on sshd's ports, from the kernel; what should listen where that cannot be asked."""
    ss = shutil.which("ss")
    rc, out, _err = run([ss, "-H", "-l", "-t", "-n", "-p"]) if ss else (1, "", "")
    if rc != 0:
        return [{"address": address, "port": port, "program": ""} for address, port in targets]
    ports = {port for _address, port in targets}
    return [
        {"address": one.address, "port": one.port, "program": one.program}
        for one in parse_listening(out)
        if one.port in ports or one.program == "sshd"
    ]


def _firewalls(run: host.Run, warnings: list[str]) -> list[str]:
    try:
        return Doors(run).firewalls()
    except StockadeError as error:  # ssh is what was asked about
        warnings.append(str(error))
        return []


def _for_one(server: host.Sshd, wanted: Mapping[str, Any], everyone: dict[str, list[str]]) -> dict[str, Any]:
    """What Match blocks change for one connection."""
    about = {key: str(value) for key, value in wanted.items() if value is not None}
    connection = Connection(
        about["user"],
        address=about.get("address", ""),
        local_address=about.get("local_address", ""),
        local_port=about.get("local_port", ""),
    )
    values = server.effective(MAIN, connection)
    return {**about, "differs": {key: value for key, value in values.items() if everyone.get(key) != value}}


def _file(path: str, modes: Mapping[str, int]) -> dict[str, Any]:
    return {"path": path, "mode": "{:04o}".format(modes[path]), "ours": path in (DROPIN, EXEMPT, MATCH)}


def _shadowed(tree: ConfigTree) -> list[dict[str, Any]]:
    return [
        {"keyword": spelling(loser.keyword), **_line(loser), "by": _line(winner)} for winner, loser in passed_over(tree)
    ]


def _line(directive: Directive) -> dict[str, Any]:
    return {"value": directive.value, "path": directive.path, "line": directive.line}


def _key(key: HostKey, modes: Mapping[str, int]) -> dict[str, Any]:
    mode = "{:04o}".format(modes[key.path]) if key.path in modes else ""
    return {"path": key.path, "type": key.kind, "bits": key.bits, "fingerprint": key.fingerprint, "mode": mode}


def _penalties(run: host.Run, everyone: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What sshd does to addresses that misbehave, and to whom it did; not even ``known`` before OpenSSH 9.8."""
    values = everyone.get("persourcepenalties", [])
    exempt = [entry for value in everyone.get("persourcepenaltyexemptlist", []) for entry in value.split(",")]
    known = {"known": bool(values), "exempt": [entry for entry in exempt if entry != "none"]}
    now = penalised(run) if values else []
    return {**known, **parse_penalties(values[0] if values else ""), "penalised": now}


def _modes(paths: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Permission bits by path, and the paths that are not root's."""
    modes, foreign = {}, []
    for path in dict.fromkeys(paths):
        if os.path.exists(path):
            about = os.stat(path)
            modes[path] = stat.S_IMODE(about.st_mode)
            foreign += [path] if about.st_uid != 0 else []
    return modes, foreign
