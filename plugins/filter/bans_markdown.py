# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a ban report into Markdown for chat and mail."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: bans_markdown
short_description: Turn a ban report into Markdown for chat and mail
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Makes a short text of the figures, of hosts that are worth a look, of proposals and of the newest bans.
  - Every word from a host stands in a code span, without characters that would end it. Links, mentions, HTML and code
    fences in them do not come alive. What a program could take for a web or mail address is broken up, as in
    V(evil[.]example).
  - It does without tables and headings, so it reads well where nobody renders Markdown.
positional: rows, limit
options:
  _input:
    description:
      - A report as P(stockade.fleet.merge_bans#filter) makes it, a dictionary or its JSON text.
    type: raw
    required: true
  rows:
    description:
      - How many bans there are at most, the newest first.
    type: int
    default: 20
  limit:
    description:
      - How many characters the text has at most. What had no room is counted in its last line.
    type: int
    default: 4000
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Send the report to a chat
  ansible.builtin.uri:
    url: https://chat.example.com/hooks/reports
    method: POST
    body_format: json
    body:
      text: "{{ report | stockade.fleet.bans_markdown }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - The text.
  type: str
"""


import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_input import report_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_markdown import LIMIT, ROWS, markdown
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(report: t.Any, rows: int = ROWS, limit: int = LIMIT) -> t.Any:
    return foreign(markdown(report_of(report, name="bans_markdown"), rows=int(rows), limit=int(limit)))


class FilterModule:
    """The filter ``stockade.fleet.bans_markdown``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"bans_markdown": _apply}
