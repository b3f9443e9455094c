# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is weak about a host's sshd, with evidence, a reference and a remedy. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Callable

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN, ConfigTree
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import ADDITIVE, canonical, spelling
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Complaint

SEVERITIES = ("high", "medium", "low", "info")

_CIS = "CIS 5.1.{}"
_AUDIT = "ssh-audit {}"


@dataclass(frozen=True)
class Finding:
    """``severity`` is one of SEVERITIES; ``reference`` a CIS rule of section 5.1 or a part of ssh-audit's policies."""

    id: str
    severity: str
    title: str
    evidence: str
    reference: str
    remedy: str


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
    _Rule("permitemptypasswords", _is("no"), "high", "empty passwords are accepted", _CIS.format(19), "no"),
    _Rule("kbdinteractiveauthentication", _is("no"), "medium", "passwords are accepted by dialogue", "CIS 5.1", "no"),
    _Rule("hostbasedauthentication", _is("no"), "medium", "other hosts are trusted", _CIS.format(10), "no"),
    _Rule("ignorerhosts", _is("yes", "shosts-only"), "medium", "rhosts files are read", _CIS.format(11), "yes"),
    _Rule("permituserenvironment", _is("no"), "medium", "users set their environment", _CIS.format(21), "no"),
    _Rule("strictmodes", _is("yes"), "medium", "modes of key files are not checked", "CIS 5.1", "yes"),
    _Rule("x11forwarding", _is("no"), "low", "X11 is forwarded", _CIS.format(8), "no"),
    _Rule("allowagentforwarding", _is("no"), "low", "agents are forwarded", _CIS.format(8), "no"),
    _Rule("permittunnel", _is("no"), "low", "tunnel devices are allowed", _CIS.format(8), "no"),
    _Rule("gssapiauthentication", _is("no"), "low", "GSSAPI logins are accepted", _CIS.format(9), "no"),
    _Rule("usepam", _is("yes"), "low", "PAM is not asked", _CIS.format(22), "yes"),
    _Rule("logingracetime", _between(1, 60), "low", "a login may take too long", _CIS.format(13), "60"),
    _Rule("maxauthtries", _between(1, 4), "low", "too many tries a connection", _CIS.format(16), "4"),
    _Rule("maxsessions", _between(0, 10), "low", "too many sessions a connection", _CIS.format(17), "10"),
    _Rule("maxstartups", _startups, "low", "too many logins at once", _CIS.format(18), "10:30:60"),
    _Rule("clientaliveinterval", _between(1, 3600), "low", "dead sessions are kept", _CIS.format(7), "300"),
    _Rule(
        "loglevel",
        _is("info", "verbose"),
        "low",
        "logins are logged too little or too much",
        _CIS.format(14),
        "VERBOSE",
    ),
)

_WEAK = (
    (
        "kexalgorithms",
        "weak-kex",
        "weak key exchange",
        re.compile(r"(group1-|group14-|exchange-)sha1|ecdh-sha2-nistp|group14-sha256"),
        _CIS.format(12) + "; " + _AUDIT.format("kex"),
    ),
    (
        "ciphers",
        "weak-cipher",
        "weak ciphers",
        re.compile(r"3des|-cbc|arcfour|blowfish|cast128"),
        _CIS.format(6) + "; " + _AUDIT.format("enc"),
    ),
    (
        "macs",
        "weak-mac",
        "weak message authentication",
        re.compile(r"md5|ripemd|sha1|umac-64|^hmac-sha2-\d+$|^umac-128@"),
        _CIS.format(15) + "; " + _AUDIT.format("mac"),
    ),
    (
        "hostkeyalgorithms",
        "weak-host-key",
        "weak host key algorithms",
        re.compile(r"^ssh-rsa|^ssh-dss|^ecdsa-"),
        _AUDIT.format("key"),
    ),
)


def findings(
    *,
    effective: dict[str, list[str]],
    offered: dict[str, list[str]],
    tree: ConfigTree,
    modes: dict[str, int],
    complaints: list[Complaint],
) -> list[dict[str, Any]]:
    """All findings, worst first. ``offered`` is what came over the wire (empty: nobody was asked), ``modes`` the
    permission bits of the configuration files and private host keys, ``complaints`` why sshd refuses its files (empty:
    it does not; otherwise there are no effective values)."""
    if complaints:
        return [asdict(finding) for finding in _broken(complaints) + _modes(modes)]
    found = _values(effective, tree) + _root(effective, tree) + _algorithms(effective, offered)
    found += _lists(effective, tree) + _shadowed(tree) + _modes(modes)
    return [asdict(finding) for finding in sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.id))]


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


def _values(effective: dict[str, list[str]], tree: ConfigTree) -> list[Finding]:
    found = []
    for rule in _RULES:
        value = effective.get(rule.keyword, [""])[0]
        if rule.keyword not in effective or rule.good(value):
            continue
        name = spelling(rule.keyword)
        found.append(
            Finding(
                id=rule.keyword,
                severity=rule.severity,
                title=rule.title,
                evidence="{} {}{}".format(name, value, _source(tree, rule.keyword)),
                reference=rule.reference,
                remedy="{} {}".format(name, rule.wanted),
            )
        )
    return found


def _root(effective: dict[str, list[str]], tree: ConfigTree) -> list[Finding]:
    value = effective.get("permitrootlogin", ["no"])[0]
    if value == "no":
        return []
    open_to_passwords = value == "yes" and effective.get("passwordauthentication", ["no"])[0] == "yes"
    return [
        Finding(
            id="permitrootlogin",
            severity="high" if open_to_passwords else "medium" if value == "yes" else "low",
            title="root may log in with a password" if open_to_passwords else "root may log in",
            evidence="PermitRootLogin {}{}".format(value, _source(tree, "permitrootlogin")),
            reference=_CIS.format(20),
            remedy="PermitRootLogin no",
        )
    ]


def _algorithms(effective: dict[str, list[str]], offered: dict[str, list[str]]) -> list[Finding]:
    found = []
    for keyword, name, title, pattern, reference in _WEAK:
        configured = effective.get(keyword, [""])[0].split(",")
        names = offered.get(keyword, configured)
        weak = [algorithm for algorithm in names if pattern.search(algorithm)]
        if weak:
            how = "offered on the wire" if keyword in offered else "configured"
            found.append(
                Finding(
                    id=name,
                    severity="medium",
                    title=title,
                    evidence="{}: {}".format(how, ", ".join(weak)),
                    reference=reference,
                    remedy="profile: modern of stockade.fleet.ssh_hardening",
                )
            )
        if keyword in offered and keyword != "hostkeyalgorithms" and names != configured:
            found.append(
                Finding(
                    id="not-loaded-" + keyword,
                    severity="medium",
                    title="the running daemon has not loaded the files",
                    evidence="offered {}; configured {}".format(",".join(names), ",".join(configured)),
                    reference="",
                    remedy="reload the ssh service",
                )
            )
    return found


def _lists(effective: dict[str, list[str]], tree: ConfigTree) -> list[Finding]:
    keywords = ("allowusers", "allowgroups", "denyusers", "denygroups")
    found = []
    if not any(effective.get(keyword) for keyword in keywords):
        found.append(
            Finding(
                id="no-allow-list",
                severity="info",
                title="every account may log in",
                evidence="no AllowUsers, AllowGroups, DenyUsers or DenyGroups",
                reference=_CIS.format(4),
                remedy="allow_users or allow_groups of stockade.fleet.ssh_hardening",
            )
        )
    for keyword in ("allowusers", "allowgroups"):
        ours = [d for d in tree.directives if d.path == DROPIN and d.keyword == keyword]
        for directive in tree.foreign(keyword, match=False) if ours else []:
            found.append(
                Finding(
                    id="foreign-" + keyword,
                    severity="medium",
                    title="another file widens {}".format(spelling(keyword)),
                    evidence="{} {} ({})".format(spelling(keyword), directive.value, directive.where),
                    reference=_CIS.format(4),
                    remedy="remove the line from {}".format(directive.path),
                )
            )
    return found


def _shadowed(tree: ConfigTree) -> list[Finding]:
    """Lines outside of Match blocks that sshd passes over because an earlier one said something else."""
    first: dict[str, Any] = {}
    found = []
    for directive in tree.directives:
        key = canonical(directive.keyword)
        if directive.match or key in ADDITIVE or key in ("include", "match", "subsystem"):
            continue
        winner = first.setdefault(key, directive)
        if winner.value.lower() != directive.value.lower():
            name = spelling(directive.keyword)
            found.append(
                Finding(
                    id="shadowed-" + key,
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


def _modes(modes: dict[str, int]) -> list[Finding]:
    found = []
    for path, mode in sorted(modes.items()):
        private_key = "/ssh_host_" in path
        if mode & (0o077 if private_key else 0o022):
            found.append(
                Finding(
                    id="mode-" + path.rpartition("/")[2],
                    severity="high",
                    title="others may {}".format("read a private host key" if private_key else "write a configuration"),
                    evidence="{} has mode {:04o}".format(path, mode),
                    reference=_CIS.format(2 if private_key else 1),
                    remedy="chmod 0600 {}".format(path),
                )
            )
    return found


def _source(tree: ConfigTree, keyword: str) -> str:
    """`` (file:line)`` of the line that counts, or that nobody says it."""
    said = [d for d in tree.directives if canonical(d.keyword) == keyword and not d.match]
    return " ({})".format(said[0].where) if said else " (sshd's default)"
