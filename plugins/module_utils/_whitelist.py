# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists that the whitelist module keeps: the operator's, the fleet's hosts, the controller.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._warden import as_entries, ask

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

CONTROLLER_DURATION = "30d"


def declare(module: AnsibleModule, controller: str | None) -> dict[str, t.Any]:
    """Bring every list of this run to the host, and return what changed in all of them together.

    Raises StockadeError for the first list the warden does not take; lists before it are kept.
    """
    total: dict[str, t.Any] = {"changed": False, "added": [], "removed": [], "lifted": []}
    for fields in _lists(module.params, controller):
        networks = [entry["network"] for entry in fields.get("entries", [])]
        predicted = {"changed": bool(networks), "added": networks, "removed": [], "lifted": []}
        result = ask(module, "whitelist_set", predicted, **fields)
        total["changed"] = total["changed"] or result["changed"]
        for key in ("added", "removed", "lifted"):
            total[key] += result[key]
    return total


def _lists(options: dict[str, t.Any], controller: str | None) -> t.Iterator[dict[str, t.Any]]:
    """One request for each list, the operator's first: a bad entry there is found before anything changed."""
    entries = as_entries(options["entries"], "entries")
    if options["state"] == "absent":
        yield {"list": options["name"], "remove": [entry["network"] for entry in entries]}
    else:
        yield {"list": options["name"], "entries": entries, "prune": options["prune"]}
    if options["inventory"] is not None:
        hosts = [
            {"network": text, "comment": "host of the fleet"} for text in options["inventory"] if _is_address(text)
        ]
        yield {"list": "inventory", "entries": hosts, "prune": True}
    if controller is not None:
        entry = {"network": controller, "comment": "controller of the last run", "duration": CONTROLLER_DURATION}
        yield {"list": "controller", "entries": [entry]}


def _is_address(text: str) -> bool:
    """True for what can be whitelisted; an inventory also holds names, and addresses that are never banned anyway."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and not address.is_loopback
