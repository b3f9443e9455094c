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
  - Applies rules, which are data, to what M(stockade.fleet.ban_facts) found on each host, and adds the findings of
    M(stockade.fleet.ssh_info).
  - A host that could not be asked is a finding of severity V(high).
positional: rules, ssh, fail_on
options:
  _input:
    description:
      - Maps the name of each host to what was registered of M(stockade.fleet.ban_facts).
    type: dict
    required: true
  rules:
    description:
      - Each rule has C(id), C(severity) (C(high), C(medium), C(low) or C(info)), C(title), C(look_at), C(evidence), and
        may have C(match), C(unless), C(remedy) and C(reference).
      - C(look_at) is the dotted path to a dictionary, or a list of them, in the facts. One of them is a finding if, for
        every key in C(match), its value is in that key's list, unless the same holds for all keys in C(unless).
      - In C(evidence), C({key}) stands for its value of that key.
    type: list
    elements: dict
    required: true
  ssh:
    description:
      - Maps the name of each host to what was registered of M(stockade.fleet.ssh_info).
    type: dict
  fail_on:
    description:
      - Hosts with a finding of this severity or a graver one are in C(failed). V(none) puts no host there.
    type: str
    default: high
    choices: [high, medium, low, info, none]
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Show the hosts that fail
  ansible.builtin.debug:
    msg: "{{ (results | stockade.fleet.audit_findings(rules, fail_on='medium')).failed }}"
"""

RETURN = r"""
_value:
  description:
    - C(schema), C(generated_at), C(fail_on), C(hosts) with C(name), C(state) and C(findings) (C(id), C(severity),
      C(title), C(evidence), C(reference), C(remedy)), C(summary) (findings by severity), C(failed) (names of hosts).
  type: dict
"""

import time
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import RuleError, audit
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(results: t.Any, rules: t.Any, ssh: t.Any = None, fail_on: str = "high") -> dict[str, t.Any]:
    if not isinstance(results, t.Mapping) or not isinstance(rules, t.Sequence):
        raise AnsibleFilterError("audit_findings takes a mapping of hosts to results, and a list of rules")
    try:
        return t.cast(
            "dict[str, t.Any]", foreign(audit(results, ssh=ssh, rules=rules, fail_on=str(fail_on), now=time.time()))
        )
    except RuleError as e:
        raise AnsibleFilterError("cannot audit: %s" % e) from e


class FilterModule:
    """The filter ``stockade.fleet.audit_findings``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"audit_findings": _apply}
