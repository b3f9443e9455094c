# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the two reports come from.

`security` is every ban decided in the span: the warden's, and from fail2ban's log those of jails that do not ask it.
`traffic` is what the watcher's rules over requests decided, banned or only told, as it says itself in the journal.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stockade.addresses import Network, parse_network
from stockade.cli.service_status import read_watcher
from stockade.client import Client, WardenUnavailable
from stockade.protocol import ProtocolError
from stockade.report import fail2banlog, journal
from stockade.report.rows import BANNED, ENDED, LIFTED, Found, Row, joined, one_each

WATCHER_CONFIG = Path("/etc/stockade/watcher.toml")
WATCHER_UNIT = "stockade-watcher.service"
MOST = 10_000  # decisions: the warden gives the report no more
TRAFFIC_TYPES = ("rate", "probe")
NOT_LIFTED = ("merged", "shed")  # other ends than somebody's word: its network is banned, or there was no room
_JAIL = "fail2ban/"
_VERDICT = re.compile(
    r"ban network=(?P<network>\S+) rule=(?P<rule>\S+) type=(?P<type>\S+) count=(?P<count>\d+) window=(?P<window>\d+)s "
    r"threshold=(?P<maxretry>\d+)/(?P<findtime>\d+)s duration=\S+ id=(?P<id>\S+-(?P<last>\d+)-(?P<span>\d+)) "
    r"result=(?P<result>.+)"
)


def security(since: int, until: int) -> Found:
    """Bans decided in the span, epoch seconds."""
    rows, problems = _from_warden(since, until)
    logged = fail2banlog.found(since, until)
    return Found(joined(rows, logged.rows), (*problems, *logged.problems))


def traffic(since: int, until: int) -> Found:
    """Verdicts of the watcher about requests in the span, epoch seconds."""
    if not os.path.exists(WATCHER_CONFIG):
        return Found((), (f"{WATCHER_CONFIG} not found! The watcher is not set up on this host",))
    problems = _watcher_problems()
    rows: tuple[Row, ...] = ()
    try:
        rows = one_each(_verdicts(since, until))
    except journal.NoJournal as error:
        problems.append(f"what the watcher decided cannot be read: {error}")
    return Found(rows, tuple(problems))


def _from_warden(since: int, until: int) -> tuple[tuple[Row, ...], list[str]]:
    client = Client()
    try:
        answer = client.call("history", since=since, limit=MOST, each=True)
        rows = one_each(_decision(row) for row in answer["decisions"] if row["banned_at"] < until)
        state = client.call("status")["state"]
    except WardenUnavailable as error:
        return (), [str(error)]
    except (ProtocolError, LookupError, TypeError, ValueError) as error:
        return (), [f"the warden's answer is of no use: {error}"]
    problems = [] if answer["complete"] else [f"only the newest {MOST} decisions are in the report"]
    return rows, [*problems, *([] if state == "enforcing" else [f"bans are not in force: the warden is {state}"])]


def _decision(row: dict[str, Any]) -> Row:
    at, until, ended_at = int(row["banned_at"]), row["expires_at"], row["ended_at"]
    source = str(row["source"])
    if ended_at is not None:
        by = str(row["ended_by"])
        state = ENDED if by == "expired" else by if by in NOT_LIFTED else LIFTED
    else:
        state = ENDED if until is not None and until <= time.time() else BANNED
    return Row(
        parse_network(row["network"]),
        source.removeprefix(_JAIL),
        1,
        at,
        at,
        state,
        until if state == BANNED else None,
        str(row["reason"]),
    )


def _verdicts(since: int, until: int) -> Iterator[Row]:
    """Each verdict once, with its first outcome: after a restart the watcher may ask, and tell, again."""
    seen = set()
    for entry in journal.entries(WATCHER_UNIT, since):
        match = _VERDICT.fullmatch(entry.message)
        if match is None or match["type"] not in TRAFFIC_TYPES or entry.at >= until or match["id"] in seen:
            continue
        seen.add(match["id"])
        try:
            network = parse_network(match["network"])
        except ValueError:
            continue
        yield _verdict(match, network)


def _verdict(match: re.Match[str], network: Network) -> Row:
    last = int(match["last"])
    return Row(
        network,
        f"watcher/{match['rule']}",
        1,
        last - int(match["span"]),
        last,
        match["result"],
        seen=f"{match['count']} requests in {match['window']}s (threshold {match['maxretry']} in {match['findtime']}s)",
    )


def _watcher_problems() -> list[str]:
    status = read_watcher()
    state = "is not running" if status is None else f"is {status.get('state')}"
    return [] if state == "is watching" else [f"the watcher {state}: see `systemctl status {WATCHER_UNIT}`"]
