# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding of an audit is made of.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean

# The gravest first. An audit fails on those that are at least as grave as `fail_on`; none fails never.
SEVERITIES = ("high", "medium", "low", "info")
NEVER = "none"
# Findings of the audit about itself; no rule of anybody else has such an id.
OWN = "audit."

Finding = t.Dict[str, str]


def finding(
    name: str, severity: str, title: str, evidence: str = "", *, reference: str = "", remedy: str = ""
) -> Finding:
    """A finding, its texts bounded. ``change`` says later whether it is ``new`` or ``unchanged``."""
    texts = {"title": title, "evidence": evidence, "reference": reference, "remedy": remedy}
    bounded = {key: clean(text, limit=400) for key, text in texts.items()}
    return {"id": clean(name), "severity": severity, **bounded, "change": ""}


def gravest_first(one: Finding) -> tuple[int, str, str]:
    """By what findings are sorted."""
    return SEVERITIES.index(one["severity"]), one["id"], one["evidence"]


def key(one: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """What makes it the same finding of a host in two audits: rule and evidence."""
    return str(one.get("id")), str(one.get("evidence"))


def words(value: t.Any) -> str:
    """Evidence as people read it: texts as they are, ``key: value`` of a mapping, nothing for a mere yes."""
    if isinstance(value, t.Mapping):
        return ", ".join("%s: %s" % (name, words(item) or _yes_or_no(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(filter(None, map(words, value)))
    return clean(value, limit=400)


def _yes_or_no(value: t.Any) -> str:
    return {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else ""


def plain(value: t.Any) -> t.Any:
    """The value without what ansible-core adds to texts, numbers and containers: JMESPath looks at types.

    Dates become ISO texts. Raises RecursionError if it is nested too deeply.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else str(value)
