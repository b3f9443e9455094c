# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report, or an audit, as the few figures that travel with a job.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, visible

TOP = 20  # what is listed, of bans, sources and hosts; the figures count all of them
_COUNTS = ("hosts", "networks", "permanent", "on_several_hosts")


def summary(
    report: t.Mapping[str, t.Any], audit: t.Mapping[str, t.Any] | None = None, url: str = ""
) -> dict[str, t.Any]:
    """Counts, the 20 networks that are banned on most hosts, and ``url``, in a few kilobytes whatever the report holds.

    Reasons are left out: they are text from logs, and what travels with a job becomes a variable of the next one.
    """
    figures = report["summary"]
    result: dict[str, t.Any] = {"generated_at": clean(report.get("generated_at"))}
    result.update({key: figures.get(key, 0) for key in _COUNTS})
    result["states"] = _top(figures.get("states", {}))
    result["by_source"] = _top(figures.get("by_source", {}))
    result["unreachable"] = _texts(figures.get("unreachable", ()))
    # sorted() keeps the report's own order, newest first, among equals.
    bans = sorted(report["bans"], key=lambda ban: -len(ban["hosts"]))[:TOP]
    result["top"] = [
        {
            "network": _text(ban["network"]),
            "hosts": len(ban["hosts"]),
            "sources": _texts(ban["sources"]),
            "until": _text(ban["until"]),
        }
        for ban in bans
    ]
    if audit is not None:
        failed = list(audit["failed"])
        result["audit"] = {"findings": dict(audit["summary"]), "failed": len(failed), "failed_hosts": _texts(failed)}
    result["report_url"] = url
    return result


def _top(counts: t.Mapping[str, int]) -> dict[str, int]:
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return {_text(name): number for name, number in largest}


def _texts(values: t.Iterable[t.Any]) -> list[str]:
    return [_text(value) for value in list(values)[:TOP]]


def _text(value: t.Any) -> str:
    return visible(clean(value, limit=100))
