# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a terminal and as CSV.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import UNKNOWN
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, count, csv_text, table

BAN_HEADER = ("address", "hosts", "source", "reason", "since", "until")
# Columns of a terminal, at most: the longest IPv6 network has 43.
_BAN_LIMITS = (43, 30, 28, 40, 20, 20)
_HOST_HEADER = ("host", "state", "bans", "jails", "services", "remarks")
_HOST_LIMITS = (30, 13, 12, 28, 44, 70)


def ban_lines(report: t.Mapping[str, t.Any], *, rows: int) -> list[str]:
    """The bans of a merged report as lines of a table, ``rows`` of them at most."""
    bans = report["bans"]
    if not bans:
        return ["no bans in force on " + count(report["summary"]["hosts"], "host")]
    lines = table(BAN_HEADER, [_ban_row(ban) for ban in bans[:rows]], _BAN_LIMITS)
    if len(bans) > rows:
        lines.append("… and %d more" % (len(bans) - rows))
    return lines


def _ban_row(ban: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    hosts = _some(ban["hosts"], columns=_BAN_LIMITS[1])
    sources = _some(ban["sources"], columns=_BAN_LIMITS[2])
    return ban["network"], hosts, sources, ban["reason"], ban["since"], ban["until"]


def _some(names: t.Sequence[str], *, columns: int) -> str:
    """As many of the names as fit, and the number of the others."""
    whole = ", ".join(names)
    shown = list(names)
    while len(whole) > columns and len(shown) > 1:
        shown.pop()
        whole = "%s +%d" % (", ".join(shown), len(names) - len(shown))
    return whole


def host_lines(report: t.Mapping[str, t.Any]) -> list[str]:
    """The hosts of a merged report as lines of a table."""
    if not report["hosts"]:
        return ["no hosts"]
    return table(_HOST_HEADER, [_host_row(host) for host in report["hosts"]], _HOST_LIMITS)


def _host_row(host: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    bans = "%d%s" % (host["bans"], " (cut)" if host["truncated"] else "") if host["state"] not in UNKNOWN else "?"
    jails = ", ".join(clean(jail.get("name")) for jail in host["jails"])
    running = [clean(unit.get("name")) for unit in host["services"] if unit.get("active") == "active"]
    remarks = "; ".join(part for part in [host["message"], *host["problems"]] if part)
    return host["name"], host["state"], bans, jails or "-", ", ".join(short(running)) or "-", remarks


def short(units: t.Iterable[str]) -> list[str]:
    """Names of units as people say them: once each, without ``stockade-`` and the type."""
    return sorted({unit.rpartition(".")[0].replace("stockade-", "", 1) or unit for unit in units})


def bans_csv(report: t.Mapping[str, t.Any]) -> str:
    """The bans of a merged report as a CSV document, safe to open in a spreadsheet."""
    rows = (
        (ban["network"], " ".join(ban["hosts"]), " ".join(ban["sources"]), ban["reason"], ban["since"], ban["until"])
        for ban in report["bans"]
    )
    return csv_text(BAN_HEADER, rows)
