#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stockade.fleet.fail2ban_daemon."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_daemon
short_description: Declare the settings of fail2ban's server
description:
  - Writes the settings to C(fail2ban.d/zz-stockade.local), which wins over every other file. Files of the distribution
    or of anybody else are never edited.
  - What the running server takes is set at once. For O(dbfile), O(allowipv6) and O(stacksize) the service is restarted
    and has to come back with every jail it had; otherwise the old file is put back, and the service restarted with it.
  - A setting that is not given is left to fail2ban's own configuration.
author: stockade.fleet contributors (@stockade-fleet)
options:
  loglevel:
    description: What is worth a line in fail2ban's log. V(INFO) writes one for each failure that is found.
    type: str
    choices: [CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG]
  logtarget:
    description:
      - An absolute path, or one of V(SYSLOG), V(SYSTEMD-JOURNAL), V(SYSOUT), V(STDOUT), V(STDERR).
      - The jail C(recidive) reads this log.
    type: str
  syslogsocket:
    description: Socket for O(logtarget=SYSLOG), V(auto) for the system's own.
    type: str
  dbfile:
    description: File in which bans survive a restart, V(:memory:), or V(None) for no such file.
    type: str
  dbpurgeage:
    description:
      - How long fail2ban remembers a ban that is over, such as V(1d).
      - C(bantime.increment) knows no repeated offence that lies further back.
    type: str
  dbmaxmatches:
    description: How many lines of the log are kept for each ban.
    type: int
  allowipv6:
    description: Whether addresses of IPv6 are taken. V(auto) asks the system.
    type: str
    choices: [auto, "yes", "no"]
  stacksize:
    description: KiB of stack for each thread, V(0) for the system's own size.
    type: int
  state:
    description: V(absent) removes the file, so that fail2ban's own configuration counts again.
    type: str
    choices: [present, absent]
    default: present
  start:
    description: Start fail2ban's service where it does not run.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details:
      - The composed configuration is tried in check mode as well, so check mode fails where the real run would.
  diff_mode:
    support: full
notes:
  - The socket and the file of the process id are not among the options. Programs look for fail2ban where it is by
    default, the modules of this collection too.
  - A restart of fail2ban leaves a gap in which nobody is refused, unless the jails ban by the action of the role
    P(stockade.fleet.fail2ban#role), whose bans the warden holds.
seealso:
  - module: stockade.fleet.fail2ban_jails
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._fail2ban
"""

EXAMPLES = r"""
- name: Remember bans for a month, and be quiet about single failures
  stockade.fleet.fail2ban_daemon:
    dbpurgeage: 30d
    loglevel: NOTICE

- name: Log to the journal
  stockade.fleet.fail2ban_daemon:
    logtarget: SYSTEMD-JOURNAL

- name: Back to what the distribution says
  stockade.fleet.fail2ban_daemon:
    state: absent
"""

RETURN = r"""
jails:
  description: Names of the jails that run now.
  type: list
  elements: str
  returned: when fail2ban runs and something was changed
  sample: [sshd]
restarted:
  description: Whether the service had to be restarted.
  type: bool
  returned: success
  sample: false
"""

from ..module_utils._fail2ban._settings import Settings
from ..module_utils._fail2ban._specs import be_module


def main() -> None:
    """Declare settings."""
    levels = ["CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"]
    spec = {
        "loglevel": {"type": "str", "choices": levels},
        "logtarget": {"type": "str"},
        "syslogsocket": {"type": "str"},
        "dbfile": {"type": "str"},
        "dbpurgeage": {"type": "str"},
        "dbmaxmatches": {"type": "int"},
        "allowipv6": {"type": "str", "choices": ["auto", "yes", "no"]},
        "stacksize": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "start": {"type": "bool", "default": False},
        "config_dir": {"type": "path", "default": "/etc/fail2ban"},
    }
    be_module(spec, lambda params, host, check, diff: (Settings(params, host).converge(check=check, diff=diff), []))


if __name__ == "__main__":
    main()
