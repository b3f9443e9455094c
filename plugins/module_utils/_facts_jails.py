# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban's jails say: the jails in brief, and the bans that nobody but fail2ban holds.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banClient, Fail2banRefused

Row = t.Dict[str, t.Any]

# Bans of a jail with this action are the warden's, who answers for them itself.
WARDEN_ACTION = "stockade"

_TIME = "%Y-%m-%d %H:%M:%S"
# "192.0.2.7 \t2026-11-20 10:53:01 + 600 = 2026-11-20 11:03:01", in the local time of the daemon.
_BANNED = re.compile(
    r"^(?P<network>[0-9A-Fa-f:.]+(?:/[0-9]+)?)\s+(?P<since>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+ (?P<seconds>-?\d+)"
    r" = (?P<end>.*)"
)
_BRIEF = (
    "name", "currently_failed", "total_failed", "currently_banned", "total_banned", "logpaths", "journalmatches",
)  # fmt: skip
# So many addresses of a jail are told; `currently_banned` says how many there are.
_SHOWN = 100


def brief(jail: Row) -> Row:
    """The jail without most of its addresses, which may be many."""
    return {**{key: jail[key] for key in _BRIEF}, "banned": jail["banned"][-_SHOWN:]}


def bans(client: Fail2banClient, jails: list[Row], *, host: str, known: set[str], alone: bool) -> list[Row]:
    """Rows, shaped like the warden's, of the bans that only fail2ban holds.

    ``known`` are networks the warden holds. With ``alone`` there is no warden, and all jails count; otherwise those do
    that ban with another action than ours. Raises StockadeError if fail2ban stops to answer.
    """
    rows = []
    for jail in jails:
        if not jail["banned"]:
            continue
        try:
            if not alone and _asks_warden(client, jail["name"]):
                continue
            lines = client.call(["get", jail["name"], "banip", "--with-time"])
        except Fail2banRefused:
            continue  # the jail went away meanwhile
        rows += [row for row in (parse(str(line), jail=jail["name"], host=host) for line in lines or []) if row]
    return [row for row in rows if row["network"] not in known]


def parse(line: str, *, jail: str, host: str) -> Row | None:
    """The row of one line of ``get JAIL banip --with-time``; None if it is none."""
    match = _BANNED.match(line)
    if match is None:
        return None
    seconds = int(match.group("seconds"))
    banned_at = _moment(match.group("since"), seconds, match.group("end"))
    return {
        "id": "",
        "network": match.group("network"),
        "source": "fail2ban/%s" % jail,
        "origin": host,
        "reason": "",
        "banned_at": banned_at,
        "expires_at": None if seconds < 0 else banned_at + seconds,
    }


def _moment(since: str, seconds: int, end: str) -> int:
    """The epoch second of a local time; where clocks go back there are two, and that of the end tells which it is."""
    moment = int(time.mktime(time.strptime(since, _TIME)))
    for other in (moment, moment - 3600, moment + 3600):
        if seconds >= 0 and (_local(other), _local(other + seconds)) == (since, end):
            return other
    return moment


def _local(moment: int) -> str:
    try:
        return time.strftime(_TIME, time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return ""


def _asks_warden(client: Fail2banClient, jail: str) -> bool:
    return any(str(action).startswith(WARDEN_ACTION) for action in client.call(["get", jail, "actions"]) or [])
