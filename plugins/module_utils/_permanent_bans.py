# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists that the permanent_bans module keeps.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _lists
from ansible_collections.stockade.fleet.plugins.module_utils._lists import Answer, Declared
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenClient

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OP = "permanent_bans"
PREFIX = "list/"  # of a ban's source
COUNTS = ("added", "removed", "refused", "expired", "total")
NAMED = 10  # refused networks that a warning names


def declare(module: AnsibleModule) -> Answer:
    """Bring the lists to the host; the module's result, or the one that asks the controller for files."""
    lists = _declared(module)
    answers = _lists.known(module, OP, lists)
    needed = _lists.needed(lists, answers)
    if needed:
        return needed
    change = [declared for declared in lists if declared.name not in answers]
    change += _left(module, {declared.name for declared in lists})
    sources = {declared.name: declared.src for declared in lists}
    for name, answer in _lists.carry_out(module, OP, change, _predicted).items():
        answers[name] = answer
        for item in answer["refused"]:
            item.update(list=name, src=sources.get(name))
    for name, answer in answers.items():
        _warn(module, name, answer)
    counts = _lists.summed(answers, COUNTS)
    added, removed = _lists.shown(answers, "added"), _lists.shown(answers, "removed")
    return {
        "changed": any(answer.get("changed") for answer in answers.values()),
        "added": added,
        "removed": removed,
        "refused": _lists.shown(answers, "refused"),
        "counts": counts,
        "lists": {name: _lists.summed({name: answer}, COUNTS) for name, answer in sorted(answers.items())},
        **diff(module, _lists.lines(removed, counts["removed"]), _lists.lines(added, counts["added"])),
    }


def _declared(module: AnsibleModule) -> list[Declared]:
    """What the task declares: the list of this name, and one of each file."""
    params = module.params
    options = {"prune": params["prune"], "on_refused": params["on_refused"], "force": params["force"]}
    if params["state"] == "absent":
        return [Declared(params["name"], [], dict(options, prune=True))]
    lists = []
    if params["entries"] is not None or params["src"] is not None:
        lists.append(_lists.main_list(module, **options))
    return lists + _lists.members(params, options)


def _left(module: AnsibleModule, wanted: set[str]) -> list[Declared]:
    """The lists of files that an earlier run declared and this one does not."""
    params = module.params
    if params["files"] is None or not (params["prune"] or params["state"] == "absent"):
        return []
    try:
        sources = WardenClient().call("status")["callers"]
    except WardenAbsent:  # check mode: there is nothing to lift
        return []
    return _lists.left(params["name"], (s[len(PREFIX) :] for s in sources if s.startswith(PREFIX)), wanted)


def _predicted(declared: Declared) -> Answer:
    """The answer without a warden."""
    networks = declared.networks()
    counts = {"added": len(networks), "total": len(networks)}
    return {"changed": bool(networks), "added": networks[: _lists.SHOWN], "refused": [], "counts": counts}


def _warn(module: AnsibleModule, name: str, answer: Answer) -> None:
    """One warning for what a list wants and may not have."""
    count = answer.get("counts", {}).get("refused", 0)
    if not count:
        return
    items = answer.get("refused", [])[:NAMED]
    reasons = "; ".join("%s: %s" % (item["network"], item["message"]) for item in items)
    more = " and %d more" % (count - len(items)) if items and count > len(items) else ""
    module.warn("list %s: %d not banned%s%s" % (name, count, ": " + reasons if reasons else "", more))
