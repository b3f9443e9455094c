#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: declare a list of permanent bans."""

from __future__ import annotations

DOCUMENTATION = r"""
module: permanent_bans
short_description: Declare a list of permanent bans
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Makes a named list of bans hold exactly the given networks. Lists do not disturb each other or other bans.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  name:
    description: Name of the list.
    type: str
    default: site
  entries:
    description:
      - The networks, each as text, or as a mapping with the keys C(network), C(reason) and C(duration).
      - An entry without C(duration) is permanent.
    type: list
    elements: raw
    default: []
  prune:
    description: Lift the bans of this list that are not among O(entries).
    type: bool
    default: true
  state:
    description: V(absent) lifts every ban of the list.
    type: str
    choices: [present, absent]
    default: present
  on_refused:
    description:
      - What happens if an entry may not be banned, for instance because it is whitelisted.
      - V(fail) changes nothing, V(skip) bans the others and reports it.
    type: str
    choices: [fail, skip]
    default: fail
seealso:
  - module: stockade.fleet.ban
  - module: stockade.fleet.whitelist
"""

EXAMPLES = r"""
- name: Ban what never has business here
  stockade.fleet.permanent_bans:
    name: scanners
    entries:
      - 203.0.113.9
      - network: 198.51.100.0/24
        reason: mass scanner, seen 2026-10-02

- name: Drop a list
  stockade.fleet.permanent_bans:
    name: scanners
    state: absent
"""

RETURN = r"""
added:
  description: Networks newly banned by this list, at most 100.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.9]
removed:
  description: Networks no longer banned by this list, at most 100.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description: Entries that may not be banned, with the reason, at most 100.
  returned: success
  type: list
  elements: dict
  sample: []
counts:
  description: Numbers of networks added, removed, refused, and in the list now.
  returned: success
  type: dict
  sample: {added: 1, removed: 0, refused: 0, total: 1}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import as_entries, ask


def main() -> None:
    """Declare the list."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "site"},
            "entries": {"type": "list", "elements": "raw", "default": []},
            "prune": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "on_refused": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    options = module.params
    absent = options["state"] == "absent"
    try:
        entries = [] if absent else as_entries(options["entries"], "entries")
        networks = [entry["network"] for entry in entries]
        counts = {"added": len(networks), "removed": 0, "refused": 0, "total": len(networks)}
        result = ask(
            module,
            "permanent_bans",
            {"changed": bool(entries), "added": networks[:100], "removed": [], "refused": [], "counts": counts},
            list=options["name"],
            entries=entries,
            prune=absent or options["prune"],
            on_refused=options["on_refused"],
        )
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for item in result["refused"]:
        module.warn("%s is not banned: %s" % (item["network"], item["message"]))
    module.exit_json(**result, **diff(module, result["removed"], result["added"]))


if __name__ == "__main__":
    main()
