# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom sshd's own penalties (PerSourcePenalties, OpenSSH 9.8 and later) spare: one drop-in that the whitelist writes.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.change import Change, knock
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import EXEMPT, MAIN, ConfigTree, load
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import canonical
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.shadow import cast

KEYWORD = "PerSourcePenaltyExemptList"
_KEY = KEYWORD.lower()
_HEADER = "# Managed by stockade.fleet, module whitelist; changes made here are overwritten.\n"
# sshd hands its configuration to the process of each connection in one message of at most 256 KiB. With a longer one
# `sshd -t` is content and nobody gets in any more (seen with OpenSSH 10.0); host keys travel in it too.
_LARGEST = 160 * 1024


def follow(networks: list[str], *, run: host.Run, sshd: str | None, check: bool) -> dict[str, Any]:
    """Make the drop-in name ``networks``; without any, or with a sshd that does not know the keyword, there is none.

    What other files exempt stays exempt: sshd reads only the first such line, so ours repeats them. Returns
    ``{"changed", "added", "removed", "warnings"}``. Raises StockadeError; the old file is back then.
    """
    before, tidy = files.read(EXEMPT)
    if before is not None and not before.startswith(_HEADER.encode()):
        raise StockadeError("{} is not ours (its first line differs): move it away first".format(EXEMPT))
    if before is None and not networks:
        return _outcome(None, None, changed=False, warnings=[])
    server = host.Sshd(run, sshd or "")
    host.prepare_privsep_directory()
    others = _ask(server, load(overlay={EXEMPT: None})) if sshd else None
    if others is None and sshd and networks:
        return _outcome(before, before, changed=False, warnings=[_not("sshd refuses the files as they are")])
    if others is None:  # nobody to tell
        if not check:
            replace(EXEMPT, None)
        return _outcome(before, None, changed=before is not None, warnings=[])
    after, warnings = _wanted(networks, others)
    tree = load(overlay={EXEMPT: after})
    effective = _ask(server, tree)
    if effective is None:
        raise StockadeError("{} would break sshd's configuration, nothing was changed".format(EXEMPT))
    if after is not None and not _named(after) <= _listed(effective):
        warnings.append(_passed_over(tree))
    changed = before != after or not tidy
    if changed and not check:
        listener = host.find_listener(run)
        stale = _stale(listener, others)
        if stale:
            return _outcome(before, before, changed=False, warnings=[_not(stale)])
        Change(run, server, (files.Write(EXEMPT, before, after),), effective, listener).apply()
    return _outcome(before, after, changed=changed, warnings=warnings)


def _ask(server: host.Sshd, tree: ConfigTree) -> dict[str, list[str]] | None:
    """What sshd makes of these files; None if it refuses them."""
    with cast(tree) as shadow:
        return server.effective(shadow.main) if server.test(shadow.main)[0] else None


def _stale(listener: host.Listener, effective: dict[str, list[str]]) -> str:
    """Why the daemon must not be told to read its files now: they hold what somebody has not put in force yet."""
    if listener.mode == "none":
        return ""
    try:
        return "; ".join(wire.differences(knock(listener, effective), effective))
    except StockadeError as error:
        return str(error)


def _wanted(networks: list[str], others: dict[str, list[str]]) -> tuple[bytes | None, list[str]]:
    """The drop-in, and warnings; ``others`` is what sshd makes of the other files."""
    if not networks or _KEY not in others:
        return None, []
    tree = load(overlay={EXEMPT: None})
    if not tree.includes(EXEMPT):
        return None, ["{} does not include {}: sshd's penalties follow no whitelist".format(MAIN, EXEMPT)]
    listed = networks + sorted(_listed(others) - set(networks))
    content = "{}{} {}\n".format(_HEADER, KEYWORD, ",".join(listed)).encode("utf-8", "surrogateescape")
    size = len(content) + sum(len(line) + 1 for file in tree.files.values() for line in file.lines)
    if size > _LARGEST:
        reason = "with {} networks sshd's configuration would have {} bytes, and from {} on nobody gets in any more"
        return None, [_not(reason.format(len(listed), size, _LARGEST))]
    return content, []


def _listed(effective: dict[str, list[str]]) -> set[str]:
    return {entry for value in effective.get(_KEY, []) for entry in value.split(",")} - {"none"}


def _named(content: bytes | None) -> set[str]:
    line = (content or b"").decode("utf-8", "surrogateescape").rpartition(KEYWORD + " ")[2]
    return set(line.strip().split(",")) - {""}


def _passed_over(tree: ConfigTree) -> str:
    first = next((d for d in tree.directives if canonical(d.keyword) == _KEY and d.path != EXEMPT), None)
    where = first.where if first else "a file"
    return "{} sets {} before {} does, and sshd takes the first: remove that line".format(where, KEYWORD, EXEMPT)


def _not(why: str) -> str:
    return "sshd's {} does not follow the whitelist: {}".format(KEYWORD, why)


def _outcome(before: bytes | None, after: bytes | None, *, changed: bool, warnings: list[str]) -> dict[str, Any]:
    old, new = _named(before), _named(after)
    return {"changed": changed, "added": sorted(new - old), "removed": sorted(old - new), "warnings": warnings}
