#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stockade.fleet.fail2ban_jails."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_jails
short_description: Declare fail2ban jails that cannot take the host's protection down
description:
  - Writes each jail to a file of its own, C(jail.d/zz-stockade-<name>.local), which wins over every other file.
    Files of the distribution or of anybody else are never edited.
  - Before anything is live, the composed configuration is tried in a private copy, with C(fail2ban-client -t) and with
    what that does not test. A regular expression that does not compile or has no address group, a duration that is
    none, a missing log, filter or action makes the module fail and leaves files and server as they are.
  - Only the jails that changed are reloaded, one by one. If fail2ban does not run the wanted jails afterwards, the old
    files are put back and loaded, and the module fails with fail2ban's own message.
author: stockade.fleet contributors (@stockade-fleet)
requirements:
  - fail2ban 1.0 or later
options:
  jails:
    description:
      - The jails, one mapping each. What is not named is left to fail2ban's own configuration.
      - The name V(DEFAULT) stands for the section whose options hold for every jail.
      - Write a percent sign once. References such as V(%(sshd_log\)s) are kept, every other percent sign is doubled for
        fail2ban.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the jail, letters, digits, dot, dash and underscore.
        type: str
        required: true
      enabled:
        description: Whether the jail runs.
        type: bool
      filter:
        description: Name of the filter, with its options in brackets if any. fail2ban's default is the jail's name.
        type: str
      mode:
        description: Mode of the filter, for filters that have several.
        type: str
      port:
        description: Ports by number or name, as far as the action asks for them.
        type: list
        elements: str
      protocol:
        description: Protocol, as far as the action asks for it.
        type: str
      backend:
        description:
          - How the log is read.
          - With V(systemd) the journal is read and O(jails[].logpath) must not be given.
        type: str
      logpath:
        description: Log files, wildcards allowed. At least one file must exist.
        type: list
        elements: str
      journalmatch:
        description: Matches of journal entries, for O(jails[].backend=systemd).
        type: list
        elements: str
      maxretry:
        description: Number of failures that bans.
        type: int
      findtime:
        description: Time within which the failures count, such as V(10m).
        type: str
      bantime:
        description: How long a ban holds, such as V(1h), V(-1) for permanent.
        type: str
      bantime_increment:
        description: Whether bans of the same address get longer each time.
        type: bool
      bantime_maxtime:
        description: Longest time a growing ban may reach.
        type: str
      banaction:
        description:
          - The action that bans.
          - V(stockade) is the action of the role P(stockade.fleet.fail2ban#role), which hands bans to the warden. It is
            refused on a host without warden, where such a jail would detect and not ban.
          - V(auto) is V(stockade) on a host that has a warden, else V(nftables) with a warning.
        type: str
      banaction_allports:
        description: The action that bans in jails that ban on all ports, as O(jails[].banaction).
        type: str
      action:
        description: The whole list of actions, instead of the ban action alone.
        type: list
        elements: str
      options:
        description:
          - Any other option of fail2ban, by its own name.
          - C(ignoreip) is refused, it belongs to the whitelist of the collection.
        type: dict
  state:
    description:
      - V(present) writes the jails as declared.
      - V(absent) removes the files of this module for the named jails, of which only O(jails[].name) counts.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description: Also remove the files of this module for jails that are not named. Foreign files are never removed.
    type: bool
    default: false
  start:
    description: Start fail2ban's service where it does not run. Without it, a change on such a host is refused.
    type: bool
    default: false
  config_dir:
    description: Directory of fail2ban's configuration.
    type: path
    default: /etc/fail2ban
attributes:
  check_mode:
    support: full
    details:
      - The composed configuration is tried in check mode as well, so check mode fails where the real run would.
      - Where fail2ban is not installed yet, the change is predicted without this trial, with a warning.
      - On a host that never had these jails and has no warden yet, V(auto) is predicted as V(stockade), as if the
        playbook applied the role P(stockade.fleet.agent#role) first, with a warning.
  diff_mode:
    support: full
extends_documentation_fragment:
  - stockade.fleet._attributes
"""

EXAMPLES = r"""
- name: Guard SSH through the journal
  stockade.fleet.fail2ban_jails:
    jails:
      - name: sshd
        enabled: true
        backend: systemd
        port: ["22", "2222"]
        maxretry: 5
        findtime: 10m
        bantime: 1h

- name: Only these jails, and permanent bans for one of them
  stockade.fleet.fail2ban_jails:
    prune: true
    jails:
      - name: DEFAULT
        banaction: nftables
      - name: nginx-http-auth
        enabled: true
        backend: auto
        logpath: [/var/log/nginx/error.log]
        bantime: "-1"
        options:
          usedns: "no"

- name: Take back everything this module wrote
  stockade.fleet.fail2ban_jails:
    state: absent
    prune: true
"""

RETURN = r"""
jails:
  description: Names of the jails that run now.
  type: list
  elements: str
  returned: when fail2ban runs
  sample: [sshd, nginx-http-auth]
reloaded:
  description: Jails that were loaded anew or for the first time.
  type: list
  elements: str
  returned: when something was changed
  sample: [sshd]
stopped:
  description: Jails that were stopped.
  type: list
  elements: str
  returned: when something was changed
  sample: []
started:
  description: Whether the service had to be started.
  type: bool
  returned: when something was changed
  sample: false
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import StockadeError
from ..module_utils._fail2ban._jails import converge


def _arguments() -> dict[str, Any]:
    text: dict[str, Any] = {"type": "str"}
    flag: dict[str, Any] = {"type": "bool"}
    texts: dict[str, Any] = {"type": "list", "elements": "str"}
    jail = {
        "name": {"type": "str", "required": True},
        "enabled": flag,
        "filter": text,
        "mode": text,
        "port": texts,
        "protocol": text,
        "backend": text,
        "logpath": texts,
        "journalmatch": texts,
        "maxretry": {"type": "int"},
        "findtime": text,
        "bantime": text,
        "bantime_increment": flag,
        "bantime_maxtime": text,
        "banaction": text,
        "banaction_allports": text,
        "action": texts,
        "options": {"type": "dict"},
    }
    return {
        "jails": {"type": "list", "elements": "dict", "default": [], "options": jail},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "prune": {"type": "bool", "default": False},
        "start": {"type": "bool", "default": False},
        "config_dir": {"type": "path", "default": "/etc/fail2ban"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=_arguments(), supports_check_mode=True)
    try:
        result, warnings = converge(
            module.params,
            run=module.run_command,
            find=module.get_bin_path,
            scratch=os.path.join(module.tmpdir, "shadow"),
            check=module.check_mode,
            diff=module._diff,
        )
    except StockadeError as e:
        module.fail_json(msg=str(e))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
