# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is weak about a host's sshd, with evidence, a reference and a remedy. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN, ConfigTree, Directive
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.finding import (
    CIS,
    SEVERITIES,
    Evidence,
    Finding,
    source,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.findings_around import around
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.findings_crypto import crypto
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import ADDITIVE, canonical, spelling
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Complaint


@dataclass(frozen=True)
class _Rule:
    keyword: str
    good: Callable[[str], bool]
    severity: str
    title: str
    reference: str
    wanted: str


def _is(*values: str) -> Callable[[str], bool]:
    return lambda value: value.lower() in values


def _between(least: int, most: int) -> Callable[[str], bool]:
    return lambda value: value.isdigit() and least <= int(value) <= most


def _startups(value: str) -> bool:
    words = value.split(":")
    limits = (10, 30, 60)
    return len(words) == 3 and all(w.isdigit() and int(w) <= limit for w, limit in zip(words, limits))


_RULES = (
    _Rule("passwordauthentication", _is("no"), "high", "passwords are accepted", "CIS 5.1, keys only", "no"),
    _Rule("permitemptypasswords", _is("no"), "high", "empty passwords are accepted", CIS.format(19), "no"),
    _Rule("kbdinteractiveauthentication", _is("no"), "medium", "passwords are accepted by dialogue", "CIS 5.1", "no"),
    _Rule("hostbasedauthentication", _is("no"), "medium", "other hosts are trusted", CIS.format(10), "no"),
    _Rule("ignorerhosts", _is("yes", "shosts-only"), "medium", "rhosts files are read", CIS.format(11), "yes"),
    _Rule("permituserenvironment", _is("no"), "medium", "users set their environment", CIS.format(21), "no"),
    _Rule("strictmodes", _is("yes"), "medium", "modes of key files are not checked", "CIS 5.1", "yes"),
    _Rule("x11forwarding", _is("no"), "low", "X11 is forwarded", CIS.format(8), "no"),
    _Rule("allowagentforwarding", _is("no"), "low", "agents are forwarded", CIS.format(8), "no"),
    _Rule("permittunnel", _is("no"), "low", "tunnel devices are allowed", CIS.format(8), "no"),
    _Rule("gssapiauthentication", _is("no"), "low", "GSSAPI logins are accepted", CIS.format(9), "no"),
    _Rule("usepam", _is("yes"), "low", "PAM is not asked", CIS.format(22), "yes"),
    _Rule("logingracetime", _between(1, 60), "low", "a login may take too long", CIS.format(13), "60"),
    _Rule("maxauthtries", _between(1, 4), "low", "too many tries a connection", CIS.format(16), "4"),
    _Rule("maxsessions", _between(0, 10), "low", "too many sessions a connection", CIS.format(17), "10"),
    _Rule("maxstartups", _startups, "low", "too many logins at once", CIS.format(18), "10:30:60"),
    _Rule("clientaliveinterval", _between(1, 3600), "low", "dead sessions are kept", CIS.format(7), "300"),
    _Rule("clientalivecountmax", _between(1, 1000), "low", "dead sessions are kept", CIS.format(7), "3"),
    _Rule(
        "loglevel",
        _is("info", "verbose"),
        "low",
        "logins are logged too little or too much",
        CIS.format(14),
        "VERBOSE",
    ),
)


def findings(seen: Evidence, *, complaints: list[Complaint]) -> list[dict[str, Any]]:
    """All findings, worst first. ``complaints`` is why sshd refuses its files (empty: it does not; otherwise there are
    no effective values)."""
    if complaints:
        found = _broken(complaints) + _modes(seen)
    else:
        found = _values(seen) + _in_match(seen.tree) + _root(seen) + crypto(seen) + around(seen)
        found += _lists(seen) + _shadowed(seen.tree) + _modes(seen)
    return [finding.as_dict() for finding in sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.id))]


def passed_over(tree: ConfigTree) -> list[tuple[Directive, Directive]]:
    """Lines outside of Match blocks that do not count, each behind the earlier one that says something else."""
    first: dict[str, Directive] = {}
    found = []
    for directive in tree.directives:
        key = canonical(directive.keyword)
        if directive.match or key in ADDITIVE or key in ("include", "match", "subsystem"):
            continue
        winner = first.setdefault(key, directive)
        if winner.value.lower() != directive.value.lower():
            found.append((winner, directive))
    return found


def _broken(complaints: list[Complaint]) -> list[Finding]:
    return [
        Finding(
            id="broken-configuration",
            severity="high",
            title="sshd refuses its configuration and would not start again",
            evidence="{}:{}: {}".format(c.path, c.line, c.text) if c.path else c.text,
            reference="sshd -t",
            remedy="repair the line",
        )
        for c in complaints
    ]


def _values(seen: Evidence) -> list[Finding]:
    found = []
    for rule in _RULES:
        value = seen.first(rule.keyword)
        if rule.keyword not in seen.effective or rule.good(value) or _asks_for_a_code(seen, rule.keyword):
            continue
        name = spelling(rule.keyword)
        evidence = "{} {}{}".format(name, value, source(seen.tree, rule.keyword))
        remedy = "{} {}".format(name, rule.wanted)
        found.append(Finding(rule.keyword, rule.severity, rule.title, evidence, rule.reference, remedy))
    return found


def _asks_for_a_code(seen: Evidence, keyword: str) -> bool:
    """The dialogue is wanted where it comes after a key."""
    ways = seen.first("authenticationmethods", "any").split()
    return keyword == "kbdinteractiveauthentication" and all("publickey" in way.split(",") for way in ways)


def _in_match(tree: ConfigTree) -> list[Finding]:
    """Match blocks that take back for some what holds for the others."""
    rules = {rule.keyword: rule for rule in _RULES}
    found = []
    for directive in tree.directives:
        rule = rules.get(canonical(directive.keyword))
        if not directive.match or rule is None or rule.good(directive.value):
            continue
        found.append(
            Finding(
                id="match-" + rule.keyword,
                severity=rule.severity,
                title=rule.title + " for some",
                evidence="Match {}: {} {} ({})".format(
                    directive.match, spelling(rule.keyword), directive.value, directive.where
                ),
                reference=rule.reference,
                remedy="{} {}, or a narrower Match".format(spelling(rule.keyword), rule.wanted),
            )
        )
    return found


def _root(seen: Evidence) -> list[Finding]:
    value = seen.first("permitrootlogin", "no")
    if value == "no":
        return []
    open_to_passwords = value == "yes" and seen.first("passwordauthentication", "no") == "yes"
    return [
        Finding(
            id="permitrootlogin",
            severity="high" if open_to_passwords else "medium" if value == "yes" else "low",
            title="root may log in with a password" if open_to_passwords else "root may log in",
            evidence="PermitRootLogin {}{}".format(value, source(seen.tree, "permitrootlogin")),
            reference=CIS.format(20),
            remedy="PermitRootLogin no",
        )
    ]


def _lists(seen: Evidence) -> list[Finding]:
    keywords = ("allowusers", "allowgroups", "denyusers", "denygroups")
    found = []
    if not any(seen.effective.get(keyword) for keyword in keywords):
        found.append(
            Finding(
                id="no-allow-list",
                severity="info",
                title="every account may log in",
                evidence="no AllowUsers, AllowGroups, DenyUsers or DenyGroups",
                reference=CIS.format(4),
                remedy="allow_users or allow_groups of stockade.fleet.ssh_hardening",
            )
        )
    for keyword in ("allowusers", "allowgroups"):
        ours = [d for d in seen.tree.directives if d.path == DROPIN and d.keyword == keyword]
        for directive in seen.tree.foreign(keyword, match=False) if ours else []:
            found.append(
                Finding(
                    id="foreign-" + keyword,
                    severity="medium",
                    title="another file widens {}".format(spelling(keyword)),
                    evidence="{} {} ({})".format(spelling(keyword), directive.value, directive.where),
                    reference=CIS.format(4),
                    remedy="remove the line from {}".format(directive.path),
                )
            )
    return found


def _shadowed(tree: ConfigTree) -> list[Finding]:
    found = []
    for winner, directive in passed_over(tree):
        name = spelling(directive.keyword)
        found.append(
            Finding(
                id="shadowed-" + canonical(directive.keyword),
                severity="info",
                title="{} is set twice, the first wins".format(name),
                evidence="{} {} ({}) wins over {} ({})".format(
                    name, winner.value, winner.where, directive.value, directive.where
                ),
                reference="sshd_config(5)",
                remedy="remove the line that should not count",
            )
        )
    return found


def _modes(seen: Evidence) -> list[Finding]:
    found = []
    for path, mode in sorted(seen.modes.items()):
        name = path.rpartition("/")[2]
        key, public = "_host_" in name, name.endswith(".pub")
        rule = CIS.format(3 if public else 2 if key else 1)
        may = (
            "read a private host key"
            if key and not public
            else "write a {}".format("host key" if key else "configuration")
        )
        evidence = "{} has mode {:04o}".format(path, mode)
        if path in seen.foreign:
            title = "somebody else owns a file of sshd"
            remedy = "chown root:root {}".format(path)
            found.append(Finding("owner-" + name, "high", title, path + " is not root's", rule, remedy))
        if mode & (0o077 if key and not public else 0o022):
            remedy = "chmod {} {}".format("0644" if public else "0600", path)
            found.append(Finding("mode-" + name, "high", "others may " + may, evidence, rule, remedy))
        elif not key and mode & 0o077:
            title = "others may read a configuration"
            found.append(Finding("readable-" + name, "info", title, evidence, rule, "chmod 0600 {}".format(path)))
    return found
