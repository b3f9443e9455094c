#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stockade.fleet.fail2ban_actions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_actions
short_description: Declare fail2ban actions, tried before they are live
description:
  - Writes each action to C(action.d/<name>.local). An action of the distribution of the same name stays as it is and is
    read first, so that what is declared here overrides single options of it.
  - Before anything is live, fail2ban's own code reads the action on the host and resolves its tags.
  - Jails that use a changed action are restarted, one by one - what the old action did is undone by the old one
    and done anew by the new one. If a jail does not come up, the old files are put back and loaded.
  - Declares many actions by O(actions), or one by O(name) and the options beside it.
author: stockade.fleet contributors (@stockade-fleet)
options:
  actions:
    description:
      - The actions, one mapping each.
      - Write a percent sign once. References such as V(%(name\)s) are kept, every other percent sign is doubled for
        fail2ban.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the action, letters, digits, dot, dash and underscore.
        type: str
        required: true
      before:
        description: As O(before).
        type: str
      after:
        description: As O(after).
        type: str
      actionstart:
        description: As O(actionstart).
        type: str
      actionstop:
        description: As O(actionstop).
        type: str
      actioncheck:
        description: As O(actioncheck).
        type: str
      actionban:
        description: As O(actionban).
        type: str
      actionunban:
        description: As O(actionunban).
        type: str
      actionflush:
        description: As O(actionflush).
        type: str
      actionprolong:
        description: As O(actionprolong).
        type: str
      norestored:
        description: As O(norestored).
        type: bool
      timeout:
        description: As O(timeout).
        type: int
      options:
        description: As O(options).
        type: dict
      init:
        description: As O(init).
        type: dict
  name:
    description: Name of the one action that is declared by the options beside it, instead of O(actions).
    type: str
  before:
    description: File that is read before this one, such as V(iptables.conf).
    type: str
  after:
    description: File that is read after this one.
    type: str
  actionstart:
    description: Commands at the start of a jail, or at its first ban.
    type: str
  actionstop:
    description: Commands at the stop of a jail.
    type: str
  actioncheck:
    description: Commands that fail where what O(actionstart) did is gone.
    type: str
  actionban:
    description:
      - Commands that ban. Lines of a text block are lines of a shell script.
      - A tag that nothing replaces, such as C(<pi>) for C(<ip>), is refused, because the shell would take it for a
        redirection.
    type: str
  actionunban:
    description: Commands that lift a ban.
    type: str
  actionflush:
    description: Commands that lift all bans of a jail at once.
    type: str
  actionprolong:
    description: Commands for a ban that got longer.
    type: str
  norestored:
    description: Leave out bans that fail2ban restores at its start; right for whatever only tells somebody.
    type: bool
  timeout:
    description: Seconds a command may take. fail2ban's default is 60, and the jail waits for it.
    type: int
  options:
    description:
      - Any other option of the section C([Definition]), by its own name.
      - A name that fail2ban does not read, and that nothing refers to, is refused with the nearest one.
    type: dict
  init:
    description:
      - Options of the section C([Init]), which a jail may give in brackets behind the action's name.
      - A name such as C(blocktype?family=inet6) holds for one family of addresses.
    type: dict
attributes:
  check_mode:
    support: full
    details:
      - The composed configuration is tried in check mode as well, so check mode fails where the real run would.
      - Where fail2ban is not installed yet, the change is predicted without this trial, with a warning.
  diff_mode:
    support: full
seealso:
  - module: stockade.fleet.fail2ban_jails
    description: Declares jails together with their actions in one step.
  - module: stockade.fleet.fail2ban_filters
notes:
  - fail2ban runs these commands as root. It passes text from logs, such as C(<matches>), through the environment of the
    shell; leave it there and do not write it into a command of another interpreter.
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._fail2ban
  - stockade.fleet._fail2ban.declares
"""

EXAMPLES = r"""
- name: Write down who was banned
  stockade.fleet.fail2ban_actions:
    name: ledger
    norestored: true
    actionban: printf '%s %s\n' "<ip>" "<name>" >>"<ledger>"
    init:
      ledger: /var/log/banned.txt

- name: Have a jail use it beside what bans
  stockade.fleet.fail2ban_jails:
    name: sshd
    action: ["%(action_)s", ledger]

- name: Only these actions
  stockade.fleet.fail2ban_actions:
    prune: true
    actions:
      - name: tell
        norestored: true
        timeout: 5
        actionban: |
          logger --tag banned "<name> bans <ip>"
          logger --tag banned "after <failures> failures"
"""

RETURN = r"""
jails:
  description: Names of the jails that run now.
  type: list
  elements: str
  returned: when fail2ban runs
  sample: [sshd, shop]
reloaded:
  description: Jails that were loaded anew because they use what changed.
  type: list
  elements: str
  returned: when something was changed
  sample: [shop]
"""

from ..module_utils._fail2ban._jails import wish_actions
from ..module_utils._fail2ban._specs import ACTION, module_spec, run_module


def main() -> None:
    """Declare actions."""
    run_module(module_spec("actions", ACTION), wish_actions)


if __name__ == "__main__":
    main()
