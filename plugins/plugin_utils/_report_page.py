# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page.

The page asks nobody for anything: style and script stand in it and are admitted by their hash alone. Everything that
came from a host goes through ``visible`` and Jinja's own escaping.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import typing as t

from jinja2 import Environment, StrictUndefined

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page_parts import PAGE, SCRIPT, STYLE
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_table import short
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, visible

# More make a browser slow; the CSV and JSON files hold all of them.
MAX_ROWS = 5000
MAX_BARS = 12
MAX_NAMES = 6


def page(report: t.Mapping[str, t.Any], audit: t.Mapping[str, t.Any] | None = None) -> str:
    """The page of a merged report, with the findings of an audit if there was one."""
    summary = report["summary"]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(visible=lambda value: visible(str(value)), short=_short, some=_some, jail=_jail)
    bans = report["bans"][:MAX_ROWS]
    return environment.from_string(PAGE).render(
        report=report,
        bans=bans,
        left_out=len(report["bans"]) - len(bans),
        sort_key=_sort_key,
        charts=[
            _chart("Banned networks by source", summary["by_source"]),
            _chart("Bans in force by host", summary["by_host"]),
        ],
        sources=sorted({source for ban in bans for source in ban["sources"]}),
        hosts=sorted({host for ban in bans for host in ban["hosts"]}),
        tiles=_tiles(report),
        audit=audit,
        # Markup of ours: as it is, or the hashes would not fit.
        style=_Trusted(STYLE),
        script=_Trusted(SCRIPT),
        policy=_policy(),
    )


class _Trusted(str):
    """Text of this collection, which is markup already."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _policy() -> str:
    def hashed(text: str) -> str:
        return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return "default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'" % (
        hashed(STYLE),
        hashed(SCRIPT),
    )


def _tiles(report: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    summary = report["summary"]
    lost = len(summary["unreachable"])
    return [
        (str(summary["networks"]), "banned networks"),
        (str(summary["permanent"]), "permanent"),
        (str(summary["on_several_hosts"]), "on several hosts"),
        (str(summary["hosts"]), "hosts" if summary["hosts"] != 1 else "host"),
        (str(lost), "unreachable"),
    ]


def _chart(title: str, numbers: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Bars of the largest numbers, in per mille of the largest; the small ones in one bar."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = (ordered, []) if len(ordered) <= MAX_BARS else (ordered[: MAX_BARS - 1], ordered[MAX_BARS - 1 :])
    if rest:
        shown = [*shown, ("%s more" % len(rest), sum(number for _name, number in rest))]
    largest = max((number for _name, number in shown), default=0) or 1
    bars = []
    for name, number in shown:
        size = max(2, round(340 * number / largest)) if number else 0
        bars.append({"name": clean(name, limit=28), "number": number, "size": size})
    return {"title": title, "bars": bars, "height": 26 * len(bars) + 4}


def _sort_key(network: str) -> str:
    """Text by which networks sort as numbers."""
    parsed = ipaddress.ip_network(network)
    return "%d-%032x-%03d" % (parsed.version, int(parsed.network_address), parsed.prefixlen)


def _short(services: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    running = [clean(unit.get("name")) for unit in services if unit.get("active") == "active"]
    return visible(", ".join(short(running)))


def _some(names: t.Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = len(names) - MAX_NAMES
    return visible(", ".join(names[:MAX_NAMES])) + (" +%d" % more if more > 0 else "")


def _jail(jail: t.Mapping[str, t.Any]) -> str:
    return visible("%s (%s)" % (clean(jail.get("name")), clean(jail.get("currently_banned")) or "0"))
