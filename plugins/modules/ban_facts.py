#!/usr/bin/python
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the agent and fail2ban know on one host, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ban_facts
short_description: Gather bans, jails, whitelist and service states of a host
description:
  - Returns everything the agent and fail2ban know on a host as C(ansible_facts.stockade), in one call.
  - Right on a host that has the agent and fail2ban, only one of them, or neither; what is absent is named with the
    reason.
  - Bans that only fail2ban holds (of jails that ban without the agent) are among the bans, their jail is the source.
  - Changes nothing. The filter P(stockade.fleet.merge_bans#filter) makes one report of the facts of many hosts.
author:
  - stockade.fleet contributors (@stockade-fleet)
extends_documentation_fragment:
  - stockade.fleet._attributes
  - stockade.fleet._attributes.facts
  - stockade.fleet._attributes.info_module
requirements:
  - Privilege of root, that is C(become), for the sockets of the warden and of fail2ban.
options:
  limit:
    description:
      - How many bans are returned at most, the newest first.
      - RV(ansible_facts.stockade.summary) counts all of them, RV(ansible_facts.stockade.truncated) says whether some
        are missing.
    type: int
    default: 1000
  since:
    description:
      - How far back RV(ansible_facts.stockade.history) goes, in minutes (V(m)), hours (V(h)), days (V(d)) or weeks
        (V(w)), such as V(24h). The agent remembers 90 days, fail2ban one unless it is told otherwise.
    type: str
    default: 7d
  detail:
    description:
      - With V(summary), neither bans nor whitelist nor the addresses of jails are returned, only figures and states.
        That is enough for an audit, and for a fleet of thousands.
    type: str
    choices: [full, summary]
    default: full
seealso:
  - plugin: stockade.fleet.merge_bans
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Gather the bans of a host
  stockade.fleet.ban_facts:

- name: Show how many there are, by source
  ansible.builtin.debug:
    var: ansible_facts["stockade"]["summary"]["by_source"]

- name: Show the newest ban
  ansible.builtin.debug:
    msg: "{{ (ansible_facts['stockade']['bans'] | from_json | first).network }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts of the host.
  returned: always
  type: dict
  contains:
    stockade:
      description: What the agent and fail2ban know.
      type: dict
      returned: always
      contains:
        schema:
          description: Version of this shape.
          type: int
          returned: always
          sample: 1
        collected_at:
          description: When this was gathered, by the clock of the host, in seconds since 1970.
          type: int
          returned: always
          sample: 1795171980
        bans:
          description:
            - The newest bans as one JSON text, a list of objects with C(id), C(network), C(source), C(origin),
              C(reason), C(banned_at) and C(expires_at) (seconds since 1970; null for a permanent ban).
            - Text, because Ansible handles one text faster than many elements. Use P(ansible.builtin.from_json#filter).
          type: str
          returned: always
          sample: >-
            [{"id":"1","network":"203.0.113.9","source":"watcher/requests","origin":"web1",
            "reason":"31 requests in 60 s","banned_at":1795171900,"expires_at":1795172500}]
        truncated:
          description: Whether there are more bans than were returned.
          type: bool
          returned: always
        summary:
          description: Figures over the bans in force.
          type: dict
          returned: always
          contains:
            bans:
              description: How many bans are in force.
              type: int
              returned: always
            networks:
              description: How many different networks they name.
              type: int
              returned: always
            permanent:
              description: How many never end.
              type: int
              returned: always
            timed:
              description: How many end by themselves.
              type: int
              returned: always
            expiring_1h:
              description: How many end within an hour.
              type: int
              returned: always
            by_source:
              description: How many bans each source has decided.
              type: dict
              returned: always
              sample: {"watcher/requests": 12, "list/permanent": 3}
            packets:
              description:
                - How many packets the kernel dropped because of the 1,000 newest bans, since each was last set. 0 where
                  nobody counts.
              type: int
              returned: always
            newest:
              description: When the newest ban was decided, in seconds since 1970; null without bans.
              type: int
              returned: always
            oldest:
              description: When the oldest ban was decided, in seconds since 1970; null without bans.
              type: int
              returned: always
            complete:
              description:
                - Whether all figures are over all bans. On a host with more than 50,000 bans, all but C(bans) are over
                  the newest of them.
              type: bool
              returned: always
        history:
          description:
            - What was banned since O(since), whether it still holds or not. Each ban counts once, also if it was
              renewed; what fail2ban restores after a start and takes back at a stop counts not at all.
            - On a host with an agent it is the warden's, else that of fail2ban's database.
          type: dict
          returned: always
          contains:
            available:
              description: Whether there is a history.
              type: bool
              returned: always
            reason:
              description: Why not, else empty.
              type: str
              returned: always
            by:
              description: Who remembers it, V(warden) or V(fail2ban), else empty.
              type: str
              returned: always
            since:
              description: From when on bans count, in seconds since 1970.
              type: int
              returned: when there is a history
            bans:
              description: How many bans were decided.
              type: int
              returned: when there is a history
            networks:
              description: How many different networks they name.
              type: int
              returned: when there is a history
            by_hour:
              description:
                - The start of an hour, in seconds since 1970, to the number of bans, as one JSON text. Hours without
                  any are left out.
              type: str
              returned: when there is a history
              sample: '{"1795168800":12,"1795172400":3}'
            by_source:
              description: How many bans each source decided. Lists are not among them.
              type: dict
              returned: when there is a history
              sample: {"watcher/requests": 12, "fail2ban/sshd": 3}
            repeaters:
              description: How many networks were banned more than once, not counting bans that somebody lifted.
              type: int
              returned: when there is a history
            repeated:
              description: The 50 of them that came most often, as one JSON text.
              type: str
              returned: when there is a history
              sample: '[{"network":"203.0.113.9","bans":4}]'
            complete:
              description: Whether all bans are in the figures, or only the newest 50,000.
              type: bool
              returned: when there is a history
        warden:
          description:
            - C(installed), C(available) (it answered), C(reason) if it did not, and C(status) as the warden gives it,
              with C(version), C(state) (C(enforcing), C(released) or C(degraded)) and C(problems).
          type: dict
          returned: always
        fail2ban:
          description:
            - C(available), C(reason) if it is not, and C(version).
            - C(database) is the file in which it remembers bans (null if it keeps none), C(database_problem) what is
              wrong with that file, else empty.
          type: dict
          returned: always
          sample:
            available: true
            reason: ""
            version: 1.1.0
            database: /var/lib/fail2ban/fail2ban.sqlite3
            database_problem: ""
        jails:
          description:
            - The running jails with C(name), C(currently_failed), C(total_failed), C(currently_banned),
              C(total_banned), the files (C(logpaths)) and journal entries (C(journalmatches)) they read, and C(banned),
              at most 100 of the addresses they hold, those that were banned last.
          type: list
          elements: dict
          returned: always
        whitelist:
          description:
            - The whitelist as one JSON text, a list of objects with C(network), C(comment), C(list), C(expires_at).
          type: str
          returned: always
        services:
          description:
            - State of the agent's units, and of those of fail2ban, nftables and SSH that the host has, with C(name),
              C(load), C(active), C(sub), C(enabled), C(failed), C(restarts), and C(drop_ins), the files by which
              somebody else than the collection changed the unit. Empty without systemd.
          type: list
          elements: dict
          returned: always
        files:
          description:
            - What is wrong with files, at most 1,000 rows with C(path), C(kind) and C(problem).
            - V(writable) is what others than root can write though root runs or obeys it, the agent, C(/etc/stockade),
              C(/etc/fail2ban), sshd's configuration, and units of these in C(/etc/systemd/system).
            - V(readable) is what others can read though it is a secret, the agent's credentials and registry, and host
              keys. V(changed) is a file of the agent's program that is not what was installed.
          type: list
          elements: dict
          returned: always
          sample:
            - path: /etc/fail2ban/jail.local
              kind: writable
              problem: can be written by others than root (bob:bob, mode 0644)
        watcher:
          description: What the watcher says about itself.
          type: dict
          returned: always
          contains:
            available:
              description: Whether a watcher runs here, or ran since the last boot, and could be asked.
              type: bool
              returned: always
            reason:
              description: Why not, else empty.
              type: str
              returned: always
            status:
              description:
                - All as the watcher wrote it, else empty. Among it are C(state), C(problems), C(inputs) and C(rules).
                - What waits and what got lost since the watcher started are C(pending) (verdicts without an answer of
                  the warden), C(dropped) (verdicts that were too many to wait), C(late) (verdicts whose ban would have
                  been over) and C(events_dropped) (events that are not in the database).
              type: dict
              returned: always
        sshd_penalties:
          description:
            - Whom sshd itself turned away in the last ten minutes (C(PerSourcePenalties), OpenSSH 9.8 and later), last
              first, at most 100, with C(address), C(reason), C(count) and C(last). None of them is a ban.
          type: list
          elements: dict
          returned: always
          sample: [{address: 203.0.113.9, reason: failed authentication, count: 3, last: "2026-11-20T11:13:29Z"}]
"""

import socket
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._facts import gather
from ansible_collections.stockade.fleet.plugins.module_utils._facts_history import seconds_of
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banClient
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient, require_root


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "limit": {"type": "int", "default": 1000},
            "since": {"type": "str", "default": "7d"},
            "detail": {"type": "str", "default": "full", "choices": ["full", "summary"]},
        },
        supports_check_mode=True,
    )
    limit = module.params["limit"]
    if limit < 0:
        module.fail_json(msg="cannot return %d bans: limit counts from 0" % limit)
    now = int(time.time())
    try:
        since = now - seconds_of(module.params["since"])
        require_root()
        facts = gather(
            limit=limit,
            since=since,
            brief=module.params["detail"] == "summary",
            run=module.run_command,
            systemctl=module.get_bin_path("systemctl"),
            now=now,
            host=socket.gethostname(),
            warden=WardenClient(),
            fail2ban=Fail2banClient(),
        )
    except StockadeError as e:
        module.fail_json(msg=str(e))
    module.exit_json(changed=False, ansible_facts={"stockade": facts})


if __name__ == "__main__":
    main()
