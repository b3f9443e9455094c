# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists that the whitelist module keeps: the operator's, the fleet's hosts, the controller.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _inventory, _lists
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._networks import parse, plain
from ansible_collections.stockade.fleet.plugins.module_utils._lists import Answer, Declared
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenClient
from ansible_collections.stockade.fleet.plugins.module_utils._whitelist_renders import render

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OP = "whitelist_set"
COUNTS = ("added", "removed", "lifted", "expired", "total")
CONTROLLER = "controller"
CONTROLLER_DURATION = "30d"


def declare(module: AnsibleModule, controller: str | None) -> Answer:
    """Bring every list of this run to the host, and what follows the whitelist; the module's result.

    Or the result that asks the controller for files. Raises StockadeError before anything changed.
    """
    lists = _declared(module)
    answers = _lists.known(module, OP, lists)
    needed = _lists.needed(lists, answers)
    if needed:
        return needed
    unresolved: list[str] = []
    change = [declared for declared in lists if declared.name not in answers]
    change += _left(module, {declared.name for declared in lists})
    change += _unasked(module.params["inventory"], controller, unresolved)
    before = held() if module.check_mode else []
    answers.update(_lists.carry_out(module, OP, change, _predicted))
    if unresolved:
        module.warn(_inventory.complaint(unresolved))
    result = _result(answers)
    removed = _lists.lines(result["removed"], result["counts"]["removed"])
    added = _lists.lines(result["added"], result["counts"]["added"])
    if module.params["render"]:
        rows = after(before, change) if module.check_mode else held()
        rendered = render(rows, run=module.run_command, check=module.check_mode)
        result["changed"] = result["changed"] or rendered["changed"]
        added = added + rendered["lines"]
        for warning in rendered["warnings"]:
            module.warn(warning)
    return dict(result, unresolved=unresolved, controller=controller, **diff(module, removed, added))


def held() -> list[dict[str, t.Any]]:
    """What is whitelisted now; nothing where there is no warden yet."""
    try:
        return t.cast("list[dict[str, t.Any]]", WardenClient().call("whitelist")["entries"])
    except WardenAbsent:
        return []  # predicted, or said by what is asked next


def after(rows: list[dict[str, t.Any]], change: list[Declared]) -> list[dict[str, t.Any]]:
    """What will be whitelisted when ``change`` is done; timed entries have some end."""
    kept = {(row["list"], row["network"]): row for row in rows}
    for declared in change:
        gone = {_canonical(network) for network in declared.options.get("remove", ())}
        for name, network in list(kept):
            if name == declared.name and (declared.options.get("prune") or network in gone):
                del kept[name, network]
        for entry in declared.entries or []:
            row = {"network": entry} if isinstance(entry, str) else dict(entry)
            if row.get("duration", "permanent") != "permanent":
                row.setdefault("expires_at", int(time.time()) + 1)
            row["network"] = _canonical(row["network"])
            kept[declared.name, row["network"]] = dict({"comment": "", "expires_at": None}, list=declared.name, **row)
    return list(kept.values())


def _canonical(text: str) -> str:
    """A network as the warden tells it; what is none is its to refuse."""
    network = parse(text)
    return text if network is None else plain(network)


def _declared(module: AnsibleModule) -> list[Declared]:
    """What the task declares: the list of this name, and one of each file."""
    params = module.params
    absent = params["state"] == "absent"
    lists = []
    if params["entries"] is not None or params["src"] is not None:
        declared = _lists.main_list(module, prune=params["prune"])
        if absent and declared.entries is None:
            declared = declared._replace(digest=None)  # what goes is in the file
        elif absent:
            declared = Declared(declared.name, [], {"remove": declared.networks()})
        lists.append(declared)
    if not absent:
        lists += _lists.members(params, {"prune": params["prune"]})
    return lists


def _left(module: AnsibleModule, wanted: set[str]) -> list[Declared]:
    """The lists of files that an earlier run declared and this one does not."""
    params = module.params
    if params["files"] is None or not (params["prune"] or params["state"] == "absent"):
        return []
    return _lists.left(params["name"], (row["list"] for row in held()), wanted)


def _unasked(inventory: list[str] | None, controller: str | None, unresolved: list[str]) -> t.Iterator[Declared]:
    """The lists that nobody names."""
    if inventory is not None:
        yield Declared(_inventory.LIST, _inventory.entries(inventory, unresolved, held), {"prune": True})
    if controller is not None:
        entry = {"network": controller, "comment": "controller of the last run", "duration": CONTROLLER_DURATION}
        yield Declared(CONTROLLER, [entry], {"renew": True})


def _predicted(declared: Declared) -> Answer:
    """The answer without a warden."""
    networks = declared.networks()
    counts = {"added": len(networks), "total": len(networks)}
    return {"changed": bool(networks), "added": networks[: _lists.SHOWN], "counts": counts}


def _result(answers: dict[str, Answer]) -> Answer:
    shown = {key: _lists.shown(answers, key) for key in ("added", "removed", "lifted")}
    counts = _lists.summed(answers, COUNTS)
    counts["lifted"] = max(counts["lifted"], len(shown["lifted"]))
    return {"changed": any(answer.get("changed") for answer in answers.values()), "counts": counts, **shown}
