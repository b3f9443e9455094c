# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the agent and fail2ban know on one host, as the facts ``ansible_facts.stockade``.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _facts_history, _facts_jails
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._facts_bans import newest_first, summarise
from ansible_collections.stockade.fleet.plugins.module_utils._facts_files import files
from ansible_collections.stockade.fleet.plugins.module_utils._facts_services import Run, services
from ansible_collections.stockade.fleet.plugins.module_utils._facts_watcher import STATUS, read_status
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banClient,
    Fail2banUnavailable,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.penalties import penalised
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenClient, WardenRefused

# Version of the shape below; readers on the controller refuse another one.
SCHEMA = 1
# So many rows are read from the warden for the figures of the summary, whatever is returned of them.
SUMMARY_ROWS = 50000
MOST_ROWS = 200000  # the warden refuses to give more
UNIT = "stockade-warden.service"
STOPPED = ("inactive", "failed", "deactivating")

Facts = t.Dict[str, t.Any]
Rows = t.List[t.Dict[str, t.Any]]


def gather(
    *,
    limit: int,
    since: int,
    brief: bool,
    run: Run,
    systemctl: str | None,
    now: int,
    host: str,
    warden: WardenClient,
    fail2ban: Fail2banClient,
    watcher_status: str = STATUS,
    database: str = _facts_history.DATABASE,
) -> Facts:
    """The facts of this host.

    ``limit`` is the number of bans returned, ``since`` the epoch second from which on bans count as history, ``brief``
    whether figures are enough, ``now`` the epoch second, ``host`` the name bans of fail2ban get as their origin,
    ``systemctl`` the path of that command or None where there is none, ``database`` where fail2ban keeps its own unless
    it says otherwise. Nothing is changed. Absent parts are named with the reason, they are no error.
    """
    limit = 0 if brief else limit
    units = services(run=run, systemctl=systemctl)
    warden_facts, rows, total, whitelist = _warden(warden, units, rows_wanted=min(max(limit, SUMMARY_ROWS), MOST_ROWS))
    known = {row["network"] for row in rows}
    alone = not warden_facts["available"]
    fail2ban_facts, jails, jail_rows = _fail2ban(fail2ban, host=host, known=known, alone=alone, database=database)
    path = fail2ban_facts["database"]
    rows = newest_first(rows + jail_rows)
    total += len(jail_rows)
    return {
        "schema": SCHEMA,
        "collected_at": now,
        "bans": _compact(rows[:limit]),
        "truncated": total > len(rows[:limit]),
        "summary": summarise(rows, total=total, now=now),
        "history": _packed(
            _facts_history.of_fail2ban(path, since) if alone else _facts_history.of_warden(warden, since)
        ),
        "warden": warden_facts,
        "fail2ban": fail2ban_facts,
        "jails": [{**jail, "banned": []} for jail in jails] if brief else jails,
        "whitelist": _compact([] if brief else whitelist),
        "services": units,
        "files": files(),
        "watcher": read_status(watcher_status),
        "sshd_penalties": penalised(run) if systemctl else [],  # where there is no systemd there is no journal
    }


def _packed(history: Facts) -> Facts:
    return {key: _compact(value) if key in ("by_hour", "repeated") else value for key, value in history.items()}


def _compact(rows: Rows | dict[str, t.Any]) -> str:
    """A list or mapping as one text: Ansible looks at each of their elements, and at a text only once."""
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=True)


def _warden(client: WardenClient, units: Rows, *, rows_wanted: int) -> tuple[Facts, Rows, int, Rows]:
    """Facts about the warden, its newest bans, how many it holds, and its whitelist."""
    facts: Facts = {"installed": True, "available": False, "reason": "", "status": {}}
    for unit in units:
        if unit["name"] == UNIT and unit["load"] == "loaded" and unit["active"] in STOPPED:
            # Its socket would start it, and whoever only looks changes nothing.
            facts["reason"] = "the warden does not run: %s is %s" % (UNIT, unit["active"])
            return facts, [], 0, []
    try:
        facts["status"] = client.call("status")
        answer = _newest(client, rows_wanted)
        entries = client.call("whitelist").get("entries", [])
    except WardenAbsent as e:
        facts["installed"], facts["reason"] = False, str(e)
    except StockadeError as e:
        facts["reason"] = str(e)
    else:
        facts["available"] = True
        rows = answer.get("bans", [])
        return facts, rows, max(int(answer.get("total", 0)), len(rows)), entries
    return facts, [], 0, []


def _newest(client: WardenClient, limit: int) -> Facts:
    """The newest bans; without packets where the agent is from before it told them."""
    try:
        return client.call("bans", limit=limit, packets=True)
    except WardenRefused:
        return client.call("bans", limit=limit)


def _fail2ban(
    client: Fail2banClient, *, host: str, known: set[str], alone: bool, database: str
) -> tuple[Facts, Rows, Rows]:
    """Facts about fail2ban, its jails, and the bans that only fail2ban holds."""
    facts: Facts = {"available": False, "reason": "", "version": ""}
    jails, rows = [], []
    try:
        summary = client.summary()
        rows = _facts_jails.bans(client, summary["jails"], host=host, known=known, alone=alone)
        jails = [_facts_jails.brief(jail) for jail in summary["jails"]]
        facts["available"], facts["version"] = True, summary["version"]
    except StockadeError as e:
        # Nobody answers: absent. It answers nonsense or refuses: the reason says so, the other facts are still right.
        facts["reason"] = str(e) if isinstance(e, Fail2banUnavailable) else "fail2ban is of no use here: %s" % e
    path, problem = _facts_history.database(client, running=facts["available"], default=database)
    return {**facts, "database": path, "database_problem": problem}, jails, rows
