# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge what ``ban_facts`` said on many hosts into one report.

Nothing here trusts a host: facts of a wrong shape are named in the report and left out, never an error for the others.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_country import Countries
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_history import History
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_hosts import (
    SCHEMA,
    STATES,
    UNKNOWN,
    facts_of,
    host_line,
    integer,
    rows_of,
    whitelisted,
)
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import (
    Key,
    Networks,
    networks_of,
    parse,
    text_of,
)
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_previous import Previous, recent
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_proposals import propose
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_summary import summarise
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import PERMANENT, clean, iso

__all__ = ("MIN_ADDRESSES", "MIN_HOSTS", "SCHEMA", "STATES", "UNKNOWN", "facts_of", "merge")

# From so many hosts, or so many addresses in a /24 or /64, a permanent ban is proposed.
MIN_HOSTS = 3
MIN_ADDRESSES = 8

_EVER = 1 << 62  # epoch seconds; whatever happened was before

Networked = t.Dict[str, "_Merged"]


class _Merged:
    """One network on its way into the report."""

    __slots__ = ("hosts", "key", "packets", "permanent", "reason", "reasoned", "since", "sources", "until")

    def __init__(self, key: Key) -> None:
        self.key = key
        # Hosts come one after the other and in their order, so that the last one tells whether this one is there.
        self.hosts: list[str] = []
        self.sources: list[str] = []
        self.reason = ""
        self.since = _EVER
        self.reasoned = -1
        self.until = 0
        self.permanent = False
        self.packets: int | None = None

    def add(self, host: str, source: str, row: t.Mapping[str, t.Any]) -> None:
        """Take in one row of one host. Raises TypeError or ValueError if it has a wrong shape."""
        banned_at, expires_at = int(row["banned_at"]), row.get("expires_at")
        until = 0 if expires_at is None else int(expires_at)
        self.permanent = self.permanent or expires_at is None
        self.until = max(self.until, until)
        if not self.hosts or self.hosts[-1] != host:
            self.hosts.append(host)
        if source not in self.sources:
            self.sources.append(source)
        self.since = min(self.since, banned_at)
        reason = row.get("reason")
        if reason and banned_at > self.reasoned:  # one without a reason, such as fail2ban's, hides nobody else's
            self.reasoned, self.reason = banned_at, clean(reason)
        packets = row.get("packets")
        if isinstance(packets, int):
            self.packets = (self.packets or 0) + integer(packets)

    def finish(self, network: str, country: str) -> dict[str, t.Any]:
        """The row of the report."""
        result: dict[str, t.Any] = {
            "network": network,
            "country": country,
            "hosts": self.hosts,
            "sources": sorted(self.sources),
            "reason": self.reason,
            "since": iso(self.since),
            "until": PERMANENT if self.permanent else iso(self.until),
        }
        if self.packets is not None:
            result["packets"] = self.packets
        return result


class _Reader:
    """Takes in the rows of hosts; networks and sources are looked at once, however many hosts name them."""

    def __init__(self) -> None:
        self.networks: Networked = {}
        self._parsed: dict[str, tuple[str, Key] | None] = {}
        self._sources: dict[str, str] = {}

    def take_in(self, host: str, facts: t.Mapping[str, t.Any]) -> int:
        """Add the rows of a host; the answer is how many had a wrong shape."""
        unreadable = 0
        rows = rows_of(facts.get("bans"))
        if rows is None:
            return 1
        for row in rows:
            try:
                text = row["network"]
                if text not in self._parsed:
                    self._parsed[text] = parse(text)
                found = self._parsed[text]
                if found is None:
                    raise ValueError(text)
                merged = self.networks.get(found[0])
                if merged is None:
                    merged = _Merged(found[1])
                merged.add(host, self._source(row.get("source")), row)
                # Only now: a row of a wrong shape leaves no network that nobody names.
                self.networks[found[0]] = merged
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
                unreadable += 1
        return unreadable

    def _source(self, given: t.Any) -> str:
        if not isinstance(given, str):
            return clean(given, limit=120) or "unknown"
        if given not in self._sources:
            self._sources[given] = clean(given, limit=120) or "unknown"
        return self._sources[given]


def merge(
    results: t.Mapping[str, t.Any],
    *,
    now: float,
    previous: t.Any = None,
    country_db: str = "",
    min_hosts: int = MIN_HOSTS,
    min_addresses: int = MIN_ADDRESSES,
    spare: t.Iterable[t.Any] = (),
) -> dict[str, t.Any]:
    """One report over all hosts.

    ``results`` maps a host's name to the facts of ``ban_facts``, to a registered result of that task, or to None for a
    host that was not reached. ``now`` is the epoch second the report is dated with, ``previous`` the report before this
    one (a mapping, its JSON text, or nothing), ``country_db`` the path of a database of countries. ``min_hosts`` and
    ``min_addresses`` are thresholds of proposals, see ``propose``; what the hosts have whitelisted and the networks in
    ``spare`` are never proposed, whatever else stands there is passed over.
    """
    reader, history = _Reader(), History()
    hosts = []
    white: set[str] = set()
    for name in sorted(results):
        facts, state, message = facts_of(results[name])
        host = host_line(name, facts, state, message)
        if facts is not None:
            white.update(whitelisted(facts, now=now))
            history.take_in(facts)
            unreadable = reader.take_in(host["name"], facts)
            if unreadable:
                host["problems"].append(f"{unreadable} unreadable rows were left out")
        hosts.append(host)
    networks = reader.networks
    del reader  # of a large fleet it holds much that is of no use any more
    before = Previous(previous, {host["name"] for host in hosts if host["state"] not in UNKNOWN})
    with contextlib.closing(Countries(country_db)) as countries:
        rows = _rows(networks, countries)
        known = bool(countries)
        notes = [note for note in (before.note, countries.note, history.note) if note]
    bans = [ban for _key, ban in rows]
    before.compare(bans)
    for ban in bans:
        ban["times"] = max(ban["times"], history.times.get(ban["network"], 0))
    return {
        "schema": SCHEMA,
        "generated_at": iso(now),
        "notes": notes,
        "summary": summarise(bans, hosts, before, history, now=now, countries=known),
        "proposals": propose(
            rows, min_hosts=min_hosts, min_addresses=min_addresses, spared=networks_of([*white, *spare])
        ),
        "hosts": hosts,
        "bans": bans,
        "past": recent(before.gone(bans), now=now),
    }


def _rows(networks: Networked, countries: Countries) -> list[tuple[Key, dict[str, t.Any]]]:
    """The rows of the report with their keys, newest first; those inside a banned network name it."""
    order = sorted(networks, key=lambda network: (-networks[network].since, network))
    wide = Networks(merged.key for merged in networks.values())
    rows = []
    for network in order:
        merged = networks.pop(network)  # one of the two is enough
        row = merged.finish(network, countries.of(merged.key))
        around = wide.covering(merged.key)
        if around is not None:
            row["covered_by"] = text_of(around)
        rows.append((merged.key, row))
    return rows
