# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for chat and mail, as Markdown that is also read well where nobody renders it.

No word from a host may become a link, a mention, markup or the end of what it stands in. Each stands in a code span of
its own, without the characters that could end it, and with those broken up that make programs find addresses in text.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import UNKNOWN, remarks
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import bounded, count, visible

# Below the shortest limit of the usual chats (4,096), and a text that people read.
LIMIT = 4000
ROWS = 20
_WORD = 80
_NAMES = 4
_TOP = 5
# The note at the end has room within the limit.
_NOTE = 120
_HARMLESS = str.maketrans({"`": "'", "<": "‹", ">": "›", "|": "¦", "@": "[at]", "&": "+"})
# "http://…", and "host.example" of which some programs make a link without being told.
_SCHEME = re.compile(r"(?<=\w):(?=/)|(?<=mailto):|(?<=javascript):|(?<=data):", re.IGNORECASE)
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d])")

Row = t.Mapping[str, t.Any]


def markdown(report: Row, *, rows: int = ROWS, limit: int = LIMIT) -> str:
    """The report in at most ``limit`` characters, with at most ``rows`` bans. What had no room is counted."""
    lines = [*_head(report), *_trouble(report), *_figures(report), *_proposals(report)]
    bans = [_ban(ban) for ban in report["bans"][:rows]]
    if bans:
        lines += ["", "**Newest bans**", "", *bans]
    kept = _within(lines, limit - _NOTE)
    if len(kept) < len(lines) or len(report["bans"]) > len(bans):
        shown = max(0, len(kept) - (len(lines) - len(bans))) if bans else 0
        more = len(report["bans"]) - shown
        what = "%d more bans" % more if more else "More"
        kept += ["", "%s: see bans.csv and bans.json of this report." % what]
    return "\n".join(kept).strip() + "\n"


def _within(lines: list[str], limit: int) -> list[str]:
    """The lines from the first on that fit into so many characters, whole."""
    kept, used = [], 0
    for line in lines:
        used += len(line) + 1
        if used > limit:
            break
        kept.append(line)
    return kept


def code(text: str, *, limit: int = _WORD) -> str:
    """A text of a host as a code span that nothing in it can leave or bring to life."""
    harmless = _SCHEME.sub("[:]", visible(text)).translate(_HARMLESS)
    harmless = bounded(_DOT.sub("[.]", harmless), limit).strip()
    return "`%s`" % harmless if harmless else "–"


def _network(text: str) -> str:
    """An address, which is one: nothing to break up."""
    return "`%s`" % text


def _head(report: Row) -> list[str]:
    summary = report["summary"]
    networks, hosts = count(summary["networks"], "network"), count(summary["hosts"], "host")
    lines = ["**Ban report** %s" % report["generated_at"], ""]
    if not summary["networks"]:
        return [*lines, "No bans are in force on %s." % hosts]
    text = "%s banned on %s, %d permanently, %d in the last 24 hours." % (
        networks, hosts, summary["permanent"], summary["last_24h"],
    )  # fmt: skip
    last = summary["since_last"]
    if last:
        text += " Since %s: %d new, %d gone." % (last["at"], last["new"], last["gone"])
    if summary["repeated"]:
        text += " Banned again after an earlier ban: %d." % summary["repeated"]
    return [*lines, text]


def _trouble(report: Row) -> list[str]:
    """Hosts that are not as they should be, those that said nothing first."""
    hosts = [
        host for host in report["hosts"] if host["state"] not in ("enforcing", "fail2ban only") or host["problems"]
    ]
    hosts.sort(key=lambda host: (host["state"] not in UNKNOWN, host["name"]))
    lines = ["- %s: %s %s" % (code(host["name"]), host["state"], _why(host)) for host in hosts[: 2 * _TOP]]
    if len(hosts) > len(lines):
        lines.append("- and %s" % count(len(hosts) - len(lines), "more host"))
    lines += ["- %s" % code(note, limit=160) for note in report["notes"]]
    return ["", "**Worth a look**", "", *[line.rstrip() for line in lines]] if lines else []


def _why(host: Row) -> str:
    words = remarks(host)
    return code(words[0]) if words else ""


def _figures(report: Row) -> list[str]:
    summary = report["summary"]
    lines = []
    for title, key in (("Sources", "by_source"), ("Countries", "by_country")):
        top = list(summary[key].items())[:_TOP]
        if top:
            lines.append("%s: %s" % (title, ", ".join("%s %d" % (code(name), number) for name, number in top)))
    busiest = sorted(summary["by_host"].items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    if any(number for _name, number in busiest):
        lines.append("Hosts: " + ", ".join("%s %d" % (code(name), number) for name, number in busiest))
    return ["", *["- " + line for line in lines]] if lines else []


def _proposals(report: Row) -> list[str]:
    lines = ["- %s %s" % (_network(one["network"]), one["reason"]) for one in report["proposals"][:_TOP]]
    more = len(report["proposals"]) - len(lines)
    if more:
        lines.append("- and %d more" % more)
    return ["", "**Proposed for permanent bans**", "", *lines] if lines else []


def _ban(ban: Row) -> str:
    names, sources = (ban[key][:_NAMES] for key in ("hosts", "sources"))
    hosts = ", ".join(map(code, names)) + (" +%d" % (len(ban["hosts"]) - _NAMES) if len(ban["hosts"]) > _NAMES else "")
    marks = [text for text, said in (("new", ban.get("new")), ("again", ban["times"] > 1)) if said]
    line = "- %s (%s) [%s] on %s, until %s" % (
        _network(ban["network"]), ban["country"], ", ".join(map(code, sources)), hosts, ban["until"],
    )  # fmt: skip
    reason = ": " + code(ban["reason"]) if ban["reason"].strip() else ""
    return line + (" (%s)" % ", ".join(marks) if marks else "") + reason
