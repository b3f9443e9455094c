#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See, commit or undo a change of sshd's configuration that waits for a new login."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_change
short_description: See, commit or undo an armed change of sshd
description:
  - While M(stockade.fleet.ssh_hardening) changes sshd, the host is armed. The old files come back by themselves, also
    without the controller and after a restart of the host, unless the change is committed in time.
  - This module shows whether a host is armed and what became of the last change. It commits a change, which only makes
    sense over a login that was made after the change, or undoes it at once.
  - Who is first decides. A change that is rolled back cannot be committed any more, nor the other way round.
options:
  state:
    description:
      - With V(shown), nothing is changed.
      - With V(committed), the change of O(run) stays. It fails if that change is not armed and was not committed.
      - With V(rolled_back), the files from before come back and sshd reads them. A file that somebody edited since the
        change is left alone and reported. If no change is armed there is nothing to do.
      - With V(removed), the unit and the directory that this takes on the host go. It fails while a change is armed;
        M(stockade.fleet.ssh_hardening) does it with its own O(stockade.fleet.ssh_hardening#module:state=absent).
    type: str
    choices: [shown, committed, rolled_back, removed]
    default: shown
  run:
    description:
      - The run that made the change. Needed to commit.
      - Without it, whatever is armed, or the last change.
    type: str
  port:
    description:
      - Another port on which the host may be found, if an earlier run moved its sshd there and the inventory does not
        know yet.
    type: int
extends_documentation_fragment:
  - stockade.fleet._attributes
requirements:
  - systemd on the target
  - root
seealso:
  - module: stockade.fleet.ssh_hardening
author:
  - stockade.fleet contributors (@stockade-fleet)
"""

EXAMPLES = r"""
- name: See whether a change of sshd is armed
  stockade.fleet.ssh_change:
  register: change

- name: Undo it now
  stockade.fleet.ssh_change:
    state: rolled_back

- name: Keep it
  stockade.fleet.ssh_change:
    state: committed
    run: "{{ change.armed.run }}"
"""

RETURN = r"""
port:
  description: The port by which the host was reached, if that is O(port) and not the inventory's; else null.
  type: int
  returned: success
  sample: 2222
armed:
  description: Who has the host armed now; null if nobody has.
  type: dict
  returned: success
  contains:
    run:
      description: The run that made the change.
      type: str
      returned: success
      sample: 20261126-1704-5f3a
    controller:
      description: Where the run was started.
      type: str
      returned: success
      sample: deploy.example.org
    since:
      description: When the host was armed, by its own clock, in seconds since 1970.
      type: int
      returned: success
      sample: 1795712644
    until:
      description: When the old files come back.
      type: int
      returned: success
      sample: 1795712764
outcome:
  description:
    - What became of O(run), or of the last change, V(armed), V(committed), V(rolled back) or V(unknown).
    - The host knows the last change of either end.
  type: str
  returned: success
  sample: rolled back
result:
  description: What the last rollback put back and left alone, and when; empty if it was not the last thing to happen.
  type: str
  returned: success
  sample: |-
    run 20261126-1704-5f3a
    rolled back 2026-11-26 17:06:04 UTC (now)
    put back: /etc/ssh/sshd_config.d/00-stockade.conf
    done: systemctl reload-or-restart ssh.service
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.armed import DIRECTORY, Armed
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.doors import Doors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["shown", "committed", "rolled_back", "removed"], "default": "shown"},
            "run": {"type": "str"},
            "port": {"type": "int"},
        },
        required_if=[("state", "committed", ["run"])],
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    state, run, armed = module.params["state"], module.params["run"], Armed(module.run_command)
    try:
        before = armed.outcome(run)
        if state == "removed" and before == "unknown" and os.path.isdir(DIRECTORY):
            before = "traces"  # of a run that never got as far as being armed
        wanted = {"shown": before, "committed": "committed", "rolled_back": "rolled back", "removed": "unknown"}[state]
        if state == "rolled_back" and run is None and before != "armed":
            wanted = before
        if wanted != before and state != "removed":
            armed.require(run)
        if wanted != before and not module.check_mode:
            if state == "committed":
                armed.commit(run)
            elif state == "rolled_back":
                armed.rollback(run)
            else:
                # What leads to a port that answers now stays open: somebody may have come by it.
                Doors(module.run_command).close_unused(module.get_bin_path("sshd"))
                armed.remove()
        holder, outcome, result = armed.holder(), armed.outcome(run), armed.result()
    except StockadeError as error:
        module.fail_json(msg=str(error))
    if wanted != before and state in ("committed", "rolled_back") and not module.check_mode:
        try:  # it is decided already, so this can only be told
            Doors(module.run_command).close_unused(module.get_bin_path("sshd"))
        except StockadeError as error:
            module.warn(str(error))
    shown = None
    if holder is not None:
        shown = {"run": holder.run, "controller": holder.controller, "since": holder.since, "until": holder.until}
    extra = {"diff": {"before": before + "\n", "after": wanted + "\n"}} if module._diff else {}
    module.exit_json(changed=wanted != before, armed=shown, outcome=outcome, result=result, **extra)


if __name__ == "__main__":
    main()
