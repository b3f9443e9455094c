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
  - Before anything is live, the composed configuration is tried in a private copy by fail2ban's own code, with all that
    C(fail2ban-client -t) does not test. A regular expression that does not compile or has no address group, a duration
    that is none, a missing log, filter or action makes the module fail and leaves files and server as they are.
  - Only the jails that changed are reloaded, one by one, and asked for what they are then - expressions, logs, times,
    actions. If fail2ban does not run the wanted jails afterwards, the old files are put back and loaded, and the module
    fails with fail2ban's own message. Bans of other jails stay on every path.
  - Declares many jails by O(jails), or one by O(name) and the options beside it.
author: stockade.fleet contributors (@stockade-fleet)
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
        description: As O(enabled).
        type: bool
      if_present:
        description: As O(if_present).
        type: list
        elements: str
      filter:
        description: As O(filter).
        type: str
      mode:
        description: As O(mode).
        type: str
      port:
        description: As O(port).
        type: list
        elements: str
      protocol:
        description: As O(protocol).
        type: str
      backend:
        description: As O(backend).
        type: str
      logpath:
        description: As O(logpath).
        type: list
        elements: str
      journalmatch:
        description: As O(journalmatch).
        type: list
        elements: str
      datepattern:
        description: As O(datepattern).
        type: str
      usedns:
        description: As O(usedns).
        type: str
      failregex:
        description: As O(failregex).
        type: list
        elements: str
      ignoreregex:
        description: As O(ignoreregex).
        type: list
        elements: str
      maxlines:
        description: As O(maxlines).
        type: int
      maxretry:
        description: As O(maxretry).
        type: int
      findtime:
        description: As O(findtime).
        type: str
      bantime:
        description: As O(bantime).
        type: str
      bantime_increment:
        description: As O(bantime_increment).
        type: bool
      bantime_factor:
        description: As O(bantime_factor).
        type: str
      bantime_multipliers:
        description: As O(bantime_multipliers).
        type: str
      bantime_maxtime:
        description: As O(bantime_maxtime).
        type: str
      bantime_rndtime:
        description: As O(bantime_rndtime).
        type: str
      bantime_overalljails:
        description: As O(bantime_overalljails).
        type: bool
      ignorecommand:
        description: As O(ignorecommand).
        type: str
      banaction:
        description: As O(banaction).
        type: str
      banaction_allports:
        description: As O(banaction_allports).
        type: str
      action:
        description: As O(action).
        type: list
        elements: str
      options:
        description: As O(options).
        type: dict
  name:
    description: Name of the one jail that is declared by the options beside it, instead of O(jails).
    type: str
  enabled:
    description: Whether the jail runs.
    type: bool
  if_present:
    description:
      - Paths, wildcards allowed. Where none of them exists, or none of the files in O(logpath), the jail is left out,
        named in RV(left_out), and stopped if it ran.
      - So one declaration serves hosts with and without the program that the jail guards.
    type: list
    elements: str
  filter:
    description:
      - Name of the filter, with its options in brackets if any. fail2ban's default is the jail's name.
      - A jail with O(failregex), for which there is no filter of its name, needs none.
    type: str
  mode:
    description: Mode of the filter, for filters that have several.
    type: str
  port:
    description:
      - Ports by number or name, as far as the action asks for them.
      - The name V(sshd) is every port on which the host's sshd listens, by its socket of systemd or by its
        configuration; 22 where there is no sshd yet.
    type: list
    elements: str
  protocol:
    description: Protocol, as far as the action asks for it.
    type: str
  backend:
    description:
      - How the log is read, such as V(auto) or V(systemd).
      - With V(systemd) the journal is read and O(logpath) must not be given.
      - V(detect) looks where the log really is. The journal, if it has an entry that O(journalmatch) selects; else the
        files of O(logpath), if one exists; else the journal. What the other one needs is not written.
    type: str
  logpath:
    description:
      - Log files, wildcards allowed. At least one file must exist.
      - A jail is loaded anew when files have come or gone since, as fail2ban itself does not look again.
    type: list
    elements: str
  journalmatch:
    description: Matches of journal entries, for O(backend=systemd) and O(backend=detect). Entries are alternatives.
    type: list
    elements: str
  datepattern:
    description: Where the time stands in a line and how it is written. An exact one is several times as fast.
    type: str
  usedns:
    description: What becomes of host names in the log, V(no) to ignore them.
    type: str
  failregex:
    description: Expressions of the jail itself, instead of the filter's.
    type: list
    elements: str
  ignoreregex:
    description: What is no failure although an expression matches.
    type: list
    elements: str
  maxlines:
    description: How many lines an expression sees at once.
    type: int
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
  bantime_factor:
    description: Factor of the growth.
    type: str
  bantime_multipliers:
    description: Numbers by which the first, second and further bans are longer, such as V(1 5 30 60).
    type: str
  bantime_maxtime:
    description: Longest time a growing ban may reach.
    type: str
  bantime_rndtime:
    description: Random time that is added, so that nobody can tell when a ban ends.
    type: str
  bantime_overalljails:
    description: Whether bans of other jails count as well.
    type: bool
  ignorecommand:
    description: Command that tells by exit code 0 that an address is not to be banned.
    type: str
  banaction:
    description:
      - The action that bans, such as V(nftables), V(iptables-multiport), V(iptables-ipset), V(ufw) or V(hostsdeny).
      - V(stockade) is the action of the role P(stockade.fleet.fail2ban#role), which hands bans to the warden. It is
        refused on a host without warden, where such a jail would detect and not ban.
      - V(auto) is V(stockade) on a host that has a warden, else V(nftables) with a warning.
      - An action whose program is not there is refused, and so is V(ufw) while ufw is not active.
    type: str
  banaction_allports:
    description: The action that bans in jails that ban on all ports, as O(banaction).
    type: str
  action:
    description: The whole list of actions, instead of the ban action alone.
    type: list
    elements: str
  options:
    description:
      - Any other option of fail2ban, by its own name.
      - A name that fail2ban does not read, and that nothing refers to as V(%(name\)s), is refused with the nearest one.
      - C(ignoreip) is refused, it belongs to the module M(stockade.fleet.whitelist), and so is C(enabled), which is
        O(enabled).
    type: dict
  filters:
    description:
      - Filters that are declared in the same step, with what O(stockade.fleet.fail2ban_filters#module:filters) takes,
        samples included.
      - With O(prune=true), filters of this collection that are not named are removed, unless this option is left out.
    type: list
    elements: dict
  actions:
    description:
      - Actions that are declared in the same step, with what O(stockade.fleet.fail2ban_actions#module:actions) takes.
      - With O(prune=true), actions of this collection that are not named are removed, unless this option is left out.
    type: list
    elements: dict
  start:
    description: Start fail2ban's service where it does not run. Without it, a change on such a host is refused.
    type: bool
    default: false
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
seealso:
  - module: stockade.fleet.fail2ban_filters
  - module: stockade.fleet.fail2ban_actions
  - module: stockade.fleet.fail2ban_daemon
  - module: stockade.fleet.whitelist
    description: Whom no jail may ever ban.
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._fail2ban
  - stockade.fleet._fail2ban.declares
"""

EXAMPLES = r"""
- name: Guard SSH, wherever its log is
  stockade.fleet.fail2ban_jails:
    name: sshd
    enabled: true
    backend: detect
    journalmatch: [_SYSTEMD_UNIT=ssh.service + _COMM=sshd + _COMM=sshd-session]
    logpath: [/var/log/auth.log]
    port: [sshd]
    maxretry: 5
    findtime: 10m
    bantime: 1h

- name: Only these jails, one of them only where nginx is, and permanent bans for it
  stockade.fleet.fail2ban_jails:
    prune: true
    jails:
      - name: DEFAULT
        banaction: nftables
        banaction_allports: nftables[type=allports]
      - name: nginx-http-auth
        enabled: true
        if_present: [/usr/sbin/nginx]
        backend: auto
        logpath: [/var/log/nginx/*error.log]
        bantime: "-1"

- name: A jail with the filter it needs, tried with samples before it is live
  stockade.fleet.fail2ban_jails:
    jails:
      - name: shop
        enabled: true
        backend: auto
        logpath: [/var/log/shop/login.log]
        maxretry: 3
    filters:
      - name: shop
        failregex: ['^\s*login failed for ".*" from <ADDR>$']
        samples:
          must_match:
            - line: 2026-03-01 12:00:00 login failed for "bob" from 203.0.113.9
              address: 203.0.113.9
          must_not_match:
            - 2026-03-01 12:00:00 login of "bob" from 203.0.113.9

- name: Take back everything this module wrote
  stockade.fleet.fail2ban_jails:
    state: absent
    prune: true

# One jail, ad-hoc:
#   ansible web -b -m stockade.fleet.fail2ban_jails -a 'name=sshd enabled=true maxretry=3 bantime=1d'
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
left_out:
  description: Jails left out because what they guard, or their log, is not on this host.
  type: list
  elements: dict
  returned: O(state=present)
  contains:
    name:
      description: Name of the jail.
      type: str
    reason:
      description: What is missing.
      type: str
  sample: [{name: proftpd, reason: "none of these is there: /usr/sbin/proftpd"}]
"""

from ..module_utils._fail2ban._jails import wish_jails
from ..module_utils._fail2ban._specs import JAIL, module_spec, run_module


def main() -> None:
    """Declare jails."""
    mappings = {"type": "list", "elements": "dict"}
    start = {"type": "bool", "default": False}
    run_module(module_spec("jails", JAIL, filters=mappings, actions=mappings, start=start), wish_jails)


if __name__ == "__main__":
    main()
