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
  - Makes named lists of networks that are never banned, whoever asks. Adding a network lifts the bans it covers, in the
    kernel and in fail2ban.
  - The address from which this run reaches the host is added without being asked for, for 30 days, so that nobody
    locks out the next run. That entry alone is renewed, by each run after half of its time.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  name:
    description: Name of the list that O(entries) or O(src) are.
    type: str
    default: operator
  entries:
    description:
      - The networks, each as text, or as a mapping with the keys C(network), C(comment), and C(until) or C(duration).
      - C(until) is as in O(src). An entry with a C(duration) ends that long after the run that added it. Later runs
        that declare the same do not move its end. A run that still declares it after its end adds it anew, so take it
        out of the list then, or write C(until).
      - Networks wider than C(/8), or C(/32) for IPv6, are errors.
    type: list
    elements: raw
  src:
    description:
      - A text file on the controller with one network a line, instead of O(entries). It is looked for where
        M(ansible.builtin.copy) looks for its C(src), in C(files/) of the role or beside the playbook. To a host that
        holds the file's list already only a digest is sent.
      - What follows a C(#) is the comment of that entry. Blank lines and lines with nothing but a comment are skipped.
      - Between network and comment C(until=2027-01-31) may stand, the last day on which the entry holds, or
        C(until=2027-01-31T12:00:00Z), the moment when it ends. Both are UTC. What is already over is left out.
      - A network that two lines want with different comments or ends is an error, as is a line that is none of this.
        The error names the file, the line and the reason, and nothing is changed.
    type: str
  files:
    description:
      - More lists, each from a file, in the same round trip. Their names begin with O(name) and a dot, so that the one
        called C(office) of the list V(operator) is C(operator.office).
      - With O(prune), lists of earlier runs that are not named here any more are dropped. Without this option they stay
        as they are.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of this list, behind O(name) and a dot.
        type: str
        required: true
      src:
        description: The file, in the form and the places that O(src) describes.
        type: str
        required: true
  prune:
    description: Remove the entries of a list that it does not name any more.
    type: bool
    default: false
  state:
    description:
      - V(absent) removes O(entries), or what O(src) names, from the list, and with O(files), whatever it names, drops
        those lists.
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
  render:
    description:
      - Whether fail2ban's C(ignoreip) and, from OpenSSH 9.8 on, sshd's C(PerSourcePenaltyExemptList) follow the
        whitelist, where these are installed. Only entries without an end are written there, as nobody could take others
        out again. V(false) leaves both as they are.
    type: bool
    default: true
  digests:
    description: SHA-256 of the files. Set by the action plugin.
    type: dict
  contents:
    description: The files that the host asked for. Set by the action plugin.
    type: dict
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
      - network: 2001:db8:7::/64
        comment: the customer's other line
        until: "2027-01-31"

# files/offices.txt beside the playbook:
#   198.51.100.0/24     # office
#   2001:db8:7::/64     until=2027-01-31 # penetration test
- name: Never ban what the file names, and whatever left it no longer
  stockade.fleet.whitelist:
    name: offices
    src: offices.txt
    prune: true

# At three in the morning, somebody important is locked out. Lift his bans and have nobody ban him for a day:
#   ansible all -b -m stockade.fleet.whitelist -a '{"entries": [{"network": "203.0.113.7", "duration": "1d"}]}'
# For good, and out again:
#   ansible all -b -m stockade.fleet.whitelist -a 'entries=203.0.113.7'
#   ansible all -b -m stockade.fleet.whitelist -a 'entries=203.0.113.7 state=absent'
"""

RETURN = r"""
added:
  description: Networks added or renewed, at most 100.
  returned: success
  type: list
  elements: str
  sample: [198.51.100.0/24]
removed:
  description: Networks removed, at most 100.
  returned: success
  type: list
  elements: str
  sample: []
lifted:
  description: Bans that were lifted because their network is whitelisted now, at most 100.
  returned: success
  type: list
  elements: dict
  sample: []
counts:
  description:
    - Numbers of networks added and removed, of bans lifted, of entries left out because their end is over, and of
      entries in the lists now.
  returned: success
  type: dict
  sample: {added: 1, expired: 0, lifted: 0, removed: 0, total: 1}
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
from ansible_collections.stockade.fleet.plugins.module_utils._whitelist import declare


def main() -> None:
    """Declare the lists."""
    file_options = {"name": {"type": "str", "required": True}, "src": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "operator"},
            "entries": {"type": "list", "elements": "raw"},
            "src": {"type": "str"},
            "files": {"type": "list", "elements": "dict", "options": file_options},
            "prune": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "controller": {"type": "bool", "default": True},
            "inventory": {"type": "list", "elements": "str"},
            "render": {"type": "bool", "default": True},
            "digests": {"type": "dict"},
            "contents": {"type": "dict", "no_log": True},
        },
        mutually_exclusive=[("entries", "src")],
        supports_check_mode=True,
    )
    controller = controller_network() if module.params["controller"] else None
    try:
        result = declare(module, controller)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
