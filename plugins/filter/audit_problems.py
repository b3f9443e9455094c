# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what is wrong with the rules of an audit."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: audit_problems
short_description: Say what is wrong with the rules of an audit
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Checks rules and waivers without asking any host.
positional: waivers
options:
  _input:
    description:
      - Rules, as P(stockade.fleet.audit_findings#filter) takes them.
    type: list
    elements: dict
    required: true
  waivers:
    description:
      - Waivers, as P(stockade.fleet.audit_findings#filter) takes them.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: stockade.fleet.audit_findings
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Check the rules of the site
  ansible.builtin.assert:
    that: stockade_audit_rules | stockade.fleet.audit_problems == []
"""

RETURN = r"""
_value:
  description:
    - One text for each fault, with the rule or waiver it is about. Empty if there is none.
    - Without the Python library C(jmespath) on the controller, that is the only fault named of rules.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_audit import problems
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(rules: t.Any, waivers: t.Any = ()) -> t.Any:
    if not all(isinstance(given, t.Sequence) and not isinstance(given, str) for given in (rules, waivers)):
        raise AnsibleFilterError("audit_problems takes a list of rules, and a list of waivers")
    return foreign(problems(rules, waivers))


class FilterModule:
    """The filter ``stockade.fleet.audit_problems``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"audit_problems": _apply}
