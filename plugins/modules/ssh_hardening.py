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
  - Then it logs in anew, with the means of the inventory but no session that is open, and keeps the change over that
    login. The host waits for it, O(rollback_after) seconds, and otherwise puts the previous file back by itself. It
    does so too if the controller dies, and before sshd starts if the host is restarted meanwhile.
  - While a host waits, nobody else changes its sshd; M(stockade.fleet.ssh_change) shows who does and can end it.
  - Whether a service or a socket listens is kept as found. Files of others are reported and not changed, but for
    their C(Port) lines where O(port) asks for it.
  - Where sshd listens is changed by O(port) only.
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
      - The algorithms, each list cut down to what the host's OpenSSH knows, and hardened values such as
        C(MaxAuthTries 4), C(X11Forwarding no), C(PasswordAuthentication no), and C(PermitRootLogin no)
        (C(prohibit-password) if the operator is root).
      - V(modern) allows post-quantum and elliptic-curve key exchange, V(pq_only) post-quantum key exchange only, and
        V(intermediate) adds finite-field groups to V(modern) for older clients. V(pq_only) follows ssh-audit's policy
        for Debian 13, V(intermediate) the one for Debian 12, which also wants O(host_key_rsa_bits=4096).
      - V(fips) has what is approved in FIPS mode, which leaves out ed25519 keys of hosts and of users.
      - V(policy) sets the values and leaves algorithms to the system's crypto-policies.
      - V(none) sets only what the other options name.
    type: str
    choices: [modern, pq_only, intermediate, fips, policy, none]
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
  host_keys:
    description:
      - Kinds of host keys to show, in this order. Without it the profile decides, V(ed25519) and V(rsa) or, with
        O(profile=fips), V(ecdsa) and V(rsa); O(profile=policy) and O(profile=none) leave it to the host.
      - Keys that files of others name with C(HostKey) go on being loaded.
    type: list
    elements: str
    choices: [ed25519, rsa, ecdsa]
  host_key_rsa_bits:
    description:
      - Show an RSA host key of at least so many bits. Where the host has none, one is made,
        C(/etc/ssh/stockade_host_rsa_key); the host's own stays on disk and is shown no more.
      - Clients that remember the host by the old RSA key only see a changed one.
    type: int
  moduli:
    description:
      - Whether group exchange uses only primes of 3072 bits and more, in a file of its own that C(ModuliFile) names.
        Without it that holds with O(profile=intermediate), the only one with group exchange.
      - An error if no prime would be left.
    type: bool
  match_blocks:
    description:
      - Match blocks, in this order, in C(/etc/ssh/sshd_config.d/99-stockade-match.conf). Among blocks that fit the
        first one wins, and a block wins over what stands outside.
    type: list
    elements: dict
    suboptions:
      match:
        description: The criteria, such as V(Group sftponly).
        type: str
        required: true
      settings:
        description: Keywords with their values, written as in O(settings). Keywords that only hold for all are refused.
        type: dict
        required: true
  banner:
    description:
      - What is shown before the login, as a text or as the path of a file. V(none) shows nothing.
    type: str
  forwarding:
    description:
      - V(none) forbids all forwarding, V(jump) allows what C(ProxyJump) needs, V(all) allows TCP, sockets, X11 and
        agents. Without it the profile decides, which leaves TCP and sockets to the host and forbids the others.
    type: str
    choices: [none, jump, all]
  per_source_penalties:
    description:
      - Keys of C(PerSourcePenalties) with times, counts or words, such as C(authfail) with V(10s). V(0) turns a penalty
        off.
      - What the host's OpenSSH does not know is left out with a warning, which is all before 9.8, C(refuseconnection)
        before 9.9 and C(invaliduser) before 10.3.
    type: dict
  user_ca_keys:
    description:
      - Public keys of the authorities whose certificates of users are accepted.
    type: list
    elements: str
  principals:
    description:
      - User to a list of names, one of which a certificate must have to log in as that user. Users who are not named
        cannot use certificates then. Without it a certificate must have the name of the user.
    type: dict
  two_factor:
    description:
      - Ask for a key and then for a code. Refused unless C(pam_google_authenticator) or C(pam_oath) is among the
        C(auth) lines of sshd's PAM service, which is the site's to set up.
    type: bool
    default: false
  two_factor_exempt:
    description:
      - Users who log in with a key only. The operator has to be one of them, nobody types a code for Ansible.
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
  port:
    description:
      - The port on which sshd shall listen, by its service or its socket, and no other. Without it that stays as it is.
      - It moves in two steps, each with a login of its own. First the new port answers beside the old ones, then alone.
        A run that ended in between is continued by the next. Check mode shows what both would write.
      - C(Port) lines of other files are commented out with a mark and come back with O(state=absent), which moves sshd
        back the same way. A C(ListenAddress) with a port is an error.
      - The host is found on the port of the inventory or on this one. RV(port) is for the inventory.
    type: int
  verify:
    description:
      - Log in anew before the change is kept. V(false) keeps it when the daemon offers what was planned.
      - Needs a connection by OpenSSH (P(ansible.builtin.ssh#connection)); with another one the module fails.
    type: bool
    default: true
  rollback_after:
    description: Seconds, 10 to 3600, that the host waits for the new login before it goes back by itself.
    type: int
    default: 120
  client_algorithms:
    description: Keywords and the algorithms that the controller knows for them. The action plugin sets it.
    type: dict
  run:
    description: Name of this run. The action plugin sets it.
    type: str
  controller:
    description: Name of the controller. The action plugin sets it.
    type: str
extends_documentation_fragment:
  - stockade.fleet._attributes
notes:
  - sshd adds up C(AllowUsers) and C(AllowGroups) of all files. A line of another file that widens yours is an error.
requirements:
  - OpenSSH 8.2 or later on the target, with an C(Include) of C(/etc/ssh/sshd_config.d) in C(sshd_config)
  - root
seealso:
  - module: stockade.fleet.ssh_change
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
traces:
  description: Whether what armed the host has to be removed now. The action plugin takes it out.
  type: bool
  returned: success
armed:
  description: Whether the host still waits for a new login. The action plugin takes it out.
  type: bool
  returned: success
result:
  description: What the host put back and left alone.
  type: str
  returned: when a new login failed and the host went back
rolled_back:
  description: Whether the previous configuration is in force again, because a new login failed.
  type: bool
  returned: when a new login failed
rollback_after:
  description: Seconds after which the host goes back by itself.
  type: int
  returned: success
  sample: 120
verified:
  description: How it was made sure that the operator gets in again.
  type: str
  returned: when something was changed
  sample: new login as operator
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
port:
  description: The port on which to log in from now on; null if it did not move.
  type: int
  returned: success
  sample: 2222
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
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hardening import Hardening
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.host import find_sshd
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.options import EXTRAS
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import Wish
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.planned import Arming, difference, result
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
            **EXTRAS,
            "operator": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "port": {"type": "int"},
            "verify": {"type": "bool", "default": True},
            "rollback_after": {"type": "int", "default": 120},
            "client_algorithms": {"type": "dict"},
            "run": {"type": "str"},
            "controller": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    try:
        binary = find_sshd(module.get_bin_path)
        hardening = Hardening(module.run_command, sshd=binary, ssh=module.get_bin_path("ssh"))
        arming = Arming.of(module.params)
        plan = hardening.plan(Wish.of(module.params), module.params["client_algorithms"])
        armed = plan.changed and not module.check_mode and hardening.apply(plan, arming)
        # What a run left open that died, or that the host itself took back.
        shut = [] if plan.changed or module.check_mode else hardening.shut_doors()
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for warning in plan.warnings:
        module.warn(warning)
    traces = module.params["state"] == "absent" and not plan.listening.more and (armed or hardening.has_traces())
    extra = {"diff": difference(plan, foresee=module.check_mode)} if module._diff else {}
    module.exit_json(
        changed=plan.changed or bool(shut),
        armed=armed,
        traces=traces,
        rollback_after=arming.rollback_after,
        **result(plan),
        **extra,
    )


if __name__ == "__main__":
    main()
