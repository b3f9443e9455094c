# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit for a terminal.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import count, visible

_Finding = t.Mapping[str, t.Any]


def audit_lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """Host by host the gravest first, then what was waived and what is gone; what changed and the sums at the end."""
    lines = []
    for host in result["hosts"]:
        lines.append("%s: %s" % (visible(host["name"]), _sums(host)))
        for one in host["findings"]:
            lines += _finding(one)
        for one in host["waived"]:
            lines.append(_line("waived", one))
            lines.append(" " * 10 + "until %s: %s" % (visible(one["expires"]), visible(one["reason"])))
        lines += [_line("gone", one) for one in host["gone"]]
    if result["fleet"]:
        lines.append("the audit itself: %s" % count(len(result["fleet"]), "finding"))
        for one in result["fleet"]:
            lines += _finding(one)
    drift = result["drift"]
    if drift:
        told = (visible(drift["since"]), drift["new"], drift["gone"], drift["unchanged"])
        lines.append("since the audit of %s: %d new, %d gone, %d as before" % told)
    counts = ", ".join("%d %s" % (number, name) for name, number in result["summary"].items())
    waived = ", %d waived" % result["waived"] if result["waived"] else ""
    lines.append("%s audited: %s%s" % (count(len(result["hosts"]), "host"), counts, waived))
    return lines


def _sums(host: t.Mapping[str, t.Any]) -> str:
    findings, waived = len(host["findings"]), len(host["waived"])
    return (count(findings, "finding") if findings else "no findings") + (", %d waived" % waived if waived else "")


def _finding(one: _Finding) -> list[str]:
    lines = [_line(one["severity"].upper(), one)]
    remedy = "to do: " + visible(one["remedy"]) if one["remedy"] else ""
    reference = "[%s]" % visible(one["reference"]) if one["reference"] else ""
    if remedy or reference:
        lines.append(" " * 10 + " ".join(part for part in (remedy, reference) if part))
    return lines


def _line(word: str, one: _Finding) -> str:
    text = "  %-6s  %s  %s" % (word, visible(one["id"]), visible(one["title"]))
    evidence = ": " + visible(one["evidence"]) if one["evidence"] else ""
    return text + evidence + (" (new)" if one["change"] == "new" else "")
