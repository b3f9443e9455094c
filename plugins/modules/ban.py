#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: ban addresses on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ban
short_description: Ban addresses on a host, at once
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Refuses addresses and networks on all ports, in both directions, and records why and until when.
  - The answer comes when the ban is durably recorded and in force in the kernel.
  - Whitelisted networks, the host's own addresses, gateways, resolvers, loopback, link-local and multicast are never
    banned. A network that contains one of them is banned except for it, and the result names the exception.
  - With O(jail) one jail of fail2ban bans instead, by its own action and for its own bantime. The warden is asked
    first, because fail2ban itself would ban whitelisted addresses as well.
  - Needs the agent, see the role P(stockade.fleet.agent#role).
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  address:
    description:
      - Addresses or networks, also several in one text apart by commas, blanks or new lines. An empty list is
        nobody; a text that names no address is an error.
      - Host names, host bits, zone ids and leading zeros are errors.
    type: list
    elements: str
    required: true
    aliases: [addresses, ip]
  duration:
    description:
      - How long, such as V(10m), V(1h), V(7d) or V(permanent).
      - Without it the duration is the one configured on the host, an hour by default.
      - Not with O(jail), as fail2ban bans by hand for nothing but the jail's own bantime.
    type: str
  jail:
    description:
      - Have this jail of fail2ban ban, which must run. With the action of the role P(stockade.fleet.fail2ban#role) the
        warden enforces the ban on all ports, with another one that action does what it does.
      - An address that the jail holds already is unchanged, also if its end comes sooner.
    type: str
  reason:
    description: Why, at most 200 characters; shown in reports. Not with O(jail), as fail2ban keeps none.
    type: str
    default: ""
  force:
    description: Allow networks wider than C(/8), or C(/32) for IPv6.
    type: bool
    default: false
  on_refused:
    description:
      - What happens if one of the addresses may not be banned.
      - V(fail) bans none of them, V(skip) bans the others and reports it.
    type: str
    choices: [fail, skip]
    default: fail
seealso:
  - module: stockade.fleet.unban
  - module: stockade.fleet.permanent_bans
  - module: stockade.fleet.whitelist
"""

EXAMPLES = r"""
- name: Ban an address for the configured duration
  stockade.fleet.ban:
    address: 203.0.113.9

- name: Ban what is left of a list, whitelisted addresses aside
  stockade.fleet.ban:
    address: "{{ suspects }}"
    duration: 7d
    reason: credential stuffing
    on_refused: skip

- name: Try whether the jail's action bans
  stockade.fleet.ban:
    address: 203.0.113.9
    jail: sshd

# At three in the morning, on all web servers:
#   ansible web -b -m stockade.fleet.ban -a 'address=203.0.113.9,2001:db8:bad::/48 duration=1d reason="flood"'
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
      description: V(banned), V(renewed) (another end or reason), V(unchanged), or V(refused).
      type: str
    message:
      description: Why it was refused.
      type: str
    expires_at:
      description: End of the ban in epoch seconds, V(null) if permanent.
      type: int
    holes:
      description: Networks inside that still pass.
      type: list
      elements: str
  sample: [{network: 203.0.113.9, state: banned, message: "", expires_at: 1800003600, holes: []}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban import _jail_ban
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import ask, split_addresses


def main() -> None:
    """Ban what is asked for."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "list", "elements": "str", "required": True, "aliases": ["addresses", "ip"]},
            "duration": {"type": "str"},
            "jail": {"type": "str"},
            "reason": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "on_refused": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    options = module.params
    extra = {"reason": options["reason"]}
    if options["duration"] is not None:
        extra["duration"] = options["duration"]
    how = {"force": options["force"], "on_refused": options["on_refused"]}
    try:
        bans = [dict(extra, network=address) for address in split_addresses(options["address"])]
        predicted = {"changed": bool(bans), "results": [dict(ban, state="banned") for ban in bans]}
        if options["jail"]:
            _jail_ban.refuse(duration=options["duration"], reason=options["reason"])
            result = _jail_ban.ban(module, [ban["network"] for ban in bans], options["jail"], **how)
        else:
            result = ask(module, "ban", predicted, bans=bans, **how)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    changed = [item for item in result["results"] if item["state"] in ("banned", "renewed")]
    lines = ["%s %s" % (item["network"], item["state"]) for item in changed]
    module.exit_json(**result, **diff(module, [], lines))


if __name__ == "__main__":
    main()
