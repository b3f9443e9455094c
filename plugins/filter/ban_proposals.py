# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permanent bans that a ban report proposes."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: ban_proposals
short_description: The permanent bans that a ban report proposes
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes YAML of the proposals in a report, to be looked at and then taken over into the variables of a site.
  - P(stockade.fleet.merge_bans#filter) says what is proposed. A network that touches a whitelisted or private one never
    is.
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
- name: Write the proposals
  ansible.builtin.copy:
    dest: /tmp/proposals.yml
    mode: "0640"
    content: "{{ report | stockade.fleet.ban_proposals }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description:
    - A YAML document with the variable C(stockade_permanent_bans) of the role P(stockade.fleet.bans#role).
  type: str
"""


import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_proposals import snippet
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any) -> t.Any:
    return foreign(snippet(report_of(report, name="ban_proposals")))


class FilterModule:
    """The filter ``stockade.fleet.ban_proposals``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ban_proposals": _apply}
