#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effective state of a host's sshd and what is weak about it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_info
short_description: Effective state of sshd, with findings
description:
  - Returns what is in force, not what a file says. That is the values of C(sshd -T), the algorithms that the running
    daemon offers on the wire, who listens and where, the files that take part and which of their lines do not count,
    host keys, primes, penalties, and findings with evidence, references and a remedy.
  - Changes nothing. To see the algorithms it connects once to the host's own sshd.
options:
  operator:
    description:
      - The user for whom the effective values are read, with the address of this connection.
      - Without it, the user who called sudo or who is logged in.
    type: str
  connections:
    description:
      - Further connections for which to tell what C(Match) blocks change.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description: The user who logs in.
        type: str
        required: true
      address:
        description: Where the user comes from.
        type: str
      local_address:
        description: The address of the host that is connected to.
        type: str
      local_port:
        description: The port of the host that is connected to.
        type: int
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._attributes.INFO_MODULE
requirements:
  - root
seealso:
  - module: stockade.fleet.ssh_hardening
author:
  - stockade.fleet contributors (@stockade-fleet)
"""

EXAMPLES = r"""
- name: Look at sshd
  stockade.fleet.ssh_info:
  register: sshd

- name: See what holds for two users
  stockade.fleet.ssh_info:
    connections:
      - user: backup
        address: 192.0.2.7
      - user: root

- name: Show what is serious
  ansible.builtin.debug:
    msg: "{{ sshd.ssh.findings | selectattr('severity', 'in', ['high', 'medium']) }}"
"""

RETURN = r"""
ssh:
  description: The state of sshd.
  type: dict
  returned: success
  contains:
    version:
      description: The OpenSSH version.
      type: str
      returned: success
      sample: OpenSSH_10.0p2 Debian-7
    listener:
      description: Who listens, V(service), V(socket) or V(none).
      type: str
      returned: success
      sample: socket
    listeners:
      description:
        - Addresses on which sshd, or a socket unit for it (C(systemd)), listens. Without C(ss) on the host it is what
          should listen, and V(program) is empty.
      type: list
      elements: dict
      returned: success
      sample: [{address: "0.0.0.0", port: 22, program: sshd}]
    ports:
      description: The ports on which it should listen.
      type: list
      elements: int
      returned: success
      sample: [22]
    firewalls:
      description:
        - What filters packets on this host beside stockade itself, V(ufw), V(firewalld), V(nftables) or V(iptables).
      type: list
      elements: str
      returned: success
      sample: [ufw]
    banner:
      description: What the running daemon says first; empty if nobody answered.
      type: str
      returned: success
      sample: SSH-2.0-OpenSSH_10.0p2 Debian-7
    offered:
      description: The algorithms that the running daemon offers, by keyword; empty if nobody answered.
      type: dict
      returned: success
      sample: {kexalgorithms: [mlkem768x25519-sha256]}
    effective:
      description: Keyword in lower case to its values, as in force for O(operator) on this connection.
      type: dict
      returned: success
      sample: {maxauthtries: ["4"]}
    connection:
      description: The user and address for which C(effective) holds.
      type: dict
      returned: success
      sample: {user: operator, address: 192.0.2.1}
    connections:
      description: For each of O(connections), the keywords whose values differ from those outside of C(Match) blocks.
      type: list
      elements: dict
      returned: success
      sample: [{user: backup, address: 192.0.2.7, differs: {forcecommand: [internal-sftp]}}]
    files:
      description: The files that take part, in the order in which sshd reads them.
      type: list
      elements: dict
      returned: success
      sample: [{path: /etc/ssh/sshd_config, mode: "0644", ours: false}]
    shadowed:
      description: Lines that do not count, because sshd keeps the first value it meets; V(by) is that one.
      type: list
      elements: dict
      returned: success
      sample:
        - keyword: X11Forwarding
          value: "yes"
          path: /etc/ssh/sshd_config
          line: 90
          by: {value: "no", path: /etc/ssh/sshd_config.d/00-stockade.conf, line: 32}
    host_keys:
      description: The keys by which the host shows who it is.
      type: list
      elements: dict
      returned: success
      sample: [{path: /etc/ssh/ssh_host_rsa_key, type: rsa, bits: 3072, fingerprint: "SHA256:...", mode: "0600"}]
    moduli:
      description: The primes for group exchange, bits to how many; empty without a file.
      type: dict
      returned: success
      sample: {"3072": 76, "4096": 68}
    penalties:
      description:
        - What sshd does to addresses that misbehave, C(PerSourcePenalties). V(known) is false before OpenSSH 9.8.
        - Times are seconds.
        - V(penalised) names whom sshd turned away in the last ten minutes, by its lines in the journal; at most 100
          addresses, last ones first, with the newest reason and the number of lines. sshd leaves lines out when there
          are many, unless C(LogLevel) is V(VERBOSE), as the profiles of M(stockade.fleet.ssh_hardening) set it.
      type: dict
      returned: success
      sample:
        known: true
        enabled: true
        values: {authfail: 5, min: 15}
        exempt: [192.0.2.1]
        penalised:
          - {address: 203.0.113.9, reason: failed authentication, count: 3, last: "2027-01-31T10:00:00Z"}
    findings:
      description: What is weak, worst first.
      type: list
      elements: dict
      returned: success
      contains:
        id:
          description: A stable name of the finding.
          type: str
          returned: success
          sample: passwordauthentication
        severity:
          description: V(high), V(medium), V(low) or V(info).
          type: str
          returned: success
          sample: high
        title:
          description: What it is.
          type: str
          returned: success
          sample: passwords are accepted
        evidence:
          description: The value and where it comes from.
          type: str
          returned: success
          sample: PasswordAuthentication yes (sshd's default)
        reference:
          description: The CIS rule or the part of ssh-audit's policies.
          type: str
          returned: success
          sample: CIS 5.1.19
        cis:
          description: The CIS rule by itself; empty if there is none.
          type: str
          returned: success
          sample: 5.1.19
        ssh_audit:
          description: The part of ssh-audit's report by itself; empty if there is none.
          type: str
          returned: success
          sample: kex
        remedy:
          description: What to do.
          type: str
          returned: success
          sample: PasswordAuthentication no
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.host import find_sshd
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.info import gather

_CONNECTION = {
    "user": {"type": "str", "required": True},
    "address": {"type": "str"},
    "local_address": {"type": "str"},
    "local_port": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operator": {"type": "str"},
            "connections": {"type": "list", "elements": "dict", "default": [], "options": _CONNECTION},
        },
        supports_check_mode=True,
    )
    try:
        binary = find_sshd(module.get_bin_path)
        state, warnings = gather(module.run_command, sshd=binary, **module.params)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(changed=False, ssh=state)


if __name__ == "__main__":
    main()
