# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge hosts by rules."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: audit_findings
short_description: Judge hosts by rules
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Applies rules, which are data, to what M(stockade.fleet.ban_facts) and M(stockade.fleet.ssh_info) found on each
    host, and adds the findings that M(stockade.fleet.ssh_info) made itself.
  - A host that could not be asked is a finding of severity V(high), and so is an SSH daemon that could not.
  - A query that cannot be applied to the facts of a host is a finding as grave as its rule.
requirements:
  - The Python library C(jmespath) on the controller.
positional: rules, ssh, fail_on, waivers, skip, hosts, begun, previous
options:
  _input:
    description:
      - Maps the name of each host to what was registered of M(stockade.fleet.ban_facts).
    type: dict
    required: true
  rules:
    description:
      - Each rule has C(id), C(severity) (C(high), C(medium), C(low) or C(info)), C(title), C(query), and may have
        C(reference) and C(remedy). No two have the same id.
      - C(query) is a JMESPath expression over the facts of one host. What it finds is the evidence. Each item of a list
        is a finding, and so is anything else that is not empty, C(null) or C(false). C(!) wants brackets, C(!(a.b\)).
      - The facts are those of M(stockade.fleet.ban_facts), with C(bans) and C(whitelist) as lists, C(ssh) as
        M(stockade.fleet.ssh_info) returns it, and C(host).
      - C(host) has C(name), C(groups), C(controller) (the address this run comes from, null if it is not known),
        C(controller_whitelisted), C(lists_not_in_force) (declared lists of permanent bans of which the host holds
        nothing) and C(clock_skew) (seconds by which its clock is at least ahead, negative if it is behind).
    type: list
    elements: dict
    required: true
  ssh:
    description:
      - Maps the name of each host to what was registered of M(stockade.fleet.ssh_info).
    type: dict
  fail_on:
    description:
      - With a finding of this severity or a graver one the audit is not C(passed). V(none) lets it pass always.
    type: str
    default: high
    choices: [high, medium, low, info, none]
  waivers:
    description:
      - Findings that are accepted for a time. Each has C(rule) (its id), C(hosts), C(reason) and C(expires).
      - C(hosts) is the name of a host or group, a pattern with C(*) and C(?), or a list of these. Without it, all; an
        empty list is nobody.
      - C(expires) is the last day on which it holds, such as V(2027-01-31), or a time in UTC.
      - What is waived is listed and does not count. A waiver that is over is a finding of severity V(low), one that
        fits nothing of severity V(info).
    type: list
    elements: dict
    default: []
  skip:
    description:
      - Ids of findings of M(stockade.fleet.ssh_info) that are left out.
    type: list
    elements: str
    default: []
  hosts:
    description:
      - Maps the name of each host to its variables, such as C(hostvars).
    type: dict
    default: {}
  begun:
    description:
      - When the first host was asked, in seconds since 1970. Without it nothing is said about clocks.
    type: float
  previous:
    description:
      - The last audit, or its JSON. Without it nothing is said about what changed.
    type: raw
seealso:
  - module: stockade.fleet.ban_facts
  - module: stockade.fleet.ssh_info
  - plugin: stockade.fleet.audit_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the hosts that fail
  ansible.builtin.debug:
    msg: "{{ (results | stockade.fleet.audit_findings(rules, fail_on='medium')).failed }}"
  vars:
    rules:
      - id: site.jail-nginx
        severity: medium
        title: the jail for nginx does not run
        query: fail2ban.available && !(jails[?name=='nginx-http-auth']) && 'no such jail'
"""

RETURN = r"""
_value:
  description:
    - The audit, the same as in C(audit.json) and in the history.
  type: dict
  contains:
    schema:
      description: Version of this shape, V(1).
      type: int
    generated_at:
      description: When it was made, ISO 8601 in UTC.
      type: str
    fail_on:
      description: As given.
      type: str
    passed:
      description: Whether there is no finding as grave as O(fail_on).
      type: bool
    failed:
      description: Names of the hosts with such a finding.
      type: list
      elements: str
    summary:
      description: How many findings count, by severity.
      type: dict
    waived:
      description: How many are waived.
      type: int
    drift:
      description:
        - C(since) (when the last audit was made), and how many findings of hosts are C(new), C(gone) and C(unchanged),
          waived ones among them. Null without a last audit.
        - It is the same finding if host, id and evidence are the same.
      type: dict
    fleet:
      description: Findings about the audit itself, such as waivers that are over.
      type: list
      elements: dict
    hosts:
      description:
        - C(name), C(state) (V(audited), V(failed) or V(unreachable)), and the lists C(findings), C(waived) and C(gone).
        - Each finding has the texts C(id), C(severity), C(title), C(evidence), C(reference), C(remedy) and C(change)
          (V(new), V(unchanged), V(gone), or empty without a last audit); a waived one C(reason) and C(expires) as well.
      type: list
      elements: dict
    carried:
      description:
        - What was known before of hosts about which this audit did not learn everything, with C(name), C(audited_at)
          and C(findings). The next audit compares with it. It is dropped after 90 days.
      type: list
      elements: dict
"""

import time
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_rules import AuditError
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import audit
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(
    results: t.Any,
    rules: t.Any,
    ssh: t.Any = None,
    fail_on: str = "high",
    waivers: t.Any = (),
    skip: t.Any = (),
    hosts: t.Any = None,
    begun: t.Any = None,
    previous: t.Any = None,
) -> dict[str, t.Any]:
    if not isinstance(results, t.Mapping) or not isinstance(rules, t.Sequence):
        raise AnsibleFilterError("audit_findings takes a mapping of hosts to results, and a list of rules")
    try:
        found = audit(
            results,
            ssh=ssh,
            rules=rules,
            fail_on=str(fail_on),
            now=time.time(),
            begun=None if begun is None else float(begun),
            hosts=hosts,
            waivers=waivers,
            skip=skip,
            previous=previous,
        )
    except AuditError as e:
        raise AnsibleFilterError("cannot audit: %s" % e) from e
    return t.cast("dict[str, t.Any]", foreign(found))


class FilterModule:
    """The filter ``stockade.fleet.audit_findings``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"audit_findings": _apply}
