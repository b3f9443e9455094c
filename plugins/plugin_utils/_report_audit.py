# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: rules, which are data, over the facts of each host.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_merge import SCHEMA, facts_of
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean, count, iso, visible

# The gravest first. An audit fails on those that are at least as grave as `fail_on`; none fails never.
SEVERITIES = ("high", "medium", "low", "info")
NEVER = "none"
_PLACE = re.compile(r"\{([a-z0-9_]+)\}")

Finding = t.Dict[str, str]
Rule = t.Mapping[str, t.Any]


class RuleError(Exception):
    """A rule that cannot be applied; the text names it and the reason."""


def audit(
    results: t.Mapping[str, t.Any],
    *,
    ssh: t.Mapping[str, t.Any] | None,
    rules: t.Sequence[Rule],
    fail_on: str,
    now: float,
) -> dict[str, t.Any]:
    """Findings of every host.

    ``results`` maps a host's name to what was registered of ``ban_facts``, ``ssh`` to what was of ``ssh_info`` (None if
    that was not asked), None for a host that was not reached. ``now`` is the epoch second the audit is dated with.
    Raises RuleError for a rule of a wrong shape or an unknown ``fail_on``.
    """
    if fail_on not in SEVERITIES and fail_on != NEVER:
        raise RuleError("cannot fail on %r: not one of %s, none" % (fail_on, ", ".join(SEVERITIES)))
    for rule in rules:
        _check(rule)
    hosts = [_host(name, results[name], rules) for name in sorted(results)]
    for host, name in zip(hosts, sorted(results)):
        if ssh is not None and host["state"] != "unreachable":
            host["findings"] += _ssh(ssh.get(name))
        host["findings"].sort(key=_gravest_first)
    counts = dict.fromkeys(SEVERITIES, 0)
    for host in hosts:
        for finding in host["findings"]:
            counts[finding["severity"]] += 1
    grave = [] if fail_on == NEVER else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return {
        "schema": SCHEMA,
        "generated_at": iso(now),
        "fail_on": fail_on,
        "hosts": hosts,
        "summary": counts,
        "failed": [host["name"] for host in hosts if any(one["severity"] in grave for one in host["findings"])],
    }


def _check(rule: Rule) -> None:
    for key in ("id", "severity", "title", "look_at", "evidence"):
        if not isinstance(rule.get(key), str):
            raise RuleError("rule %s: %s is missing or no text" % (rule.get("id", "without an id"), key))
    if rule["severity"] not in SEVERITIES:
        raise RuleError("rule %s: severity %s is not one of %s" % (rule["id"], rule["severity"], ", ".join(SEVERITIES)))
    for key in ("match", "unless"):
        values = rule.get(key, {})
        if not isinstance(values, t.Mapping) or not all(isinstance(value, (list, tuple)) for value in values.values()):
            raise RuleError("rule %s: %s maps keys to lists of values" % (rule["id"], key))


def _host(name: str, result: t.Any, rules: t.Sequence[Rule]) -> dict[str, t.Any]:
    facts, state, message = facts_of(result)
    findings = []
    if facts is None:
        findings.append(
            _finding(
                "audit.no-facts",
                "high",
                "the host was not audited",
                "%s: %s" % (state, message),
                remedy="make the host reachable for Ansible with become, and run the audit again",
            )
        )
    else:
        findings += [_of_rule(rule, item) for rule in rules for item in _matches(rule, facts)]
    return {"name": clean(name), "state": state or "audited", "findings": findings}


def _gravest_first(finding: Finding) -> tuple[int, str, str]:
    return SEVERITIES.index(finding["severity"]), finding["id"], finding["evidence"]


def _matches(rule: Rule, facts: t.Any) -> list[t.Mapping[str, t.Any]]:
    """What the rule is about and speaks of: the mapping at ``look_at``, or those of the list there."""
    found: t.Any = facts
    for key in rule["look_at"].split("."):
        found = found.get(key) if isinstance(found, t.Mapping) else None
    items = found if isinstance(found, (list, tuple)) else [found]
    return [
        item
        for item in items
        if isinstance(item, t.Mapping)
        and _all(item, rule.get("match", {}))
        and not (rule.get("unless") and _all(item, rule["unless"]))
    ]


def _all(item: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Sequence[t.Any]]) -> bool:
    return all(item.get(key) in values for key, values in wanted.items())


def _of_rule(rule: Rule, item: t.Mapping[str, t.Any]) -> Finding:
    evidence = _PLACE.sub(lambda place: _words(item.get(place.group(1))), rule["evidence"])
    return _finding(
        rule["id"],
        rule["severity"],
        rule["title"],
        evidence,
        reference=rule.get("reference", ""),
        remedy=rule.get("remedy", ""),
    )


def _words(value: t.Any) -> str:
    return "; ".join(clean(part) for part in value) if isinstance(value, (list, tuple)) else clean(value)


def _ssh(result: t.Any) -> list[Finding]:
    """The findings ``ssh_info`` made itself; one that says so if it made none because it failed."""
    answer = result.get("ssh") if isinstance(result, t.Mapping) else None
    if not isinstance(answer, t.Mapping):
        message = clean(result.get("msg"), limit=300) if isinstance(result, t.Mapping) else ""
        message = message or "ssh_info gave no answer"
        return [_finding("audit.no-ssh", "high", "the SSH daemon was not audited", message)]
    findings = []
    for found in answer.get("findings") or ():
        if isinstance(found, t.Mapping):
            severity = clean(found.get("severity"), limit=20)
            known = severity if severity in SEVERITIES else "medium"
            rest = {key: _words(found.get(key)) for key in ("reference", "remedy")}
            texts = (_words(found.get(key)) for key in ("title", "evidence"))
            findings.append(_finding(clean(found.get("id")) or "ssh", known, *texts, **rest))
    return findings


def _finding(name: str, severity: str, title: str, evidence: str, *, reference: str = "", remedy: str = "") -> Finding:
    texts = {"title": title, "evidence": evidence, "reference": reference, "remedy": remedy}
    return {"id": name, "severity": severity, **{key: clean(text, limit=400) for key, text in texts.items()}}


def audit_lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """The findings for a terminal, host by host, the gravest first."""
    lines = []
    for host in result["hosts"]:
        findings = host["findings"]
        lines.append("%s: %s" % (visible(host["name"]), count(len(findings), "finding") if findings else "no findings"))
        for finding in findings:
            text = {key: visible(value) for key, value in finding.items()}
            evidence = ": " + text["evidence"] if text["evidence"] else ""
            lines.append("  %-6s  %s  %s%s" % (text["severity"].upper(), text["id"], text["title"], evidence))
            remedy = "to do: " + text["remedy"] if text["remedy"] else ""
            reference = "[%s]" % text["reference"] if text["reference"] else ""
            if remedy or reference:
                lines.append(" " * 10 + " ".join(part for part in (remedy, reference) if part))
    counts = ", ".join("%d %s" % (number, name) for name, number in result["summary"].items())
    lines.append("%s audited: %s" % (count(len(result["hosts"]), "host"), counts))
    return lines
