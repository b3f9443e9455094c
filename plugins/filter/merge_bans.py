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
  - Nothing is asked of the network.
positional: as_text, previous, country_db, min_hosts, min_addresses, spare
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
  previous:
    description:
      - The report before this one, a dictionary or its JSON text. From it comes what is new, what is gone, and who was
        banned before. Empty for a first report.
      - One that cannot be read is named in C(notes).
    type: raw
  country_db:
    description:
      - Path of a database of countries in MaxMind's format (C(.mmdb)) on the controller. Needs the Python library
        C(maxminddb) there.
      - Without it, and for private addresses, a country is C(??).
    type: str
    default: ""
  min_hosts:
    description:
      - A permanent ban is proposed of addresses that at least this many hosts have banned. V(0) proposes none.
    type: int
    default: 3
  min_addresses:
    description:
      - A permanent ban is proposed of a C(/24) or an IPv6 C(/64) in which at least this many addresses are banned.
        V(0) proposes none.
    type: int
    default: 8
  spare:
    description:
      - Addresses and networks of the site. What has an address in common with one of them, with a whitelist entry of
        any host, or with a private or reserved range is never proposed. What is no address is passed over.
    type: list
    elements: str
    default: []
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
    - C(schema), C(generated_at), C(notes), C(summary), C(proposals), C(hosts), C(bans) and C(past). Times are ISO 8601
      in UTC. C(docs/report-schema.json) in the repository describes all of it as a JSON schema.
    - C(bans), the newest first, with C(network), C(country), C(hosts), C(sources), C(reason) (the latest), C(since)
      (the earliest), C(until) (the latest, or C(permanent)), C(times) (how often it was banned, as reports tell),
      C(new) (it was not in C(previous)), and C(covered_by) (the widest banned network around it) where there is one.
    - C(hosts) with C(name), C(state), C(message), C(bans), C(truncated), C(by_source), C(jails), C(services),
      C(whitelist), C(problems).
    - C(summary) with C(hosts), C(states), C(unreachable), C(truncated), C(networks), C(permanent), C(on_several_hosts),
      C(covered), C(repeated), C(last_24h), C(since_last), and with the number of networks in the report C(by_source),
      C(by_jail), C(by_country), C(by_hour) and C(by_day). C(by_host) is bans in force, also those beyond the limit of
      what was gathered.
    - C(proposals) with C(network), C(addresses), C(hosts) and C(reason), those on most hosts first, at most 200.
    - C(past) maps networks whose ban has ended to C(times) and C(seen), for the next report.
  type: raw
"""

import time
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_json import report_text
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import MIN_ADDRESSES, MIN_HOSTS, merge
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_unsafe import foreign


def _apply(
    results: t.Any,
    as_text: bool = False,
    previous: t.Any = None,
    country_db: str = "",
    min_hosts: int = MIN_HOSTS,
    min_addresses: int = MIN_ADDRESSES,
    spare: t.Any = (),
) -> t.Any:
    if not isinstance(results, t.Mapping):
        raise AnsibleFilterError("merge_bans takes a mapping of hosts to facts, not %s" % type(results).__name__)
    if not isinstance(spare, (list, tuple)):
        raise AnsibleFilterError("merge_bans takes a list as spare, not %s" % type(spare).__name__)
    report = merge(
        results,
        now=time.time(),
        previous=previous,
        country_db=str(country_db or ""),
        min_hosts=int(min_hosts),
        min_addresses=int(min_addresses),
        spare=spare,
    )
    return foreign(report_text(report) if as_text else report)


class FilterModule:
    """The filter ``stockade.fleet.merge_bans``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"merge_bans": _apply}
