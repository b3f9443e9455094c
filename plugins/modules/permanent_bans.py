#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: declare a list of permanent bans."""

from __future__ import annotations

DOCUMENTATION = r"""
module: permanent_bans
short_description: Declare lists of permanent bans
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Makes a named list of bans hold exactly the given networks. Lists do not disturb each other or other bans.
  - Long lists come from files on the controller. To a host that holds a file's list already only a digest is sent.
  - An entry that may not be banned is found before anything is changed, in whichever list it is.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  name:
    description:
      - Name of the list. Bans show it as their source, C(list/<name>).
    type: str
    default: site
  entries:
    description:
      - The networks, each as text, or as a mapping with the keys C(network), C(reason), and C(until) or C(duration).
      - With O(state=present) at least one of O(entries), O(src) and O(files) is required. V([]) empties the list.
      - C(until) is as in O(src). A C(duration), such as C(7d), begins with the run that added the entry, later runs do
        not move its end. An entry with neither is permanent.
      - For up to about 1,000 networks. Beyond that a task is slow, with a warning to use O(src).
    type: list
    elements: raw
  src:
    description:
      - A text file on the controller with one network a line, instead of O(entries). It is looked for where
        M(ansible.builtin.copy) looks for its C(src), in C(files/) of the role or beside the playbook.
      - What follows a C(#) is the reason of that entry. Blank lines and lines with nothing but a comment are skipped.
      - Between network and comment C(until=2027-01-31) may stand, the last day on which it is banned, or
        C(until=2027-01-31T12:00:00Z), the moment when it ends. Both are UTC. What is already over is not banned and is
        counted as C(expired).
      - A line that repeats another does no harm. A network that two lines want with different reasons or ends is an
        error, as is a line that is none of this. The error names the file, the line and the reason, and nothing is
        changed.
    type: str
  files:
    description:
      - More lists, each from a file, in the same round trip. Their names begin with O(name) and a dot, so that the one
        called C(tor) of the list V(site) is C(site.tor).
      - With O(prune), lists of earlier runs that are not named here any more are lifted. So V([]) lifts them all, and
        without this option they stay as they are.
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
      on_refused:
        description: For this list alone. Without it, what the task says for all.
        type: str
        choices: [fail, skip]
      force:
        description: For this list alone. Without it, what the task says for all.
        type: bool
  prune:
    description: Lift the bans of a list that it does not name any more.
    type: bool
    default: true
  state:
    description: V(absent) lifts every ban of the list, and with O(files), whatever it names, every ban of those lists.
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
  force:
    description:
      - Whether networks wider than C(/8), or C(/32) for IPv6, may be banned. What is whitelisted or never banned, such
        as the controller and the host's own addresses, is refused all the same.
    type: bool
    default: false
  digests:
    description: SHA-256 of the files. Set by the action plugin.
    type: dict
  contents:
    description: The files that the host asked for. Set by the action plugin.
    type: dict
notes:
  - Lifting a list frees an address only if nothing else bans it. C(stockade bans --why 203.0.113.9) on the host tells.
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
      - network: 2001:db8:bad::/48
        reason: their other line, ask again in spring
        until: "2027-03-31"

# files/scanners.txt beside the playbook:
#   # what the mail servers saw
#   203.0.113.9
#   198.51.100.0/24     # mass scanner, seen 2026-10-02
#   2001:db8:bad::/48   until=2027-03-31 # their other line, ask again in spring
- name: Ban a list of any length from that file
  stockade.fleet.permanent_bans:
    name: scanners
    src: scanners.txt

- name: Keep two files banned, skip what is whitelisted in the one that others write, and lift files of earlier runs
  stockade.fleet.permanent_bans:
    files:
      - name: scanners
        src: scanners.txt
      - name: feed
        src: feed.txt
        on_refused: skip

- name: Drop a list
  stockade.fleet.permanent_bans:
    name: scanners
    state: absent

# At three in the morning, from the directory that holds the file. First what would happen, then do it:
#   ansible web -b -m stockade.fleet.permanent_bans -a 'name=scanners src=scanners.txt' --check --diff
#   ansible web -b -m stockade.fleet.permanent_bans -a 'name=scanners src=scanners.txt'
# It was a mistake, let them all in again:
#   ansible web -b -m stockade.fleet.permanent_bans -a 'name=scanners state=absent'
"""

RETURN = r"""
added:
  description: Networks newly banned, or banned with another reason or end, at most 100.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.9]
removed:
  description: Networks no longer banned by their list, at most 100.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description:
    - Entries that may not be banned, at most 100, each with C(network), C(message), C(list), and for files C(src) and
      C(line). Where nothing changed only their number is known, as RV(counts).
  returned: success
  type: list
  elements: dict
  sample: []
counts:
  description:
    - Numbers of networks added, removed, refused, left out because their end is over, and in the lists now.
  returned: success
  type: dict
  sample: {added: 1, expired: 0, refused: 0, removed: 0, total: 1}
lists:
  description: These numbers for each list.
  returned: success
  type: dict
  sample: {scanners: {added: 1, expired: 0, refused: 0, removed: 0, total: 1}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._permanent_bans import declare


def main() -> None:
    """Declare the lists."""
    file_options = {
        "name": {"type": "str", "required": True},
        "src": {"type": "str", "required": True},
        "on_refused": {"type": "str", "choices": ["fail", "skip"]},
        "force": {"type": "bool"},
    }
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "site"},
            "entries": {"type": "list", "elements": "raw"},
            "src": {"type": "str"},
            "files": {"type": "list", "elements": "dict", "options": file_options},
            "prune": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "on_refused": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
            "force": {"type": "bool", "default": False},
            "digests": {"type": "dict"},
            "contents": {"type": "dict", "no_log": True},
        },
        mutually_exclusive=[("entries", "src")],
        required_if=[("state", "present", ("entries", "src", "files"), True)],
        supports_check_mode=True,
    )
    try:
        result = declare(module)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
