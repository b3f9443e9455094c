# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sum a ban report up."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: report_summary
short_description: Sum a ban report up
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes the few figures of a report, and of an audit, that M(ansible.builtin.set_stats) carries, some kilobytes
    whatever the report holds.
positional: audit, url
options:
  _input:
    description:
      - A report as P(stockade.fleet.merge_bans#filter) makes it, a dictionary or its JSON text.
    type: raw
    required: true
  audit:
    description:
      - What P(stockade.fleet.audit_findings#filter) makes, if there was an audit.
    type: dict
  url:
    description:
      - Where people find the report.
    type: str
    default: ""
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Hand the figures on
  ansible.builtin.set_stats:
    data:
      bans: "{{ report | stockade.fleet.report_summary(url='https://reports.example.com/index.html') }}"
"""

RETURN = r"""
_value:
  description:
    - C(generated_at), the numbers C(hosts), C(networks), C(permanent) and C(on_several_hosts), numbers by state and by
      source in C(states) and C(by_source), C(unreachable), the networks that are banned on most hosts in C(top)
      (C(network), C(hosts), C(sources), C(until)), and C(report_url). Lists have at most 20 entries.
    - With an audit, C(audit) holds C(findings) by severity, the number C(failed), and C(failed_hosts).
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_stats import summary
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any, audit: t.Any = None, url: str = "") -> t.Any:
    if audit is not None and not (isinstance(audit, t.Mapping) and "failed" in audit):
        raise AnsibleFilterError("report_summary takes the result of stockade.fleet.audit_findings as audit")
    return foreign(summary(report_of(report, name="report_summary"), audit, str(url)))


class FilterModule:
    """The filter ``stockade.fleet.report_summary``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_summary": _apply}
