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
  - systemd and Python 3.11 or later as /usr/bin/python3 on the host, and nftables for the backend of that name
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
  backends:
    description:
      - What refuses the banned. With several, all of them hold the same, and a ban is in force when each has taken it.
      - V(nftables) drops packets in the kernel, in both directions, on all ports. It needs C(CAP_NET_ADMIN).
      - V(hosts_deny) is for hosts that cannot have it, such as many containers. Programs that use libwrap refuse by
        themselves, such as sshd on Debian. One line is put at the top of C(/etc/hosts.deny) and taken out when this
        backend is no longer wanted; the rest of the file stays as it is.
      - V(command) calls a program of yours, see O(command_ban).
      - What a backend held that is no longer wanted is taken out when the others are in force; what the backend
        V(command) banned stays with your program.
    type: list
    elements: str
    choices: [nftables, hosts_deny, command]
    default: [nftables]
  command_ban:
    description:
      - Program and arguments that ban one network, for the backend V(command). The program is a full path; there is no
        shell. C({network}) becomes the address or network, C({seconds}) the seconds the ban still runs, V(0) without
        an end. Nothing else is replaced.
      - It runs as the user C(stockade-warden) in the warden's sandbox, without the right to become root, and has 10
        seconds. An exit code other than 0 is a failure, told to whoever asked and repeated every 5 seconds.
      - With C({seconds}) the program is expected to end a ban by itself, and is called again when the end moves.
      - It cannot let a part of a network through. A ban around a whitelisted network is not given to it, and reported.
    type: list
    elements: str
  command_unban:
    description: Program and arguments that lift what O(command_ban) banned. C({network}) is replaced.
    type: list
    elements: str
  command_network:
    description: Whether that program may use the network. Without it, it reaches this host's own sockets only.
    type: bool
    default: false
  repeat_factor:
    description:
      - A service's ban of whom it banned before runs this many times as long for each time, up to O(longest_duration).
        V(1) is off.
    type: int
    default: 4
  repeat_window:
    description: How long ago a ban still counts for O(repeat_factor).
    type: str
    default: 30d
  longest_duration:
    description: No repeated ban of a service runs longer.
    type: str
    default: 4w
  credentials:
    description:
      - Secrets by name that the command of O(command_ban) needs. They are files of root's that systemd hands to the
        warden alone, and the command finds each as a file of that name in C($CREDENTIALS_DIRECTORY).
      - Each is text. What YAML or a template made a number, a mapping or nothing of is an error.
      - Credentials that are not named are removed.
    type: dict
  reports:
    description:
      - Reports that the host makes of itself, for the single server. Across hosts see the role
        P(stockade.fleet.report#role). The command C(stockade report) shows them at any time, without these timers too.
    type: dict
    suboptions:
      kinds:
        description:
          - V(traffic) runs every hour and tells about whose requests the watcher decided in that hour; without a
            watcher its runs fail. V(security) runs
            at 23:59 and tells who was banned within 24 hours, by the warden or by a jail of fail2ban. A host that was
            down makes its report up at the next boot, from the end of the last whole one, a week at most.
          - They are added to C(/var/log/stockade-report/traffic.log) and C(security.log), by the user
            C(stockade-report), readable for the group C(adm). C(logrotate) keeps a year of them where it is installed.
          - A report that could not be made, kept or delivered leaves its unit C(stockade-report@KIND.service) failed.
        type: list
        elements: str
        choices: [traffic, security]
        default: []
      command:
        description:
          - Program and arguments that each report with something in it is given to, once. The program is a full path;
            there is no shell. C({report}) in an argument becomes the text of the report; without it the text comes on
            standard input.
          - It runs as the user C(stockade-report) in the sandbox of the report, without setuid programs, at home in
            C(/var/lib/stockade-report), and has 60 seconds. What it says is added to the log. An exit code other than
            0 is a failure. A report that is not whole says so in lines that begin with C(ERROR).
        type: list
        elements: str
        default: []
      command_network:
        description: Whether that program may use the network.
        type: bool
        default: false
      country_database:
        description:
          - A file on the host in MaxMind's format. Without it every country is C(??). Nothing is asked of the network.
        type: str
  report_missing:
    description: Name packages that are missing in RV(missing) instead of failing, as the role does to install them.
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

- name: In a container that cannot have CAP_NET_ADMIN
  stockade.fleet.agent:
    backends: [hosts_deny]

- name: Tell the provider's firewall too
  stockade.fleet.agent:
    backends: [nftables, command]
    command_ban: [/usr/local/sbin/provider-firewall, block, "{network}", "--for={seconds}"]
    command_unban: [/usr/local/sbin/provider-firewall, unblock, "{network}"]
    command_network: true
    credentials:
      token: "{{ vault_provider_token }}"

- name: Have the host write reports of its own, and tell them in a chat
  stockade.fleet.agent:
    reports:
      kinds: [traffic, security]
      command: [/usr/local/bin/openclaw, message, send, --channel, WhatsApp, --target, "+1555", --message, "{report}"]
      command_network: true

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
missing:
  description: Packages that the host lacks. Nothing was done if there are any, and O(report_missing) is set.
  returned: O(state=present)
  type: list
  elements: str
  sample: [nftables]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._agent import preflight, removal, reports, settings, tree
from ansible_collections.stockade.fleet.plugins.module_utils._agent.backends import NAMES, Choice
from ansible_collections.stockade.fleet.plugins.module_utils._agent.install import Agent
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._result import diff
from ansible_collections.stockade.fleet.plugins.module_utils._warden import require_root


def main() -> None:
    """Bring the agent to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "origin": {"type": "str"},
            "default_duration": {"type": "str", "default": "1h"},
            "ban_private": {"type": "bool", "default": False},
            "backends": {"type": "list", "elements": "str", "choices": NAMES, "default": ["nftables"]},
            "command_ban": {"type": "list", "elements": "str"},
            "command_unban": {"type": "list", "elements": "str"},
            "command_network": {"type": "bool", "default": False},
            "repeat_factor": {"type": "int", "default": 4},
            "repeat_window": {"type": "str", "default": "30d"},
            "longest_duration": {"type": "str", "default": "4w"},
            "credentials": {"type": "dict", "no_log": True},
            "reports": {"type": "dict", "options": reports.SPEC},
            "report_missing": {"type": "bool", "default": False},
            "package_name": {"type": "str"},
            "package": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    options, run = module.params, tree.runner(module)
    choice = Choice(options["backends"], options["credentials"] or {}, options["command_network"])
    try:
        require_root()
        if options["state"] == "absent":
            found = removal.remove(run, check=module.check_mode, warn=module.warn)
            module.exit_json(changed=bool(found), differences=found, **diff(module, found, []))
        name = options["package_name"]
        if not name:
            raise StockadeError(
                "package_name is missing: call this module as stockade.fleet.agent, with its action plugin"
            )
        wanted = reports.chosen(options["reports"])
        missing = preflight.check(run, choice, countries=bool(wanted.country_database), warn=module.warn)
        if missing and not module.check_mode:
            if options["report_missing"]:
                module.exit_json(changed=False, missing=missing)
            raise StockadeError("cannot install the agent: install the package %s first" % ", ".join(missing))
        agent = Agent(run=run, options=settings.chosen(options), choice=choice, reports=wanted)
        found = agent.differences(name)
        if found and not module.check_mode:
            content = tree.decoded(options["package"]) if options["package"] else None
            if content is None and not tree.is_intact(name):
                module.exit_json(changed=True, package_needed=True)
            agent.install(name, content)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(found), version=name, missing=missing, differences=found, **diff(module, [], found))


if __name__ == "__main__":
    main()
