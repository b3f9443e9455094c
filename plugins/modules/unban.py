#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: lift bans on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unban
short_description: Lift bans on a host, at once
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Lifts every ban of addresses and networks, whoever decided them, also in fail2ban's own list.
  - With O(jail) only that jail of fail2ban lifts its bans, those of others stay and are reported.
  - An address that stays banned because a wider network or a list covers it is reported with what covers it.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  address:
    description:
      - Addresses or networks, also several in one text apart by commas, blanks or new lines. An empty list is
        nobody; a text that names no address is an error.
      - Exactly these are lifted; an address does not lift the network around it.
    type: list
    elements: str
    required: true
    aliases: [addresses, ip]
  jail:
    description: Lift only what this jail of fail2ban banned. It must run.
    type: str
seealso:
  - module: stockade.fleet.ban
  - module: stockade.fleet.whitelist
"""

EXAMPLES = r"""
- name: Lift the bans of two addresses
  stockade.fleet.unban:
    address: [203.0.113.9, "2001:db8:bad::/48"]

- name: Have one jail forget an address
  stockade.fleet.unban:
    address: 203.0.113.9
    jail: sshd

# Ad hoc, everywhere:
#   ansible all -b -m stockade.fleet.unban -a 'address=203.0.113.9'
"""

RETURN = r"""
results:
  description: What became of each address, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    network:
      description: The address or network in its canonical form.
      type: str
    state:
      description: V(lifted), or V(absent) if it was not banned.
      type: str
    lifted:
      description: The bans that were lifted, each with its source and reason.
      type: list
      elements: dict
    remaining:
      description: Bans that still cover it, of wider networks, and with O(jail) also of others than the jail.
      type: list
      elements: dict
  sample: [{network: 203.0.113.9, state: absent, lifted: [], remaining: [{network: 203.0.113.0/24, source: operator}]}]
fail2ban:
  description: Addresses that a jail of fail2ban held and no longer does.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banClient
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._jail_ban import require_jail, source
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._unban import keep, lift
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import ask, split_addresses


def main() -> None:
    """Lift what is asked for."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "list", "elements": "str", "required": True, "aliases": ["addresses", "ip"]},
            "jail": {"type": "str"},
        },
        supports_check_mode=True,
    )
    jail, only = module.params["jail"], {}
    try:
        networks = split_addresses(module.params["address"])
        if jail:
            require_jail(jail, Fail2banClient())
            only["source"] = source(jail)
        result = ask(module, "unban", {"changed": False, "results": []}, networks=networks, **only)
        jailed = lift((item["network"] for item in result["results"]), check=module.check_mode, jail=jail)
        if jail:
            keep(result["results"], jail)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for item in result["results"]:
        for row in item["remaining"]:
            module.warn("%s is still banned by %s (%s)" % (item["network"], row["network"], row["source"]))
    lifted = ["%s %s" % (row["network"], row["source"]) for item in result["results"] for row in item["lifted"]]
    lifted += ["%s fail2ban's own list" % address for address in jailed]
    module.exit_json(changed=bool(lifted), results=result["results"], fail2ban=jailed, **diff(module, lifted, []))


if __name__ == "__main__":
    main()
