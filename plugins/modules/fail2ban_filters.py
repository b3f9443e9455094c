#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stockade.fleet.fail2ban_filters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_filters
short_description: Declare fail2ban filters, proven by sample lines before they are live
description:
  - Writes each filter to C(filter.d/<name>.local). A filter of the distribution of the same name stays as it is and is
    read first, so that what is declared here overrides single options of it.
  - Before anything is live, fail2ban's own code compiles the expressions and tries the samples on the host. Given
    samples, an expression that none of them hits fails, and so does one that is open at the address, where a user name
    or a path can be mistaken for it.
  - Jails that use a changed filter are reloaded, one by one, and nothing else. If one does not come up, the old files
    are put back and loaded.
  - Declares many filters by O(filters), or one by O(name) and the options beside it.
author: stockade.fleet contributors (@stockade-fleet)
options:
  filters:
    description:
      - The filters, one mapping each.
      - Write a percent sign once. References such as V(%(__prefix_line\)s) are kept, every other percent sign is
        doubled for fail2ban.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the filter, letters, digits, dot, dash and underscore.
        type: str
        required: true
      before:
        description: As O(before).
        type: str
      after:
        description: As O(after).
        type: str
      prefregex:
        description: As O(prefregex).
        type: str
      failregex:
        description: As O(failregex).
        type: list
        elements: str
      ignoreregex:
        description: As O(ignoreregex).
        type: list
        elements: str
      datepattern:
        description: As O(datepattern).
        type: str
      journalmatch:
        description: As O(journalmatch).
        type: list
        elements: str
      maxlines:
        description: As O(maxlines).
        type: int
      options:
        description: As O(options).
        type: dict
      init:
        description: As O(init).
        type: dict
      samples:
        description: As O(samples).
        type: dict
        suboptions:
          must_match:
            description: As O(samples.must_match).
            type: list
            elements: dict
            default: []
            suboptions:
              line:
                description: As O(samples.must_match[].line).
                type: str
                required: true
              address:
                description: As O(samples.must_match[].address).
                type: str
                required: true
              time:
                description: As O(samples.must_match[].time).
                type: str
          must_not_match:
            description: As O(samples.must_not_match).
            type: list
            elements: str
            default: []
          logtype:
            description: As O(samples.logtype).
            type: str
            choices: [file, journal]
            default: file
          options:
            description: As O(samples.options).
            type: dict
      allow_open:
        description: As O(allow_open).
        type: bool
        default: false
  name:
    description: Name of the one filter that is declared by the options beside it, instead of O(filters).
    type: str
  before:
    description: File that is read before this one, such as V(common.conf).
    type: str
  after:
    description: File that is read after this one.
    type: str
  prefregex:
    description: Expression that every line must match first; what it captures as C(<F-CONTENT>) is what the others see.
    type: str
  failregex:
    description:
      - Expressions that are failures, one each.
      - Each needs one of C(<ADDR>), C(<HOST>), C(<SUBNET>) or C(<F-ID>). Anchor it at both ends, and prefer C(<ADDR>),
        which takes no host names.
    type: list
    elements: str
  ignoreregex:
    description: Expressions that are no failures although one of O(failregex) matches.
    type: list
    elements: str
  datepattern:
    description: Where the time stands in a line and how it is written. An exact one is several times as fast.
    type: str
  journalmatch:
    description: Which journal entries are read, unless the jail says so.
    type: list
    elements: str
  maxlines:
    description: How many lines an expression sees at once.
    type: int
  options:
    description:
      - Any other option of the section C([Definition]), by its own name.
      - A name that fail2ban does not read, and that nothing refers to, is refused with the nearest one.
    type: dict
  init:
    description: Options of the section C([Init]), which a jail may give in brackets behind the filter's name.
    type: dict
  samples:
    description:
      - Lines of the log, tried by fail2ban's own code before the filter is live.
      - Each expression of O(failregex) must be hit by a line of O(samples.must_match), and each of these lines must
        give its address and time.
    type: dict
    suboptions:
      must_match:
        description: Lines that are failures.
        type: list
        elements: dict
        default: []
        suboptions:
          line:
            description: The line, or several lines that only together are a failure.
            type: str
            required: true
          address:
            description: The address that the filter must find in it.
            type: str
            required: true
          time:
            description: The time that it must find, such as V(2026-03-29T01:30:00+00:00); local time without an offset.
            type: str
      must_not_match:
        description: Lines that are no failures.
        type: list
        elements: str
        default: []
      logtype:
        description: Whether the lines are those of a file, or of the journal, with host and program but without a time.
        type: str
        choices: [file, journal]
        default: file
      options:
        description: Options for the filter, as a jail gives them in brackets.
        type: dict
  allow_open:
    description:
      - Allow expressions that are open at the address.
      - With samples, an expression is refused if text that a client can choose, before or behind the address, can stand
        in for it. Set this only where no client chooses any part of the lines.
    type: bool
    default: false
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
    description: Declares jails together with their filters in one step.
  - module: stockade.fleet.fail2ban_actions
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._fail2ban
  - stockade.fleet._fail2ban.declares
"""

EXAMPLES = r"""
- name: Logins that failed in the shop
  stockade.fleet.fail2ban_filters:
    name: shop
    failregex:
      - '^\s*login failed for ".*" from <ADDR>$'
    datepattern: '^%Y-%m-%d %H:%M:%S'
    samples:
      must_match:
        - line: 2026-03-01 12:00:00 login failed for "bob" from 203.0.113.9
          address: 203.0.113.9
          time: "2026-03-01T12:00:00"
        - line: 2026-03-01 12:00:01 login failed for "x" from 192.0.2.1" from 2001:db8::9
          address: 2001:db8::9
      must_not_match:
        - 2026-03-01 12:00:02 login of "bob" from 203.0.113.9

- name: Have fail2ban's own filter take the name that OpenSSH 9.8 logs under
  stockade.fleet.fail2ban_filters:
    name: sshd
    options:
      _daemon: sshd(?:-session)?
    samples:
      logtype: journal
      must_match:
        - line: "host sshd-session[1234]: Failed password for root from 203.0.113.9 port 4242 ssh2"
          address: 203.0.113.9
    allow_open: true # the distribution's expressions, of which this sample tries one

- name: Take a filter away
  stockade.fleet.fail2ban_filters:
    name: shop
    state: absent
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

from ..module_utils._fail2ban._jails import wish_filters
from ..module_utils._fail2ban._specs import FILTER, module_spec, run_module


def main() -> None:
    """Declare filters."""
    run_module(module_spec("filters", FILTER), wish_filters)


if __name__ == "__main__":
    main()
