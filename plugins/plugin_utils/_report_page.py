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
import typing as t
from datetime import datetime

from jinja2 import Environment, StrictUndefined

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import gravest_first
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_charts import bars, columns
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import STATES, UNKNOWN, remarks
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import parse
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page_html import AUDIT_PAGE, PAGE
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page_script import SCRIPT
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_page_style import STYLE
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_proposals import snippet
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_table import short
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import PERMANENT, clean, count, visible

# More make a browser slow; the CSV and JSON files hold all of them.
MAX_ROWS = 5000
MAX_NAMES = 2
MAX_LOOK = 12
_GOOD = ("enforcing", "fail2ban only")

Row = t.Mapping[str, t.Any]


def page(report: Row, audit: Row | None = None) -> str:
    """The page of a merged report, with the findings of an audit if there was one."""
    summary = report["summary"]
    bans = report["bans"][:MAX_ROWS]
    hosts, sources = (sorted({name for ban in bans for name in ban[key]}) for key in ("hosts", "sources"))
    worst_first = sorted(report["hosts"], key=lambda host: (-STATES.index(host["state"]), host["name"]))
    look = [host for host in worst_first if host["state"] not in _GOOD or host["problems"]]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        flags=_flags,
        host_numbers=_numbers(hosts),
        jail=_jail,
        minute=_minute,
        moment=_moment,
        number=_number,
        remarks=_remarks,
        short=_short,
        some=_some,
        source_numbers=_numbers(sources),
        tone=_tone,
        visible=lambda value: visible(str(value)),
    )
    text = environment.from_string(AUDIT_PAGE if audit else PAGE).render(
        report=report,
        title="Audit" if audit else "Ban report",
        lede=_lede(summary),
        figures=_audited(summary, audit) if audit else _figures(summary),
        look=look[:MAX_LOOK],
        more_look=len(look) - MAX_LOOK if len(look) > MAX_LOOK else 0,
        over_time=[
            columns("hours", "Bans by hour", "Bans that began", summary["by_hour"], hours=True),
            columns("days", "Bans by day", "Bans that began", summary["by_day"], hours=False),
        ],
        charts=[
            bars("sources", "Sources", "banned networks", summary["by_source"]),
            bars("jails", "Jails of fail2ban", "banned networks", summary["by_jail"]),
            bars("hosts", "Hosts", "bans in force", {name: n for name, n in summary["by_host"].items() if n}),
            bars("countries", "Countries", "banned networks", summary["by_country"]),
        ],
        snippet=snippet(report),
        bans=bans,
        left_out=len(report["bans"]) - len(bans),
        countries=bool(summary["by_country"]),
        repeated=summary["repeated"],
        flags=_choices(summary),
        hosts=hosts,
        sources=sources,
        ranks=_ranks(bans),
        worst_first=worst_first,
        audit=audit,
        findings=_findings(audit) if audit else [],
        # Markup of ours: as it is, or the hashes would not fit.
        style=_Trusted(STYLE),
        script=_Trusted(SCRIPT),
        policy=_policy(),
    )
    return text.lstrip()  # macros leave empty lines, and a page begins with its type


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


def _lede(summary: Row) -> str:
    asked, silent = summary["hosts"], sum(summary["states"].get(state, 0) for state in UNKNOWN)
    if not asked:
        return "No hosts were asked."
    answered = asked - silent
    text = "%s answered" % count(answered, "host") if silent else "All of %s answered" % count(asked, "host")
    if asked == 1 and not silent:
        text = "The host answered"
    text += ", %s did not." % _number(silent) if silent else "."
    last = summary["since_last"]
    if last:
        text += " Since the report of %s: %s new, %s gone." % (
            _moment(last["at"]), _number(last["new"]), _number(last["gone"]),
        )  # fmt: skip
    return text


def _figures(summary: Row) -> list[tuple[int, str]]:
    """The figures at the top of a report."""
    last = summary["since_last"]
    return [
        (summary["networks"], "banned network" if summary["networks"] == 1 else "banned networks"),
        (summary["last_24h"], "in the last 24 hours"),
        *([(last["new"], "new since the last report")] if last else []),
        (summary["on_several_hosts"], "on several hosts"),
        *([(summary["repeated"], "banned again")] if last else []),
        (summary["permanent"], "permanent"),
        *_asked(summary),
    ]


def _audited(summary: Row, audit: Row) -> list[tuple[int, str]]:
    """The figures at the top of an audit: findings by severity, and what is banned meanwhile."""
    return [
        *((number, severity) for severity, number in audit["summary"].items()),
        *([(audit["waived"], "waived")] if audit.get("waived") else []),
        *([(audit["drift"]["new"], "new since the last audit")] if audit.get("drift") else []),
        (summary["networks"], "banned network" if summary["networks"] == 1 else "banned networks"),
        *_asked(summary),
    ]


def _asked(summary: Row) -> list[tuple[int, str]]:
    return [
        (summary["hosts"], "host" if summary["hosts"] == 1 else "hosts"),
        (len(summary["unreachable"]), "unreachable"),
    ]


def _choices(summary: Row) -> list[tuple[str, str]]:
    """Kinds of bans that one can have shown, of which there are some."""
    last = summary["since_last"] or {"new": 0}
    kinds = (
        ("n", "new since the last report", last["new"]),
        ("r", "banned again", summary["repeated"]),
        ("s", "on several hosts", summary["on_several_hosts"]),
        ("p", "permanent", summary["permanent"]),
        ("c", "inside a banned network", summary["covered"]),
    )
    return [(letter, name) for letter, name, number in kinds if number]


def _flags(ban: Row) -> str:
    found = (
        ("n", ban.get("new")),
        ("r", ban["times"] > 1),
        ("s", len(ban["hosts"]) > 1),
        ("p", ban["until"] == PERMANENT),
        ("c", "covered_by" in ban),
    )
    return " ".join(letter for letter, true in found if true)


def _numbers(names: t.Sequence[str]) -> t.Callable[[t.Iterable[str]], str]:
    """A row names its hosts by their numbers in the list above the table, which is much shorter."""
    numbers = {name: str(index) for index, name in enumerate(names)}
    return lambda wanted: " ".join(numbers[name] for name in wanted)


def _ranks(bans: t.Sequence[Row]) -> list[int]:
    """The place of each network among all of them, in their order as numbers."""
    keys = []
    for ban in bans:
        found = parse(ban["network"])
        keys.append(found[1] if found else (0, 0, 0))
    order = sorted(range(len(keys)), key=lambda index: keys[index])
    ranks = [0] * len(keys)
    for rank, index in enumerate(order):
        ranks[index] = rank
    return ranks


def _number(value: t.Any) -> str:
    return "{:,}".format(value)


def _moment(text: str) -> str:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return text
    return "%d %s UTC" % (moment.day, moment.strftime("%B %Y, %H:%M"))


def _minute(text: str) -> str:
    """``2026-11-26 14:05`` of a time; everything else as it is."""
    return "%s %s" % (text[:10], text[11:16]) if text.endswith("Z") else text


def _findings(audit: Row) -> list[tuple[str, Row]]:
    """Findings of all hosts with the name of theirs, the gravest first, and behind them those that are waived."""
    return [
        one
        for kind in ("findings", "waived")
        for one in sorted(
            ((str(host["name"]), finding) for host in audit["hosts"] for finding in host.get(kind, [])),
            key=lambda one: (gravest_first(one[1])[0], one[0]),
        )
    ]


def _tone(state: str) -> str:
    return {"enforcing": "good", "fail2ban only": "warn"}.get(state, "bad")


def _remarks(host: Row) -> str:
    return "; ".join(map(visible, remarks(host)))


def _short(services: t.Sequence[Row]) -> str:
    running = [clean(unit.get("name")) for unit in services if unit.get("active") == "active"]
    return visible(", ".join(short(running)))


def _some(names: t.Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = len(names) - MAX_NAMES
    return visible(", ".join(names[:MAX_NAMES])) + (" +%d" % more if more > 0 else "")


def _jail(jail: Row) -> str:
    return visible("%s (%s)" % (clean(jail.get("name")), clean(jail.get("currently_banned")) or "0"))
