# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since the last audit.

A host of which an audit could not learn everything (it was unreachable, or not among the hosts of a run with
``--limit``) keeps what was known of it: that is carried on, for the next audit to compare with.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import OWN, Finding, key, plain
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_rules import AuditError
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, iso

# A host that was not audited for so long is forgotten.
CARRIED_SECONDS = 90 * 86400

Host = t.Dict[str, t.Any]
Carried = t.Dict[str, t.Any]


def read_previous(given: t.Any, schema: int) -> dict[str, t.Any] | None:
    """The last audit from its JSON; None without one. Raises AuditError if it is none that this collection reads.

    Before ansible-core 2.19 a text that looks like a mapping is one by the time it comes here.
    """
    if not given:
        return None
    try:
        previous = json.loads(given) if isinstance(given, str) else plain(given)
    except (RecursionError, ValueError):
        previous = None
    if not isinstance(previous, dict) or previous.get("schema") != schema or not previous.get("generated_at"):
        raise AuditError("the last audit cannot be read: not the JSON of an audit of schema %d" % schema)
    return previous


def compare(
    hosts: t.Iterable[Host], previous: t.Mapping[str, t.Any] | None, now: float
) -> tuple[dict[str, t.Any] | None, list[Carried]]:
    """Mark every finding as ``new`` or ``unchanged``, list what is ``gone`` from each host, and sum that up.

    The second answer is what is carried on. Without a previous audit there is nothing to compare, and no sum.
    """
    hosts = list(hosts)
    for host in hosts:
        host["gone"] = []
    if previous is None:
        return None, []
    known = _known(previous)
    carried = []
    for host in hosts:
        before = known.pop(host["name"], None)
        left = _mark(host, before["findings"] if before else [])
        if complete(host):
            host["gone"] = [{**one, "change": "gone"} for one in left]
        elif before is not None:
            carried.append({**before, "findings": [one for one in before["findings"] if not _own(one)]})
    oldest = iso(now - CARRIED_SECONDS)
    carried += [one for _name, one in sorted(known.items())]
    changes = [one["change"] for host in hosts for one in host["findings"] + host["waived"]]
    summary = {
        "since": clean(previous["generated_at"], limit=20),
        "new": changes.count("new"),
        "gone": sum(len(host["gone"]) for host in hosts),
        "unchanged": changes.count("unchanged"),
    }
    return summary, [one for one in carried if one["audited_at"] >= oldest]


def complete(host: Host) -> bool:
    """Whether the audit learned everything about the host."""
    return not any(_own(one) for one in host["findings"] + host["waived"])


def _own(one: t.Mapping[str, t.Any]) -> bool:
    return str(one.get("id")).startswith(OWN)


def _mark(host: Host, before: t.Sequence[Finding]) -> list[Finding]:
    """Say of each finding whether it was there before; the answer is what is there no more."""
    left = {key(one): one for one in before}
    seen = set(left)
    for one in host["findings"] + host["waived"]:
        one["change"] = "unchanged" if key(one) in seen else "new"
        left.pop(key(one), None)
    return list(left.values())


def _known(previous: t.Mapping[str, t.Any]) -> dict[str, Carried]:
    """What the last audit knew of each host, by its name."""
    known: dict[str, Carried] = {}
    for one in _mappings(previous.get("carried")):
        known[str(one.get("name"))] = _carried(one, one.get("audited_at"), one.get("findings"))
    for one in _mappings(previous.get("hosts")):
        found = _mappings(one.get("findings")) + _mappings(one.get("waived"))
        name, when = str(one.get("name")), previous["generated_at"]
        earlier = known.get(name)
        if earlier is not None:  # the last audit did not learn everything; what it saw again is known once
            found = list({key(item): item for item in earlier["findings"] + found}.values())
            when = earlier["audited_at"]
        known[name] = _carried(one, when, found)
    return known


def _carried(one: t.Mapping[str, t.Any], when: t.Any, found: t.Any) -> Carried:
    names = ("id", "severity", "title", "evidence", "reference", "remedy")
    findings = [{name: clean(item.get(name), limit=400) for name in names} for item in _mappings(found)]
    return {"name": clean(one.get("name")), "audited_at": clean(when, limit=20), "findings": findings}


def _mappings(value: t.Any) -> list[t.Mapping[str, t.Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
