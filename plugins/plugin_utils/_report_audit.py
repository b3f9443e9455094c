# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: rules, which are data, over the facts of each host; what is waived; what changed since the last one.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils import _audit_waivers
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_drift import compare, complete, read_previous
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_facts import facts_for_rules, groups_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import (
    NEVER,
    OWN,
    SEVERITIES,
    Finding,
    finding,
    gravest_first,
    words,
)
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_rules import AuditError, Rule, read_rules
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_waivers import read_waivers
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import facts_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, iso

# Version of the shape below and of the history.
SCHEMA = 1

_Answers = t.Mapping[str, t.Any]


def problems(rules: t.Iterable[t.Any], waivers: t.Iterable[t.Any]) -> list[str]:
    """What is wrong with rules and waivers, one text for each fault, which names what it is about."""
    return read_rules(rules)[1] + read_waivers(waivers)[1]


def audit(
    results: _Answers,
    *,
    ssh: _Answers | None,
    rules: t.Iterable[t.Any],
    fail_on: str,
    now: float,
    begun: float | None = None,
    hosts: _Answers | None = None,
    waivers: t.Iterable[t.Any] = (),
    skip: t.Collection[str] = (),
    previous: t.Any = None,
) -> dict[str, t.Any]:
    """Findings of every host, and what changed.

    ``results`` maps a host's name to what was registered of ``ban_facts``, ``ssh`` to what was of ``ssh_info`` (None if
    that was not asked), ``hosts`` to the host's variables. ``now`` is the epoch second the audit is dated with,
    ``begun`` the one before the first host was asked. ``skip`` are ids of findings of ssh_info that do not count,
    ``previous`` is the last audit, or its JSON. Raises AuditError for rules or waivers of a wrong shape or an unknown
    ``fail_on``.
    """
    if fail_on not in SEVERITIES and fail_on != NEVER:
        raise AuditError("cannot fail on %r: not one of %s, none" % (fail_on, ", ".join(SEVERITIES)))
    (good, wrong), (accepted, odd) = read_rules(rules), read_waivers(waivers)
    if wrong or odd:
        raise AuditError("; ".join(wrong + odd))
    span = None if begun is None else (begun, now)
    variables = hosts or {}
    audited, groups = [], {}
    for name in sorted(results):
        about = variables.get(name, {})
        asked = {} if ssh is None else {"ssh": ssh.get(name)}
        host = _host(name, results[name], good, about, span, skip, **asked)
        groups[host["name"]] = groups_of(about)
        found, waived = _audit_waivers.part(host["findings"], name, groups[host["name"]], accepted, now)
        host["findings"], host["waived"] = sorted(found, key=gravest_first), sorted(waived, key=gravest_first)
        audited.append(host)
    unknown = {host["name"]: groups[host["name"]] for host in audited if not complete(host)}
    if not all(waiver.used for waiver in accepted):  # what is about hosts that were not asked may fit tomorrow as well
        unknown.update((name, groups_of(variables[name])) for name in variables if name not in results)
    fleet = _audit_waivers.about(accepted, unknown, now)
    try:
        last = read_previous(previous, SCHEMA)
    except AuditError as error:
        last = None
        fleet.append(finding(OWN + "no-history", "info", "there is nothing to compare with", str(error)))
    drift, carried = compare(audited, last, now)
    return _result(audited, sorted(fleet, key=gravest_first), fail_on, now, drift, carried)


def _result(
    hosts: list[dict[str, t.Any]],
    fleet: list[Finding],
    fail_on: str,
    now: float,
    drift: dict[str, t.Any] | None,
    carried: list[dict[str, t.Any]],
) -> dict[str, t.Any]:
    grave = [] if fail_on == NEVER else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    counts = dict.fromkeys(SEVERITIES, 0)
    for one in [one for host in hosts for one in host["findings"]] + fleet:
        counts[one["severity"]] += 1
    return {
        "schema": SCHEMA,
        "generated_at": iso(now),
        "fail_on": fail_on,
        "passed": not any(counts[severity] for severity in grave),
        "failed": [host["name"] for host in hosts if any(one["severity"] in grave for one in host["findings"])],
        "summary": counts,
        "waived": sum(len(host["waived"]) for host in hosts),
        "drift": drift,
        "fleet": fleet,
        "hosts": hosts,
        "carried": carried,
    }


def _host(
    name: str,
    result: t.Any,
    rules: t.Sequence[Rule],
    variables: t.Mapping[str, t.Any],
    span: tuple[float, float] | None,
    skip: t.Collection[str],
    **asked: t.Any,
) -> dict[str, t.Any]:
    """State and findings of one host; ``asked`` has ``ssh`` if the host was asked about that as well."""
    facts, state, message = facts_of(result)
    if facts is None:
        return {"name": clean(name), "state": state, "findings": [_not_audited("%s: %s" % (state, message))]}
    answer = _answer(asked.get("ssh"))
    findings = _about_ssh(asked["ssh"], skip) if "ssh" in asked else []
    try:
        known = facts_for_rules(name, facts, answer, variables, span)
    except ValueError as error:
        findings.append(_not_audited(str(error)))
    else:
        findings += [one for rule in rules for one in rule.findings(known)]
    return {"name": clean(name), "state": "audited", "findings": findings}


def _not_audited(why: str) -> Finding:
    remedy = "make the host reachable for Ansible with become, and run the audit again"
    return finding(OWN + "no-facts", "high", "the host was not audited", why, remedy=remedy)


def _answer(result: t.Any) -> t.Mapping[str, t.Any] | None:
    answer = result.get("ssh") if isinstance(result, t.Mapping) else None
    return answer if isinstance(answer, t.Mapping) else None


def _about_ssh(result: t.Any, skip: t.Collection[str]) -> list[Finding]:
    """The findings ``ssh_info`` made itself; one that says so if it made none because it failed."""
    answer = _answer(result)
    if answer is None:
        message = clean(result.get("msg"), limit=300) if isinstance(result, t.Mapping) else ""
        message = message or "ssh_info gave no answer"
        return [finding(OWN + "no-ssh", "high", "the SSH daemon was not audited", message)]
    found = answer.get("findings")
    findings = [
        _of_ssh(one) for one in (found if isinstance(found, (list, tuple)) else ()) if isinstance(one, t.Mapping)
    ]
    return [one for one in findings if one["id"] not in skip]


def _of_ssh(one: t.Mapping[str, t.Any]) -> Finding:
    name, severity = clean(one.get("id")), clean(one.get("severity"), limit=20)
    texts = {key: words(one.get(key)) for key in ("title", "evidence", "reference", "remedy")}
    # The audit's own ids say that something is not known: no host may claim that.
    name = "ssh" if not name or name.startswith(OWN) else name
    return finding(name, severity if severity in SEVERITIES else "medium", **texts)
