#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: declare what is never banned on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: whitelist
short_description: Declare what is never banned
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Makes named lists of networks that are never banned, whoever asks. Adding a network lifts the bans it covers.
  - The address from which this run reaches the host is added without being asked for, for 30 days, so that nobody
    locks out the next run. That entry alone is renewed, by each run after half of its time.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  name:
    description: Name of the list that O(entries) belong to.
    type: str
    default: operator
  entries:
    description:
      - The networks, each as text, or as a mapping with the keys C(network), C(comment) and C(duration).
      - An entry with a C(duration) ends that long after the run that added it. Later runs that declare the same do not
        move its end. A run that still declares it after its end adds it anew, so take it out of the list then.
      - Networks wider than C(/8), or C(/32) for IPv6, are errors.
    type: list
    elements: raw
    default: []
  prune:
    description: Remove the entries of this list that are not among O(entries).
    type: bool
    default: false
  state:
    description: V(absent) removes O(entries) from the list.
    type: str
    choices: [present, absent]
    default: present
  controller:
    description: Whether to add the address from which this run reaches the host.
    type: bool
    default: true
  inventory:
    description:
      - The other hosts of the fleet, kept as a list of their own that holds exactly these.
      - Names are resolved on the host, all of them within two seconds. One that does not resolve is warned of and
        returned as RV(unresolved), and keeps the addresses that an earlier run found for it.
      - Loopback and link-local addresses are left out, they are never banned anyway. Without this option the list stays
        as it is.
    type: list
    elements: str
seealso:
  - module: stockade.fleet.ban
  - module: stockade.fleet.permanent_bans
"""

EXAMPLES = r"""
- name: Never ban the office and, for a week from the first run on, a customer's scanner
  stockade.fleet.whitelist:
    entries:
      - network: 198.51.100.0/24
        comment: office
      - network: 203.0.113.7
        comment: penetration test
        duration: 7d

# Ad hoc:
#   ansible all -b -m stockade.fleet.whitelist -a 'entries=203.0.113.7'
"""

RETURN = r"""
added:
  description: Networks added or renewed.
  returned: success
  type: list
  elements: str
  sample: [198.51.100.0/24]
removed:
  description: Networks removed.
  returned: success
  type: list
  elements: str
  sample: []
lifted:
  description: Bans that were lifted because their network is whitelisted now.
  returned: success
  type: list
  elements: dict
  sample: []
unresolved:
  description: Names of O(inventory) that this host cannot resolve.
  returned: success
  type: list
  elements: str
  sample: []
controller:
  description: The network from which this run reaches the host, V(null) without an SSH session.
  returned: success
  type: str
  sample: 192.0.2.1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._controller import controller_network
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._whitelist import declare


def main() -> None:
    """Declare the lists."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "operator"},
            "entries": {"type": "list", "elements": "raw", "default": []},
            "prune": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "controller": {"type": "bool", "default": True},
            "inventory": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    controller = controller_network() if module.params["controller"] else None
    try:
        result = declare(module, controller)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    shown = diff(module, result["removed"], result["added"])
    module.exit_json(controller=controller, **result, **shown)


if __name__ == "__main__":
    main()
