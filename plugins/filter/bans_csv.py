# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a ban report into CSV."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: bans_csv
short_description: Turn a ban report into CSV
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes a CSV document of the bans in a report.
  - Cells that a spreadsheet would take for a formula begin with an apostrophe.
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
- name: Write the bans as CSV
  ansible.builtin.copy:
    dest: /tmp/bans.csv
    mode: "0640"
    content: "{{ report | stockade.fleet.bans_csv }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description:
    - The document, with a header line.
  type: str
"""


import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_table import bans_csv as _csv
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any) -> t.Any:
    return foreign(_csv(report_of(report, name="bans_csv")))


class FilterModule:
    """The filter ``stockade.fleet.bans_csv``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"bans_csv": _apply}
