# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the hosts of a ban report as a table for a terminal."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: host_table
short_description: Show the hosts of a ban report as a table for a terminal
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes the lines of a table with one row for each host, those that were not reached included.
options:
  _input:
    description:
      - A report as P(stockade.fleet.merge_bans#filter) makes it, a dictionary or its JSON text.
    type: raw
    required: true
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Show the hosts
  ansible.builtin.debug:
    msg: "{{ report | stockade.fleet.host_table }}"
"""

RETURN = r"""
_value:
  description:
    - The lines of the table. Control characters are visible, widths are bounded.
  type: list
  elements: str
"""


import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_table import host_lines
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any) -> t.Any:
    return foreign(host_lines(report_of(report, name="host_table")))


class FilterModule:
    """The filter ``stockade.fleet.host_table``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_table": _apply}
