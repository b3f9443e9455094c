# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the findings of an audit on a terminal."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: audit_table
short_description: Show the findings of an audit on a terminal
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes lines to read, host by host, the gravest finding first, with what is new, waived and gone.
options:
  _input:
    description:
      - The outcome of P(stockade.fleet.audit_findings#filter).
    type: dict
    required: true
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Show the findings
  ansible.builtin.debug:
    msg: "{{ results | stockade.fleet.audit_findings(rules) | stockade.fleet.audit_table }}"
"""

RETURN = r"""
_value:
  description:
    - The lines. Control characters are visible.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_table import audit_lines
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(result: t.Any) -> t.Any:
    if not isinstance(result, t.Mapping) or "failed" not in result:
        raise AnsibleFilterError(
            "audit_table takes the outcome of stockade.fleet.audit_findings, not %s" % type(result).__name__
        )
    return foreign(audit_lines(result))


class FilterModule:
    """The filter ``stockade.fleet.audit_table``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"audit_table": _apply}
