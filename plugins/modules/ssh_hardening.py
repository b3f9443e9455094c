#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a hardened configuration to sshd so that the operator keeps access."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_hardening
short_description: Harden sshd so that the operator keeps access
description:
  - Writes one drop-in, C(/etc/ssh/sshd_config.d/00-stockade.conf), that sets algorithms by OpenSSH version and
    hardened values, and reloads sshd.
  - Before anything is changed, the whole configuration as it would be is given to sshd in a copy. The module fails if
    sshd refuses it, if another file would win over a wanted value (it names file and line), and if the connected user
    would not get in again.
  - The key or password in use is looked up in the log of sshd. It has to go on working; where the log does not tell,
    everything the user can log in with now has to. The message names the key and the setting that shuts it out. A key
    with a forced command (C(command=)) and a user with a C(ForceCommand) are no way in.
  - After the change it reads the effective values again and looks at what the running daemon offers on the wire. If
    that is not what was planned, the previous file comes back. If they differ already before, nothing is changed.
  - Whether a service or a socket listens is kept as found. Files of others are reported, never changed.
  - Where sshd listens is reported and not changed.
options:
  state:
    description:
      - With V(present), the drop-in is there and in force.
      - With V(absent), it is removed, with the same checks.
    type: str
    choices: [present, absent]
    default: present
  profile:
    description:
      - V(modern) allows post-quantum and elliptic-curve key exchange only, V(intermediate) adds finite-field groups for
        older clients. Each list is cut down to what the host's OpenSSH knows. Both also set hardened values such as
        C(MaxAuthTries 4), C(X11Forwarding no), C(PasswordAuthentication no), and C(PermitRootLogin no)
        (C(prohibit-password) if the operator is root).
      - V(none) sets only what the other options name.
    type: str
    choices: [modern, intermediate, none]
    default: modern
  settings:
    description:
      - Keywords of C(sshd_config) with their values. They win over the profile.
      - Booleans are written as C(yes) and C(no), lists as the keyword wants them. An empty value (C(null)) leaves the
        keyword to the host's other files.
      - A keyword that the host's sshd does not know is an error, and so are C(Match), C(Include), C(Port) and
        C(ListenAddress).
    type: dict
    default: {}
  permit_root_login:
    description:
      - Whether root may log in. Without it the profile decides.
      - V(no) is refused while the operator is root.
    type: str
    choices: ['no', prohibit-password, forced-commands-only, 'yes']
  password_authentication:
    description:
      - Whether passwords are accepted. Without it the profile decides.
      - V(false) is refused while the operator has no usable key, or is logged in with the password.
    type: bool
  allow_users:
    description:
      - The only users who may log in, as patterns. Refused if the operator is not among them.
    type: list
    elements: str
  allow_groups:
    description:
      - The only groups whose members may log in, as patterns. Refused if the operator is in none of them.
    type: list
    elements: str
  operator:
    description:
      - The user who has to get in again.
      - Without it, the user who called sudo or who is logged in.
    type: str
  force:
    description:
      - Go on although the operator would not get in again, or not the way in use; this becomes a warning.
    type: bool
    default: false
extends_documentation_fragment:
  - stockade.fleet._attributes
notes:
  - sshd adds up C(AllowUsers) and C(AllowGroups) of all files. A line of another file that widens yours is an error.
requirements:
  - OpenSSH 8.2 or later on the target, with an C(Include) of C(/etc/ssh/sshd_config.d) in C(sshd_config)
  - root
seealso:
  - module: stockade.fleet.ssh_info
author:
  - stockade.fleet contributors (@stockade-fleet)
"""

EXAMPLES = r"""
- name: Harden sshd
  stockade.fleet.ssh_hardening:
    operator: "{{ ansible_user }}"

- name: Allow one group only, and keep agent forwarding
  stockade.fleet.ssh_hardening:
    allow_groups: [sudo]
    settings:
      AllowAgentForwarding: true
      Banner: /etc/issue.net

- name: See what would be changed
  stockade.fleet.ssh_hardening:
    profile: intermediate
  check_mode: true
  diff: true

- name: Go back to what the host had
  stockade.fleet.ssh_hardening:
    state: absent
"""

RETURN = r"""
path:
  description: The drop-in.
  type: str
  returned: success
  sample: /etc/ssh/sshd_config.d/00-stockade.conf
version:
  description: The OpenSSH version of the host's sshd.
  type: str
  returned: success
  sample: OpenSSH_10.0p2 Debian-7
operator:
  description: Who has to get in again, and the address this connection comes from, if it is known.
  type: dict
  returned: success
  sample: {user: operator, address: 192.0.2.1}
operator_access:
  description: The ways in that are open to the operator afterwards.
  type: list
  elements: str
  returned: success
  sample: ["publickey (1 of 1 authorized keys)"]
listener:
  description: Who listens, V(service), V(socket) or V(none).
  type: str
  returned: success
  sample: service
ports:
  description: The ports on which sshd listens.
  type: list
  elements: int
  returned: success
  sample: [22]
settings:
  description: The keywords in the drop-in with their values.
  type: dict
  returned: success
  sample: {MaxAuthTries: "4"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hardening import Hardening, difference, result
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.host import find_sshd
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import Wish
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.profiles import PROFILES


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "profile": {"type": "str", "choices": list(PROFILES), "default": "modern"},
            "settings": {"type": "dict", "default": {}},
            "permit_root_login": {
                "type": "str",
                "choices": ["no", "prohibit-password", "forced-commands-only", "yes"],
            },
            "password_authentication": {"type": "bool", "no_log": False},
            "allow_users": {"type": "list", "elements": "str"},
            "allow_groups": {"type": "list", "elements": "str"},
            "operator": {"type": "str"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        binary = find_sshd(module.get_bin_path)
        hardening = Hardening(module.run_command, sshd=binary, ssh=module.get_bin_path("ssh"))
        plan = hardening.plan(Wish(**module.params))
        if plan.changed and not module.check_mode:
            hardening.apply(plan)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for warning in plan.warnings:
        module.warn(warning)
    extra = {"diff": difference(plan)} if module._diff else {}
    module.exit_json(changed=plan.changed, **result(plan), **extra)


if __name__ == "__main__":
    main()
