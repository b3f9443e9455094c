# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was banned on a host in a span of time: from the warden, or from fail2ban's database where there is no warden.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
import typing as t
from contextlib import closing, suppress
from urllib.parse import quote

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banClient
from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenClient

Facts = t.Dict[str, t.Any]

DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"  # fail2ban's own default
# So many decisions are counted, the newest, and so many of those who came again are named.
MOST = 50000
REPEATED = 50
# Seconds that somebody else's database may take.
PATIENCE = 2.0
_OPCODES = 100000
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([1-9][0-9]{0,3})([mhdw])")
# fail2ban writes a row for each ban; what it restores after a start, or takes back at a stop, writes none.
_BANS = "(SELECT ip, jail, timeofban FROM bans WHERE timeofban >= :since ORDER BY timeofban DESC LIMIT :most)"


def seconds_of(span: str) -> int:
    """Seconds of a span such as ``24h``. Raises StockadeError naming the text."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise StockadeError("since is %.40r, not a span such as 90m, 24h or 7d" % span)
    return int(found.group(1)) * _UNITS[found.group(2)]


def nothing(reason: str) -> Facts:
    """The history of a host that has none to tell."""
    return {"available": False, "reason": reason, "by": ""}


def of_warden(client: WardenClient, since: int) -> Facts:
    """Figures over the bans that the warden took since an epoch second."""
    try:
        return {"available": True, "reason": "", "by": "warden", **client.call("history", since=since, limit=MOST)}
    except StockadeError as error:  # an agent from before there was such a question, too
        return nothing(str(error))


def of_fail2ban(path: str | None, since: int) -> Facts:
    """The same figures from fail2ban's database; a ban that fail2ban increased is one more."""
    if path is None or not os.path.exists(path):
        return nothing("fail2ban keeps no database" if path is None else "there is no %s" % path)
    values = {"since": since, "most": MOST}
    try:
        with closing(_opened(path)) as db:
            total, networks = db.execute("SELECT COUNT(*), COUNT(DISTINCT ip) FROM " + _BANS, values).fetchone()
            hours = db.execute("SELECT timeofban / 3600 * 3600, COUNT(*) FROM %s GROUP BY 1" % _BANS, values).fetchall()
            jails = db.execute("SELECT jail, COUNT(*) FROM %s GROUP BY 1" % _BANS, values).fetchall()
            again = db.execute(
                "SELECT ip, COUNT(*) FROM %s GROUP BY 1 HAVING COUNT(*) > 1 ORDER BY 2 DESC, 1" % _BANS, values
            ).fetchall()
    except sqlite3.Error as error:
        return nothing("fail2ban's database %s cannot be read: %s" % (path, error))
    return {
        "available": True,
        "reason": "",
        "by": "fail2ban",
        "since": since,
        "bans": total,
        "networks": networks,
        "by_hour": {str(hour): count for hour, count in sorted(hours)},
        "by_source": {"fail2ban/%s" % jail: count for jail, count in sorted(jails, key=lambda row: (-row[1], row[0]))},
        "repeaters": len(again),
        "repeated": [{"network": str(ip), "bans": count} for ip, count in again[:REPEATED]],
        "complete": total < MOST,
    }


def database(client: Fail2banClient, *, running: bool, default: str = DATABASE) -> tuple[str | None, str]:
    """The path of fail2ban's database (None if it keeps none), and what is wrong with the file, or nothing."""
    path: str | None = default
    if running:
        with suppress(StockadeError):  # it went away meanwhile
            said = client.call(["get", "dbfile"])
            path = str(said) if said not in (None, "None", ":memory:") else None
    if path is None or not os.path.exists(path):
        return path, ""
    try:
        with closing(_opened(path)) as db:
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        return path, "" if "interrupted" in str(error) else str(error)  # too large to be looked through is no fault
    except sqlite3.Error as error:
        return path, str(error)
    return path, "" if said == "ok" else " ".join(str(said).split())


def _opened(path: str) -> sqlite3.Connection:
    """For reading only, and not for long: fail2ban waits while its database is read."""
    db = sqlite3.connect("file:%s?mode=ro" % quote(path), uri=True, timeout=PATIENCE)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    deadline = time.monotonic() + PATIENCE
    db.set_progress_handler(lambda: time.monotonic() > deadline, _OPCODES)
    return db
