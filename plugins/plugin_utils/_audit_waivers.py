# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: findings that somebody accepted, for a reason and for a time.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t
from fnmatch import fnmatchcase

from ansible_collections.stockade.fleet.plugins.module_utils._until import parse_until
from ansible_collections.stockade.fleet.plugins.plugin_utils._audit_finding import OWN, Finding, finding, plain
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean

_REQUIRED = ("rule", "reason", "expires")
_KEYS = ("rule", "hosts", "reason", "expires")


class Waiver:
    """``hosts`` are patterns of the names of hosts and groups, ``until`` the epoch second from which on it is over."""

    def __init__(self, rule: str, hosts: list[str], reason: str, expires: str) -> None:
        self.rule = rule
        self.hosts = hosts
        self.reason = reason
        self.expires = expires
        self.until = parse_until(expires)
        self.used = False

    def names(self, host: str, groups: t.Iterable[str]) -> bool:
        """Whether the waiver is about that host."""
        names = [host, *groups]
        return "all" in self.hosts or any(fnmatchcase(name, pattern) for name in names for pattern in self.hosts)

    def __str__(self) -> str:
        return "%s on %s: %s" % (self.rule, ", ".join(self.hosts) or "no host", self.reason)


def read_waivers(waivers: t.Iterable[t.Any]) -> tuple[list[Waiver], list[str]]:
    """The waivers, and what is wrong with others, one text for each fault."""
    good, problems = [], []
    for number, raw in enumerate(waivers, 1):
        waiver = plain(raw)
        wrong = _faults(waiver)
        if not wrong:
            hosts = waiver.get("hosts", "all")
            hosts = [hosts] if isinstance(hosts, str) else hosts
            try:
                good.append(Waiver(waiver["rule"], hosts, waiver["reason"], waiver["expires"]))
            except ValueError as error:
                wrong = ["expires %s" % error]
        name = waiver.get("rule") if isinstance(waiver, dict) else None
        about = " (%s)" % clean(name) if isinstance(name, str) and name else ""
        problems += ["waiver %d%s: %s" % (number, about, fault) for fault in wrong]
    return good, problems


def _faults(waiver: t.Any) -> list[str]:
    if not isinstance(waiver, dict):
        return ["not a mapping with %s" % ", ".join(_KEYS)]
    unknown = [name for name in waiver if name not in _KEYS]
    faults = ["unknown key %s; a waiver has %s" % (clean(name), ", ".join(_KEYS)) for name in unknown]
    faults += ["%s is missing" % name for name in _REQUIRED if waiver.get(name) in (None, "")]
    faults += ["%s is no text" % name for name in _REQUIRED if not isinstance(waiver.get(name) or "", str)]
    # An empty list, as of a group without hosts, is nobody; only without the key it is all.
    hosts = waiver.get("hosts", "all")
    hosts = [hosts] if isinstance(hosts, str) else hosts
    if not isinstance(hosts, list) or not all(isinstance(one, str) and one for one in hosts):
        faults.append("hosts is neither a pattern nor a list of them")
    return faults


def part(
    found: t.Sequence[Finding], host: str, groups: t.Collection[str], waivers: t.Iterable[Waiver], now: float
) -> tuple[list[Finding], list[Finding]]:
    """The findings that count, and the waived ones, each with ``reason`` and ``expires`` of its waiver."""
    ours = [waiver for waiver in waivers if waiver.names(host, groups)]
    count, waived = [], []
    for one in found:
        fitting = [waiver for waiver in ours if waiver.rule == one["id"]]
        for waiver in fitting:
            waiver.used = True
        held = [waiver for waiver in fitting if waiver.until > now]
        if held:
            last = max(held, key=_end)
            waived.append({**one, "reason": clean(last.reason, limit=400), "expires": last.expires})
        else:
            count.append(one)
    return count, waived


def _end(waiver: Waiver) -> int:
    return waiver.until


def about(waivers: t.Iterable[Waiver], unknown: t.Mapping[str, t.Collection[str]], now: float) -> list[Finding]:
    """Findings about the waivers themselves: those that are over, and those that fit nothing.

    ``unknown`` are hosts, and their groups, of which not everything is known: what is about them may fit tomorrow.
    """
    found = []
    for waiver in waivers:
        if waiver.until <= now:
            title = "a waiver is over, what it accepted counts again"
            remedy = "put right what it was about, or accept it anew"
            words = "%s (until %s)" % (waiver, waiver.expires)
            found.append(finding(OWN + "waiver-expired", "low", title, words, remedy=remedy))
        elif not waiver.used and not any(waiver.names(host, groups) for host, groups in unknown.items()):
            remedy = "take it out, or correct its rule and hosts"
            found.append(finding(OWN + "waiver-unused", "info", "a waiver fits nothing", str(waiver), remedy=remedy))
    return found
