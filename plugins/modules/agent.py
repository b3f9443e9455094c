#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the agent of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agent
short_description: Install, upgrade or remove the stockade agent
author: stockade.fleet contributors (@stockade-fleet)
description:
  - Puts the program C(stockade) on the host with the warden and its units, and waits until bans are in force.
  - The program is part of this collection and is packed on the controller, the same bytes each time. It is sent only to
    hosts that do not have it. Versions live side by side. If the new version or the new configuration does not come up,
    files and version from before come back and run again.
  - The configuration is read by the program before it is live, in check mode too, except on a host that has no version
    of the program yet.
  - Bans stay in force during an upgrade.
  - The role P(stockade.fleet.agent#role) also installs what the agent needs from the distribution.
requirements:
  - systemd, nftables and Python 3.11 or later as /usr/bin/python3 on the host
extends_documentation_fragment:
  - stockade.fleet._attributes
options:
  state:
    description: V(absent) removes the agent with its bans, rules, configuration and users.
    type: str
    choices: [present, absent]
    default: present
  origin:
    description: The host's name in the bans it decides. Without it the warden uses the host name.
    type: str
  default_duration:
    description: Duration of bans that are asked for without one, such as V(10m), V(1h), V(7d) or V(permanent).
    type: str
    default: 1h
  ban_private:
    description: Whether services may ban private networks. An operator always may.
    type: bool
    default: false
  package_name:
    description: Version to install. Set by the action plugin.
    type: str
  package:
    description: The packed program. Set by the action plugin.
    type: str
"""

EXAMPLES = r"""
- name: Install the agent
  stockade.fleet.agent:
    default_duration: 4h

- name: Remove it
  stockade.fleet.agent:
    state: absent
"""

RETURN = r"""
version:
  description: The version that runs.
  returned: O(state=present)
  type: str
  sample: 0.1.0-3f9c0a51e7b2
differences:
  description: What differed from the wanted state and was, or would be, brought to it.
  returned: success
  type: list
  elements: str
  sample: [version none -> 0.1.0-3f9c0a51e7b2]
"""

import base64
import zlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._agent import preflight, removal, tree
from ansible_collections.stockade.fleet.plugins.module_utils._agent.install import Agent
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import require_root

SETTINGS = ("origin", "default_duration", "ban_private")


def main() -> None:
    """Bring the agent to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "origin": {"type": "str"},
            "default_duration": {"type": "str", "default": "1h"},
            "ban_private": {"type": "bool", "default": False},
            "package_name": {"type": "str"},
            "package": {"type": "str"},
        },
        supports_check_mode=True,
    )
    options, run = module.params, tree.runner(module)
    try:
        require_root()
        if options["state"] == "absent":
            found = removal.remove(run, check=module.check_mode)
            module.exit_json(changed=bool(found), differences=found, **diff(module, found, []))
        name = options["package_name"]
        if not name:
            raise StockadeError(
                "package_name is missing: call this module as stockade.fleet.agent, with its action plugin"
            )
        preflight.check(run, predicting=module.check_mode, warn=module.warn)
        wanted = {k: options[k] for k in SETTINGS if options[k] is not None}
        agent = Agent(run=run, options=wanted)
        found = agent.differences(name)
        if found and not module.check_mode:
            content = zlib.decompress(base64.b64decode(options["package"])) if options["package"] else None
            if content is None and not tree.is_intact(name):
                module.exit_json(changed=True, package_needed=True)
            agent.install(name, content)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(found), version=name, differences=found, **diff(module, [], found))


if __name__ == "__main__":
    main()
