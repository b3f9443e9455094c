# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a terminal and as CSV.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import UNKNOWN, remarks
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import (
    bounded,
    clean,
    count,
    csv_text,
    table,
    visible,
)

_BAN_HEADER = ("address", "cc", "hosts", "source", "reason", "since", "until", "times")
# Columns of a terminal, at most: the longest IPv6 network has 43.
_BAN_LIMITS = (43, 2, 30, 28, 40, 20, 20, 7)
_CSV_HEADER = (
    "address", "country", "hosts", "source", "reason", "since", "until", "times", "new", "covered_by", "packets",
)  # fmt: skip
_HOST_HEADER = ("host", "state", "bans", "jails", "services", "remarks")
_HOST_LIMITS = (30, 13, 12, 28, 44, 70)


def ban_lines(report: t.Mapping[str, t.Any], *, rows: int) -> list[str]:
    """The bans of a merged report as lines of a table, ``rows`` of them at most, and what there is to say of all."""
    bans = report["bans"]
    if not bans:
        lines = ["no bans in force on " + count(report["summary"]["hosts"], "host")]
    else:
        columns = _columns(report)
        header, limits = [_BAN_HEADER[index] for index in columns], [_BAN_LIMITS[index] for index in columns]
        cells = [[row[index] for index in columns] for row in map(_ban_row, bans[:rows])]
        lines = table(header, cells, limits)
    if len(bans) > rows:
        lines.append("… and %d more" % (len(bans) - rows))
    about = _about_all(report)
    return lines + ([""] + about if about else [])


def _columns(report: t.Mapping[str, t.Any]) -> list[int]:
    """Those that have something to tell: no countries without a database, no times without an earlier report."""
    empty = set() if report["summary"]["by_country"] else {1}
    if not report["summary"]["repeated"]:
        empty.add(7)
    return [index for index in range(len(_BAN_HEADER)) if index not in empty]


def _ban_row(ban: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    hosts = _some(ban["hosts"], columns=_BAN_LIMITS[2])
    sources = _some(ban["sources"], columns=_BAN_LIMITS[3])
    return (
        ban["network"], ban["country"], hosts, sources, ban["reason"], ban["since"], ban["until"], str(ban["times"]),
    )  # fmt: skip


def _about_all(report: t.Mapping[str, t.Any]) -> list[str]:
    """What is new, who came back, what is proposed, what could not be told."""
    summary, proposals = report["summary"], report["proposals"]
    lines = []
    last = summary["since_last"]
    if last:
        lines.append("since %s: %d new, %d gone" % (last["at"], last["new"], last["gone"]))
    if summary["repeated"]:
        lines.append("banned again after an earlier ban: " + count(summary["repeated"], "network"))
    if proposals:
        names = _some([one["network"] for one in proposals], columns=60)
        lines.append("proposed for permanent bans: " + names)
    return lines + [bounded(visible(note), 160) for note in report["notes"]]


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
    said = "; ".join(remarks(host))
    return host["name"], host["state"], bans, jails or "-", ", ".join(short(running)) or "-", said


def short(units: t.Iterable[str]) -> list[str]:
    """Names of units as people say them: once each, without ``stockade-`` and the type."""
    return sorted({unit.rpartition(".")[0].replace("stockade-", "", 1) or unit for unit in units})


def bans_csv(report: t.Mapping[str, t.Any]) -> str:
    """The bans of a merged report as a CSV document, safe to open in a spreadsheet."""
    return csv_text(_CSV_HEADER, map(_csv_row, report["bans"]))


def _csv_row(ban: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    new = ("yes" if ban["new"] else "no") if "new" in ban else ""
    packets = ban.get("packets", "")
    return (
        ban["network"], ban["country"], " ".join(ban["hosts"]), " ".join(ban["sources"]), ban["reason"], ban["since"],
        ban["until"], ban["times"], new, ban.get("covered_by", ""), packets,
    )  # fmt: skip
