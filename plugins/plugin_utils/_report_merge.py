# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge what ``ban_facts`` said on many hosts into one report.

Nothing here trusts a host: facts of a wrong shape are named in the report and left out, never an error for the others.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import json
import math
import typing as t
from collections import Counter

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import PERMANENT, clean, iso

SCHEMA = 1
# State of a host in the report, best first; what follows the first is worth a look.
STATES = ("enforcing", "fail2ban only", "released", "degraded", "unprotected", "failed", "unreachable")
# Hosts in these states said nothing about bans.
UNKNOWN = ("failed", "unreachable")


class _Merged:
    """One network on its way into the report."""

    __slots__ = ("hosts", "newest", "packets", "permanent", "reason", "since", "sources", "until")

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self.sources: set[str] = set()
        self.reason = ""
        self.since = 0
        self.newest = -1
        self.until = 0
        self.permanent = False
        self.packets: int | None = None

    def add(self, host: str, row: t.Mapping[str, t.Any]) -> None:
        """Take in one row of one host. Raises TypeError or ValueError if it has a wrong shape."""
        banned_at, expires_at = int(row["banned_at"]), row.get("expires_at")
        until = 0 if expires_at is None else int(expires_at)
        self.permanent = self.permanent or expires_at is None
        self.until = max(self.until, until)
        self.hosts.add(host)
        self.sources.add(clean(row.get("source"), limit=120) or "unknown")
        self.since = min(self.since, banned_at) if self.newest >= 0 else banned_at
        if banned_at > self.newest:
            self.newest, self.reason = banned_at, clean(row.get("reason"))
        packets = row.get("packets")
        if isinstance(packets, int):
            self.packets = (self.packets or 0) + packets

    def finish(self, network: str) -> dict[str, t.Any]:
        """The row of the report."""
        result: dict[str, t.Any] = {
            "network": network,
            "hosts": sorted(self.hosts),
            "sources": sorted(self.sources),
            "reason": self.reason,
            "since": iso(self.since),
            "until": PERMANENT if self.permanent else iso(self.until),
        }
        if self.packets is not None:
            result["packets"] = self.packets
        return result


def merge(results: t.Mapping[str, t.Any], *, now: float) -> dict[str, t.Any]:
    """One report over all hosts.

    ``results`` maps a host's name to the facts of ``ban_facts``, to a registered result of that task, or to None for a
    host that was not reached. ``now`` is the epoch second the report is dated with.
    """
    networks: dict[str, _Merged] = {}
    canonical: dict[str, str | None] = {}
    hosts = []
    for name in sorted(results):
        facts, state, message = facts_of(results[name])
        host = _host(name, facts, state, message)
        if facts is not None:
            unreadable = _take_in(name, facts, networks, canonical)
            if unreadable:
                host["problems"].append(f"{unreadable} unreadable rows were left out")
        hosts.append(host)
    # A row of a wrong shape may have left a network that nobody names.
    networks = {network: merged for network, merged in networks.items() if merged.hosts}
    order = sorted(networks, key=lambda network: (-networks[network].since, network))
    bans = [networks[network].finish(network) for network in order]
    return {
        "schema": SCHEMA,
        "generated_at": iso(now),
        "bans": bans,
        "hosts": hosts,
        "summary": _summary(bans, hosts),
    }


def _take_in(
    host: str, facts: t.Mapping[str, t.Any], networks: dict[str, _Merged], canonical: dict[str, str | None]
) -> int:
    """Add the rows of a host; the answer is how many had a wrong shape."""
    unreadable = 0
    rows = _rows(facts.get("bans"))
    if rows is None:
        return 1
    for row in rows:
        try:
            text = row["network"]
            if text not in canonical:
                canonical[text] = _network(text)
            network = canonical[text]
            if network is None:
                raise ValueError(text)
            merged = networks.get(network)
            if merged is None:
                networks[network] = merged = _Merged()
            merged.add(host, row)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            unreadable += 1
    return unreadable


def _rows(bans: t.Any) -> list[t.Any] | None:
    """The list of bans, which travels as one JSON text; None if it is none."""
    if isinstance(bans, str):
        try:
            bans = json.loads(bans)
        except (RecursionError, ValueError):
            return None
    return list(bans) if isinstance(bans, (list, tuple)) else None


def _network(text: t.Any) -> str | None:
    """Canonical text: a bare address for /32 and /128; None if it is no network."""
    try:
        network = ipaddress.ip_network(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if network is None or "%" in str(network):
        return None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def facts_of(result: t.Any) -> tuple[t.Mapping[str, t.Any] | None, str, str]:
    """Facts of a host or None, the state that explains their absence, and its message."""
    if not isinstance(result, t.Mapping):
        return None, "unreachable", "no answer"
    if result.get("unreachable"):
        return None, "unreachable", _message(result) or "no answer"
    facts = result.get("ansible_facts")
    facts = facts.get("stockade") if isinstance(facts, t.Mapping) else result
    if not isinstance(facts, t.Mapping) or "schema" not in facts:
        return None, "failed", _message(result) or "the facts were not gathered"
    if facts["schema"] != SCHEMA:
        return None, "failed", f"facts of schema {clean(facts['schema'], limit=20)}, this collection reads {SCHEMA}"
    return facts, "", ""


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Why a task did not succeed, without what Ansible puts before it, on one line."""
    words = clean(result.get("msg"), limit=300).split()
    return " ".join(words[2:] if words[:2] == ["Task", "failed:"] else words)


def _host(name: str, facts: t.Mapping[str, t.Any] | None, state: str, message: str) -> dict[str, t.Any]:
    """The host's own line of the report."""
    host: dict[str, t.Any] = {
        "name": clean(name),
        "state": state,
        "message": message,
        "bans": 0,
        "truncated": False,
        "by_source": {},
        "jails": [],
        "services": [],
        "whitelist": 0,
        "problems": [],
    }
    if facts is None:
        return host
    warden, fail2ban, summary = (_mapping(facts.get(key)) for key in ("warden", "fail2ban", "summary"))
    status = _mapping(warden.get("status"))
    host["state"], host["message"] = _state(warden, fail2ban, status)
    host["bans"] = _integer(summary.get("bans"))
    host["truncated"] = facts.get("truncated") is True
    host["by_source"] = {clean(key): _integer(value) for key, value in _mapping(summary.get("by_source")).items()}
    host["jails"] = [_scalars(jail) for jail in _mappings(facts.get("jails"))]
    host["services"] = [_scalars(service) for service in _mappings(facts.get("services"))]
    host["whitelist"] = len(_rows(facts.get("whitelist")) or ())
    host["problems"] = _texts(status.get("problems"))
    host["problems"] += [
        f"{service.get('name')} has failed" for service in host["services"] if service.get("failed") is True
    ]
    return host


def _state(
    warden: t.Mapping[str, t.Any], fail2ban: t.Mapping[str, t.Any], status: t.Mapping[str, t.Any]
) -> tuple[str, str]:
    if warden.get("available") is True:
        state = clean(status.get("state"), limit=20)
        return (state, "") if state in STATES else ("degraded", f"the warden says {state or 'nothing'}")
    reason = clean(warden.get("reason"), limit=300)
    if warden.get("installed") is True:
        return "degraded", reason
    return ("fail2ban only", reason) if fail2ban.get("available") is True else ("unprotected", reason)


def _summary(bans: list[dict[str, t.Any]], hosts: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    sources: Counter[str] = Counter()
    states: Counter[str] = Counter(host["state"] for host in hosts)
    for ban in bans:
        sources.update(ban["sources"])
    return {
        "hosts": len(hosts),
        "states": {state: states[state] for state in STATES if states[state]},
        "unreachable": [host["name"] for host in hosts if host["state"] == "unreachable"],
        "truncated": [host["name"] for host in hosts if host["truncated"]],
        "networks": len(bans),
        "permanent": sum(1 for ban in bans if ban["until"] == PERMANENT),
        "on_several_hosts": sum(1 for ban in bans if len(ban["hosts"]) > 1),
        "by_source": dict(sorted(sources.items(), key=lambda item: (-item[1], item[0]))),
        "by_host": {host["name"]: host["bans"] for host in hosts if host["state"] not in UNKNOWN},
    }


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, t.Mapping) else {}


def _mappings(value: t.Any) -> list[t.Mapping[str, t.Any]]:
    return [item for item in value if isinstance(item, t.Mapping)] if isinstance(value, (list, tuple)) else []


def _texts(value: t.Any) -> list[str]:
    return [clean(item) for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []


def _integer(value: t.Any) -> int:
    """A number of another host, 0 if it is none; 1e999 and NaN are floats to JSON and no numbers to us."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if number else 0


def _scalars(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Only the plain values of a mapping, their text bounded."""
    return {
        clean(key, limit=60): item if isinstance(item, (bool, int, float)) or item is None else clean(item)
        for key, item in value.items()
        if isinstance(item, (bool, int, float, str)) or item is None
    }
