# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a ban report into an HTML page."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: ban_page
short_description: Turn a ban report into an HTML page
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes one self-contained page that asks nobody for anything. All text from hosts is escaped.
  - The page shows at most 5,000 bans.
positional: audit
options:
  _input:
    description:
      - A report as P(stockade.fleet.merge_bans#filter) makes it, a dictionary or its JSON text.
    type: raw
    required: true
  audit:
    description:
      - The outcome of P(stockade.fleet.audit_findings#filter), which the page then shows too.
    type: dict
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    dest: /tmp/index.html
    mode: "0640"
    content: "{{ report | stockade.fleet.ban_page }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description:
    - The HTML document.
  type: str
"""


import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page import page
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any, audit: t.Any = None) -> t.Any:
    return foreign(page(report_of(report, name="ban_page"), audit or None))


class FilterModule:
    """The filter ``stockade.fleet.ban_page``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ban_page": _apply}
