#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stockade.fleet.watcher."""

from __future__ import annotations

DOCUMENTATION = r"""
module: watcher
short_description: Declare what the watcher of a host reads and counts
description:
  - Writes C(/etc/stockade/watcher.toml) and lets the service C(stockade-watcher) run with it. The watcher follows
    access logs, counts requests of each client in a sliding window, and asks the warden to ban who reaches the
    threshold.
  - The configuration is checked by the agent of the host before it is live. If the watcher does not come up with it,
    the old one is put back and the module fails.
  - A restart of the watcher loses no counts and bans nobody twice.
author: stockade.fleet contributors (@stockade-fleet)
requirements:
  - the agent on the host, by the role P(stockade.fleet.agent#role)
options:
  inputs:
    description: The logs to follow.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the input, letters, digits, dot, dash and underscore.
        type: str
        required: true
      path:
        description: The log file, an absolute path. It need not exist yet.
        type: str
        required: true
      format:
        description:
          - How lines are read. V(access) is the common or combined format of nginx and Apache, with any fields behind;
            with O(inputs[].vhost) it is vhost_combined.
        type: str
        choices: [access]
        default: access
      vhost:
        description:
          - Lines begin with the virtual host, before the address of the client. Without it such lines are not parsed,
            because the Host header of a request could be taken for the address of its client.
          - The server should write a name without blanks there, such as C($host) or C($server_name) of nginx, not
            C($http_host), or C(%v) of Apache.
        type: bool
        default: false
  detect:
    description:
      - Also follow C(/var/log/nginx/access.log) (named V(nginx)) and C(/var/log/apache2/access.log) (named V(apache)),
        if it exists and is not among O(inputs).
      - Where both exist, only that of nginx, with a warning. nginx usually stands in front of Apache then, and each
        request would count twice. Name the other one in O(inputs) if it has clients of its own.
      - Where this finds nothing and O(inputs) is empty, there is nothing to watch, and the service is not started.
    type: bool
    default: false
  preset:
    description:
      - Rules that come with the watcher.
      - V(default) bans at 30 requests in 60 seconds that are no static assets, and at 300 of any kind.
      - V(original) bans at 30 requests of any kind in 60 seconds.
      - V(none) has no rules.
      - Not given, it is V(default) without O(rules), and V(none) with them.
    type: str
    choices: [default, original, none]
  lookback:
    description:
      - How old lines may be to count when a log is seen for the first time, such as V(1h). It is at least the longest
        O(rules[].findtime), which is also the default.
    type: str
  rules:
    description: The rules, beside those of the preset. What is not given is the watcher's default.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the rule, letters, digits, dot, dash and underscore. Its bans have the source C(watcher/<name>).
        type: str
        required: true
      type:
        description: What the rule looks at. V(rate) counts requests.
        type: str
        choices: [rate]
        default: rate
      inputs:
        description: Names of the inputs the rule counts. Not given, all of them.
        type: list
        elements: str
      maxretry:
        description: The number of requests that bans. The watcher's default is 30.
        type: int
      findtime:
        description: The sliding window, such as V(60s) or V(5m). The watcher's default is V(60s).
        type: str
      duration:
        description: How long a ban holds, such as V(10m) or V(permanent). The watcher's default is V(10m).
        type: str
      reason:
        description: Words in front of the ban's reason, at most 80 characters.
        type: str
      key:
        description:
          - What counts as one client. V(address) is the single address, V(ipv6/64) the IPv4 address or the IPv6 C(/64),
            V(ipv4/24) the IPv4 C(/24) or the IPv6 C(/64). The watcher's default is V(ipv6/64).
          - The network the host itself lives in, and networks of address translators, are always taken by single
            address.
        type: str
        choices: [address, ipv6/64, ipv4/24]
      exclude_static:
        description:
          - Leave out requests for static assets such as images and style sheets. The watcher's default is V(true).
        type: bool
      observe:
        description: Only write to the journal who would be banned. The watcher's default is V(false).
        type: bool
  state:
    description:
      - V(present) lets the watcher run as declared.
      - V(absent) stops it and removes its configuration and its state.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    details:
      - The configuration is checked in check mode as well.
      - Where the agent is not installed yet, the change is predicted without this check, with a warning.
  diff_mode:
    support: full
extends_documentation_fragment:
  - stockade.fleet._attributes
"""

EXAMPLES = r"""
- name: Watch the web server of the host with the default rules
  stockade.fleet.watcher:
    detect: true

- name: Watch one log, ban logins that are too fast for people for an hour
  stockade.fleet.watcher:
    inputs:
      - name: shop
        path: /var/log/nginx/shop.access.log
    preset: default
    rules:
      - name: burst
        inputs: [shop]
        maxretry: 100
        findtime: 10s
        duration: 1h

- name: See who would be banned
  stockade.fleet.watcher:
    detect: true
    rules:
      - name: trial
        maxretry: 60
        observe: true

- name: No watcher here
  stockade.fleet.watcher:
    state: absent
"""

RETURN = r"""
inputs:
  description: The logs that are followed.
  type: list
  elements: dict
  returned: with O(state=present)
  sample: [{"name": "nginx", "path": "/var/log/nginx/access.log"}]
service:
  description: V(active) or V(stopped).
  type: str
  returned: success
  sample: active
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._warden import require_root
from ansible_collections.stockade.fleet.plugins.module_utils._watcher import Watcher


def _arguments() -> dict[str, object]:
    text, flag, name = {"type": "str"}, {"type": "bool"}, {"type": "str", "required": True}
    watched = {
        "name": name,
        "path": name,
        "format": {"type": "str", "choices": ["access"], "default": "access"},
        "vhost": {"type": "bool", "default": False},
    }
    rule = {
        "name": name,
        "type": {"type": "str", "choices": ["rate"], "default": "rate"},
        "inputs": {"type": "list", "elements": "str"},
        "maxretry": {"type": "int"},
        "findtime": text,
        "duration": text,
        "reason": text,
        "key": {"type": "str", "choices": ["address", "ipv6/64", "ipv4/24"]},
        "exclude_static": flag,
        "observe": flag,
    }
    return {
        "inputs": {"type": "list", "elements": "dict", "default": [], "options": watched},
        "detect": {"type": "bool", "default": False},
        "preset": {"type": "str", "choices": ["default", "original", "none"]},
        "lookback": text,
        "rules": {"type": "list", "elements": "dict", "default": [], "options": rule},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }


def main() -> None:
    """Bring the watcher to the wanted state."""
    module = AnsibleModule(argument_spec=_arguments(), supports_check_mode=True)
    watcher = Watcher(run=module.run_command)
    warnings: list[str] = []
    try:
        require_root()
        if module.params["state"] == "absent":
            result = watcher.absent(check=module.check_mode)
        else:
            result, warnings = watcher.present(module.params, check=module.check_mode)
    except StockadeError as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    before, after = result.pop("before"), result.pop("after")
    if module._diff:
        result["diff"] = {"before": before, "after": after}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
