# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of an audit, which are data: what is wrong with them, and what they find in the facts of a host.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t
from dataclasses import dataclass

from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import (
    OWN,
    SEVERITIES,
    Finding,
    finding,
    plain,
    words,
)
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean

try:
    import jmespath
    from jmespath.functions import Functions
except ImportError:
    jmespath = None

# So many findings of one rule on one host are told one by one.
MAX_FINDINGS = 100

_REQUIRED = ("id", "severity", "title", "query")
_KEYS = ("id", "severity", "title", "query", "reference", "remedy")
# From what stands first in them, they go on.
_STEPS = ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What a query can do wrong on facts of an unexpected shape. Errors of JMESPath are ValueErrors.
_ON_FACTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class AuditError(Exception):
    """An audit that cannot be made; the text names the rule or waiver, and the reason."""


@dataclass(frozen=True)
class Rule:
    """``search`` maps the facts of a host to what the query finds in them."""

    id: str
    severity: str
    title: str
    reference: str
    remedy: str
    search: t.Callable[[t.Any], t.Any]

    def findings(self, facts: t.Mapping[str, t.Any]) -> list[Finding]:
        """One finding for each item of a list, one for anything else that is not empty.

        A query that cannot be applied to the facts is a finding as grave as the rule: what it would find is not known.
        """
        try:
            found = self.search(facts)
            items = found if isinstance(found, list) else [found]
            texts = list(dict.fromkeys(words(item) for item in items if not _empty(item)))
        except _ON_FACTS as error:
            reason = "rule %s: %s" % (self.id, _first_line(error))
            remedy = "correct the query, or see what is odd about the facts of this host"
            return [finding(OWN + "rule-failed", self.severity, "a rule could not be applied", reason, remedy=remedy)]
        if len(texts) > MAX_FINDINGS:
            texts[MAX_FINDINGS - 1 :] = ["and %d more" % (len(texts) - MAX_FINDINGS + 1)]
        return [
            finding(self.id, self.severity, self.title, text, reference=self.reference, remedy=self.remedy)
            for text in texts
        ]


def _empty(value: t.Any) -> bool:
    """As JMESPath sees it: 0 is something."""
    return value is None or value is False or (isinstance(value, (str, list, dict)) and not value)


def read_rules(rules: t.Iterable[t.Any]) -> tuple[list[Rule], list[str]]:
    """The rules that can be applied, and what is wrong with the others, one text for each fault."""
    if jmespath is None:
        return [], [
            "the Python library jmespath is missing on the controller: install it for the Python of ansible-playbook,"
            " %s -m pip install jmespath" % sys.executable
        ]
    good, problems = [], []
    seen: set[str] = set()
    for raw in rules:
        rule = plain(raw)
        wrong = _faults(rule)
        if not wrong and rule["id"] in seen:
            wrong = ["two rules have this id"]
        if wrong:
            problems += ["rule %s: %s" % (_name(rule), fault) for fault in wrong]
            continue
        seen.add(rule["id"])
        texts = {name: rule.get(name) or "" for name in ("id", "severity", "title", "reference", "remedy")}
        good.append(Rule(search=jmespath.compile(rule["query"]).search, **texts))
    return good, problems


def _faults(rule: t.Any) -> list[str]:
    if not isinstance(rule, dict):
        return ["not a mapping with %s" % ", ".join(_KEYS)]
    faults = ["unknown key %s; a rule has %s" % (clean(name), ", ".join(_KEYS)) for name in rule if name not in _KEYS]
    faults += ["%s is missing" % name for name in _REQUIRED if rule.get(name) in (None, "")]
    faults += ["%s is no text" % name for name in _KEYS if not isinstance(rule.get(name) or "", str)]
    if faults:
        return faults
    if not _ID.fullmatch(rule["id"]) or rule["id"].startswith(OWN):
        faults.append("its id is not made of letters, digits, '.', '_' and '-', or begins with %s" % OWN)
    if rule["severity"] not in SEVERITIES:
        faults.append("severity %s is not one of %s" % (clean(rule["severity"]), ", ".join(SEVERITIES)))
    fault = _fault_of_query(rule["query"])
    return faults + [fault] if fault else faults


def _name(rule: t.Any) -> str:
    name = rule.get("id") if isinstance(rule, dict) else None
    return clean(name, limit=64) if name and isinstance(name, str) else "without an id (%s)" % clean(_shown(rule))


def _shown(rule: t.Any) -> str:
    text = json.dumps(rule)
    return text if len(text) <= 80 else text[:79] + "…"


def _fault_of_query(query: str) -> str:
    """Why the query can never be applied; empty if it can."""
    try:
        parsed = jmespath.compile(query).parsed
        return _fault_of_part(parsed)
    except (RecursionError, ValueError) as error:
        return "its query is not JMESPath: %s" % _first_line(error)


def _fault_of_part(node: t.Mapping[str, t.Any]) -> str:
    """What JMESPath itself notices only when it comes to it, which may be on one host of many, or never."""
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    if node["type"] in _STEPS and children and children[0]["type"] == "not_expression":
        return "its query has ! before a path, which negates the first word of it: write !(a.b)"
    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            return "its query calls %s(), which JMESPath does not have" % clean(node["value"])
        signature = known["signature"]
        many = bool(signature) and signature[-1].get("variadic", False)
        if len(children) < len(signature) or (len(children) > len(signature) and not many):
            return "its query gives %s() %d arguments, not %d" % (node["value"], len(children), len(signature))
    return next(filter(None, map(_fault_of_part, children)), "")


def _first_line(error: BaseException) -> str:
    """What JMESPath says, without the drawing of the expression below it."""
    line = str(error).split("\n", 1)[0]
    line = line[: -len(", for expression:")] if line.endswith(", for expression:") else line.rstrip(":")
    return clean(line or type(error).__name__, limit=300)
