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
  - Writes C(/etc/stockade/watcher.toml) and lets the service C(stockade-watcher) run with it. The watcher follows logs
    and the journal, counts requests, failed logins and probes of each client in sliding windows, and asks the warden to
    ban who reaches a threshold.
  - The configuration is checked by the agent of the host before it is live, the samples of its rules included. If the
    watcher does not come up with it and say so, the old one is put back and the module fails.
  - A restart of the watcher loses no counts and bans nobody twice.
author: stockade.fleet contributors (@stockade-fleet)
requirements:
  - the agent on the host, by the role P(stockade.fleet.agent#role)
  - python3-systemd on the host, where an input reads the journal
options:
  inputs:
    description: What to follow.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the input, letters, digits, dot, dash and underscore.
        type: str
        required: true
      path:
        description:
          - The log file, an absolute path, which need not exist yet; or a pattern with C(*), C(?) and C([]) below its
            first directory. Compressed files are never read. Give either this or O(inputs[].journal).
        type: str
      journal:
        description:
          - Units of the journal instead of a file. With the format V(sshd), V(sshd) stands for whatever root runs under
            the name of sshd, which nobody else can write.
        type: list
        elements: str
      format:
        description:
          - How lines are read. V(access) is the common or combined format of nginx and Apache, with any fields behind;
            with O(inputs[].vhost) it is vhost_combined. V(access-json) is one JSON object a line, see
            O(inputs[].dialect). V(sshd) and V(proftpd) are these programs' own messages, V(proftpd-json) is an
            ExtendedLog in JSON, V(nginx-error) and V(apache-error) are error logs with their failed logins.
        type: str
        choices: [access, access-json, sshd, proftpd, proftpd-json, nginx-error, apache-error]
        default: access
      vhost:
        description:
          - Lines begin with the virtual host, before the address of the client. Without it such lines are not parsed,
            because the Host header of a request could be taken for the address of its client.
          - The server should write a name without blanks there, such as C($host) or C($server_name) of nginx, not
            C($http_host), or C(%v) of Apache. The watcher's default is V(false).
        type: bool
      timezone:
        description:
          - Of times without an offset, such as V(Europe/Berlin). The watcher's default is the host's own.
        type: str
      ignore:
        description: Beginnings of messages that are dropped. For formats of messages.
        type: list
        elements: str
      trusted_proxies:
        description:
          - Addresses and networks of proxies that stand in front. A client of theirs is the rightmost address in
            X-Forwarded-For that is none of these; from anybody else the header says nothing, and the proxies are never
            banned. For access logs.
          - The kernel cannot drop who is behind a proxy. Bans of such clients are carried out only where the warden has
            the backend C(command), otherwise they are only told, which the status says.
        type: list
        elements: str
      forwarded:
        description:
          - Which of the quoted fields of a line holds X-Forwarded-For; the request is the first. The watcher's default
            is 4, behind referer and user agent. For the format V(access).
        type: int
      dialect:
        description:
          - Whose JSON it is. For the format V(access-json). V(nginx) and V(caddy) are tested with the programs of
            Debian, V(traefik), which Debian has not, with lines as its documentation shows them.
        type: str
        choices: [nginx, caddy, traefik]
      fields:
        description:
          - Where JSON has what, instead of or beside the dialect's own names. Keys are C(time), C(address), C(method),
            C(uri), C(protocol), C(request), C(status), C(agent), C(forwarded); values are names, with dots for what is
            nested.
        type: dict
  detect:
    description:
      - Also follow what is on the host and not among O(inputs), by name, path or pattern. These are the access logs of
        nginx (V(nginx)), Apache (V(apache), V(apache-vhosts)) or httpd (V(httpd), V(httpd-ssl)), their error logs
        (V(nginx-error), V(apache-error), V(httpd-error), V(httpd-ssl-error)), the log of proftpd (V(proftpd)) and sshd
        (V(sshd)), the latter in the journal or, where the agent's Python has no python3-systemd, in
        C(/var/log/auth.log) or C(/var/log/secure), with a warning where there is neither.
      - Where several servers have access logs, only those of the first, with a warning. nginx usually stands in front
        of Apache then, and each request would count twice. Name the others in O(inputs) if they have clients of their
        own. A log that a removed server left behind does not count. Error logs of all are followed, because a login
        fails at one server only.
      - What a running jail of fail2ban reads already (V(sshd), V(proftpd), V(nginx-http-auth), V(apache-auth), and
        V(access-rate) of the role P(stockade.fleet.fail2ban#role)) is left to it. What is named in O(inputs) is
        followed all the same; both count then, each for itself.
      - A log of proftpd that only the group root may read is opened for the group adm, as its first rotation would;
        O(state=absent) takes that back.
      - Where this finds nothing and O(inputs) is empty, there is nothing to watch, and the service is not started.
    type: bool
    default: false
  preset:
    description:
      - Rules that come with the watcher. Those that no input suits are left out.
      - V(default) is for any site. In 60 seconds it bans at 30 refused requests and at 300 of any answer, static assets
        left out, and at 1,200 of anything; at three distinct sensitive requests in 10 minutes; at five failed logins in
        10 minutes.
      - V(strict) adds one sensitive request of a longer list, and two tries of names such as C(admin) in a day.
      - V(original) bans at 30 requests of any kind in 60 seconds.
      - V(none) has no rules.
      - Not given, it is V(default) without O(rules), and V(none) with them.
    type: str
    choices: [default, strict, original, none]
  lookback:
    description:
      - How old lines may be to count when a log is seen for the first time, such as V(1h). It is at least the longest
        O(rules[].findtime) or an hour, whichever is less; that is also the default. At most V(7d).
    type: str
  max_bans_per_minute:
    description:
      - From so many bans in a minute on the watcher only tells and raises an alarm. The watcher's default is 200; 0 is
        no limit.
    type: int
  max_share:
    description:
      - A client that had more than this share of all requests for a while, in percent and under several user agents, is
        taken for a proxy that nobody declared, and is only told. The watcher's default is 25; 0 turns it off.
    type: int
  easing:
    description: After a key login of a named user, the watcher bans nothing that holds that address, for a while.
    type: dict
    suboptions:
      users:
        description: The users. Their logins by key count, as sshd itself reports them, and nothing else.
        type: list
        elements: str
        required: true
      duration:
        description: How long, at most V(12h). The watcher's default is V(1h).
        type: str
  events:
    description: The events database, which C(stockade report) asks.
    type: dict
    suboptions:
      days:
        description: How long events are kept; 0 keeps none. The watcher's default is 14.
        type: int
      text:
        description:
          - Keep what programs said as well. It may hold passwords that somebody typed as a name. The watcher's default
            is V(false).
        type: bool
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
        description:
          - What the rule counts. V(rate) requests, V(probe) distinct sensitive requests, V(failures) failed logins,
            V(users) tries of the names in O(rules[].names), V(text) messages that O(rules[].start) so or hold
            O(rules[].anywhere).
        type: str
        choices: [rate, probe, failures, users, text]
        default: rate
      inputs:
        description: Names of the inputs the rule counts. Not given, all of them that suit it.
        type: list
        elements: str
      maxretry:
        description:
          - The count that bans. The watcher's default is 30 for V(rate), 3 for V(probe), 5 for V(failures) and V(text),
            2 for V(users).
        type: int
      findtime:
        description:
          - The sliding window, such as V(60s) or V(5m). The watcher's default is V(60s) for V(rate), V(1d) for
            V(users), V(10m) for the others. V(permanent) counts for ever, where messages are counted.
        type: str
      duration:
        description:
          - How long a ban holds, such as V(10m) or V(permanent). The watcher's default is V(10m) for V(rate), V(1h) for
            the others. The warden makes it longer for who comes again.
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
          - V(user), for V(failures), counts by the name that was tried, and bans every client that failed for it.
        type: str
        choices: [address, ipv6/64, ipv4/24, user]
      observe:
        description: Only tell who would be banned. The watcher's default is V(false).
        type: bool
      exclude_static:
        description:
          - Leave out requests for static assets such as images and style sheets. For V(rate); the watcher's default is
            V(true).
        type: bool
      status:
        description: Only requests with these statuses, such as V(404), V(4xx) or V(400-404). For V(rate).
        type: list
        elements: str
      method:
        description: Only requests with these methods. For V(rate).
        type: list
        elements: str
      path:
        description:
          - Only requests for these paths and what lies below them; C(*) is anything. For V(rate).
        type: list
        elements: str
      agent:
        description: Only requests whose user agent holds one of these, in any case. For V(rate).
        type: list
        elements: str
      probes:
        description: What counts as sensitive. For V(probe); the watcher's default is all of it.
        type: list
        elements: str
        choices: [path, injection, traversal]
      paths:
        description:
          - More sensitive paths, from the root such as V(/backup.tar), or without C(/) anywhere. For V(probe).
        type: list
        elements: str
      wide:
        description:
          - Take the longer list of sensitive paths, for sites that have no phpMyAdmin, C(setup.php) or C(xmlrpc.php) of
            their own. For V(probe); the watcher's default is V(false).
        type: bool
      names:
        description: The names, whole. For V(users).
        type: list
        elements: str
      ignore_case:
        description: Names in any case. For V(users); the watcher's default is V(false).
        type: bool
      start:
        description: How a message begins. For V(text).
        type: str
      anywhere:
        description: What a message holds. For V(text).
        type: str
      must_match:
        description: Sample lines that have to count for the rule, or the configuration is refused.
        type: list
        elements: str
      must_not_match:
        description: Sample lines that must not count for the rule, or the configuration is refused.
        type: list
        elements: str
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
- name: Watch what is on the host with the default rules
  stockade.fleet.watcher:
    detect: true

- name: Watch a shop behind two proxies, and ban who guesses at its login
  stockade.fleet.watcher:
    inputs:
      - name: shop
        path: /var/log/nginx/*.access.log
        trusted_proxies: [192.0.2.80, 192.0.2.81]
    preset: default
    rules:
      - name: guesses
        inputs: [shop]
        path: [/login]
        method: [POST]
        status: ["401", "403"]
        maxretry: 10
        findtime: 5m
        duration: 1h

- name: See who would be banned for names that nobody has
  stockade.fleet.watcher:
    detect: true
    preset: default
    rules:
      - name: names
        type: users
        names: [admin, oracle]
        observe: true

- name: Read JSON, the journal of another sshd, and let nobody who holds a key be banned for an hour
  stockade.fleet.watcher:
    inputs:
      - name: edge
        path: /var/log/caddy/access.log
        format: access-json
        dialect: caddy
      - name: bastion
        journal: [sshd-bastion]
        format: sshd
    easing:
      users: [alice]
      duration: 1h
    events:
      days: 30

- name: No watcher here
  stockade.fleet.watcher:
    state: absent

# Ad-hoc:
#   ansible web -b -m stockade.fleet.watcher -a 'detect=true'
"""

RETURN = r"""
inputs:
  description: What is followed.
  type: list
  elements: dict
  returned: with O(state=present)
  contains:
    name:
      description: Name of the input.
      type: str
    path:
      description: The file or pattern, or the journal's units in words.
      type: str
    problem:
      description:
        - Why the watcher that runs cannot read it, empty if it can. Each one is a warning too. In check mode, empty
          where something would change.
      type: str
  sample: [{"name": "nginx", "path": "/var/log/nginx/access.log", "problem": ""}]
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
from ansible_collections.stockade.fleet.plugins.module_utils._watcher_options import arguments


def main() -> None:
    """Bring the watcher to the wanted state."""
    module = AnsibleModule(argument_spec=arguments(), supports_check_mode=True)
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
