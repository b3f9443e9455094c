# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a variable that somebody typed into a form."""

# ruff: noqa: E402  # the documentation stands above the imports
from __future__ import annotations

DOCUMENTATION = r"""
name: survey
short_description: Read a variable that somebody typed into a form
author:
  - stockade.fleet contributors (@stockade-fleet)
description:
  - Takes the text of a variable as it is, checks it, and gives what it says. The text may come from a survey of AWX, or
    from C(-e).
  - The text is never rendered as a template, whatever it holds and wherever it comes from. This is why the name of the
    variable is given and not its value, and why this is no filter.
  - What is wrong in it is one error that names the variable, the line, the text and the reason.
options:
  _terms:
    description:
      - Name of the variable. Not set, empty, or nothing but blanks, it has the O(default).
    type: list
    elements: str
    required: true
  kind:
    description:
      - V(networks) gives a list of addresses and networks in their canonical form, each once. In the text they stand
        apart by commas, blanks or new lines; what follows a C(#) is skipped up to the end of its line.
      - V(hosts) gives a host pattern, in which every name is a group or a host of the inventory. C(localhost) is an
        error where the inventory has none, and so are regular expressions.
      - V(duration) gives a duration such as V(10m), V(1d12h) or V(permanent).
      - V(line) gives one line of visible text, of at most 200 characters.
      - V(name) gives the name of a list.
    type: str
    choices: [networks, hosts, duration, line, name]
    required: true
  default:
    description:
      - What a variable that says nothing stands for. Without it that is an error.
    type: str
  widest_ipv4:
    description:
      - The shortest prefix length an IPv4 network may have, with O(kind=networks).
    type: int
  widest_ipv6:
    description:
      - The shortest prefix length an IPv6 network may have, with O(kind=networks).
    type: int
  most:
    description:
      - How many networks there may be, with O(kind=networks).
    type: int
seealso:
  - module: stockade.fleet.ban
"""

EXAMPLES = r"""
- name: Ban what the form says
  hosts: "{{ lookup('stockade.fleet.survey', 'site_hosts', kind='hosts', default='all') }}"
  become: true
  gather_facts: false
  tasks:
    - name: Read the addresses
      ansible.builtin.set_fact:
        site_networks: "{{ lookup('stockade.fleet.survey', 'site_addresses', kind='networks', widest_ipv4=24) }}"
      run_once: true

    - name: Ban
      stockade.fleet.ban:
        address: "{{ site_networks }}"
"""

RETURN = r"""
_raw:
  description:
    - What the variable says, a list for O(kind=networks) and a text for all others.
  type: list
  elements: raw
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.plugin_utils import _survey


class LookupModule(LookupBase):
    """The lookup ``stockade.fleet.survey``."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        """See the documentation; `variables` holds every variable as it was given, before any template is rendered."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._read(str(name), variables or {}) for name in terms]
        except StockadeError as error:
            raise AnsibleLookupError(str(error)) from None

    def _read(self, name: str, variables: t.Mapping[str, t.Any]) -> t.Any:
        kind, value = self.get_option("kind"), variables.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if self.get_option("default") is None:
                raise StockadeError("%s: is not set, and there is no default" % name)
            value = self.get_option("default")
            if not value:
                return value
        if kind == "networks":
            limits = {key: self.get_option(key) for key in ("widest_ipv4", "widest_ipv6", "most")}
            return _survey.networks(value, name, **limits)
        if kind == "hosts":
            return _survey.hosts(value, name, variables.get("groups") or {"all": []})
        return {"duration": _survey.duration, "line": _survey.line, "name": _survey.list_name}[kind](value, name)
