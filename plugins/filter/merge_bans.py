# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge the bans of many hosts into one report."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: merge_bans
short_description: Merge the bans of many hosts into one report
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Merges what M(stockade.fleet.ban_facts) found on many hosts. One network on many hosts is one row.
  - Facts of a wrong shape are named in the report; they are no error, so one broken host does not take the report
    of all others away.
positional: as_text
options:
  _input:
    description:
      - Maps the name of each host to the facts C(ansible_facts.stockade) of M(stockade.fleet.ban_facts), or to what was
        registered of that task, or to null for a host that was not reached.
    type: dict
    required: true
  as_text:
    description:
      - Whether the report is returned as JSON text, which the other filters take too.
      - Of many hosts, that text is handled faster by Ansible than a dictionary of many elements.
    type: bool
    default: false
seealso:
  - module: stockade.fleet.ban_facts
"""

EXAMPLES = r"""
- name: Gather the bans
  stockade.fleet.ban_facts:
  register: found
  ignore_unreachable: true

- name: Show how many networks are banned in the fleet
  ansible.builtin.debug:
    msg: "{{ (results | stockade.fleet.merge_bans).summary.networks }}"
  vars:
    results: >-
      {{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'found'))) }}
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(schema), C(generated_at), and C(bans) with C(network), C(hosts), C(sources), C(reason) (the latest), C(since)
      (the earliest), C(until) (the latest, or C(permanent)), the newest first. Times are ISO 8601 in UTC.
    - C(hosts) with C(name), C(state), C(message), C(bans), C(truncated), C(by_source), C(jails), C(services),
      C(whitelist), C(problems).
    - C(summary) with C(hosts), C(states), C(unreachable), C(truncated), C(networks), C(permanent), C(on_several_hosts),
      C(by_source) (networks in the report), C(by_host) (bans in force, also those beyond the limit of
      what was gathered).
  type: raw
"""

import json
import time
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(results: t.Any, as_text: bool = False) -> t.Any:
    if not isinstance(results, t.Mapping):
        raise AnsibleFilterError("merge_bans takes a mapping of hosts to facts, not %s" % type(results).__name__)
    report = merge(results, now=time.time())
    return foreign(json.dumps(report, indent=2) if as_text else report)


class FilterModule:
    """The filter ``stockade.fleet.merge_bans``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"merge_bans": _apply}
