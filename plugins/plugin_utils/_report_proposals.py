# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permanent bans that the report proposes, and the YAML to declare them.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import (
    RESERVED,
    Key,
    Networks,
    networks_of,
    text_of,
    widened,
)
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import PERMANENT, count

MOST = 200
# Addresses of one of these are taken to be one party's.
_COMMON = {4: 24, 6: 64}
# But not here: a /64 of NAT64 (RFC 6052, RFC 8215) is all of IPv4, one of Teredo every client of a server.
_SHARED = networks_of(("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32"))

Row = t.Tuple[Key, t.Mapping[str, t.Any]]


def propose(rows: t.Sequence[Row], *, min_hosts: int, min_addresses: int, spared: Networks) -> list[dict[str, t.Any]]:
    """Networks that deserve a permanent ban, the widest spread first.

    A /24 or /64 does in which at least ``min_addresses`` narrower networks are banned, and an address that at least
    ``min_hosts`` hosts have banned; 0 turns that off. Never one that has an address in common with ``spared`` or with
    private and reserved ranges, no /64 of many parties, and none that is permanently banned already.
    """
    permanent = Networks(key for key, ban in rows if ban["until"] == PERMANENT)
    found: list[tuple[Key, int, int]] = []
    if min_addresses > 0:
        found += _common(rows, min_addresses)
    covered = Networks(key for key, _addresses, _hosts in found if _may(key, spared, permanent))
    if min_hosts > 0:
        found += [
            (key, 1, len(ban["hosts"]))
            for key, ban in rows
            if len(ban["hosts"]) >= min_hosts and key[2] >= _COMMON[key[0]]
        ]
    proposals = [
        {"network": text_of(key), "addresses": addresses, "hosts": hosts, "reason": _reason(addresses, hosts)}
        for key, addresses, hosts in found
        if _may(key, spared, permanent) and not covered.covering(key)
    ]
    proposals.sort(key=lambda one: (-t.cast(int, one["hosts"]), -t.cast(int, one["addresses"]), one["network"]))
    return _once(proposals)[:MOST]


def _may(key: Key, spared: Networks, permanent: Networks) -> bool:
    if RESERVED.touches(key) or spared.touches(key):
        return False
    if key[2] <= _COMMON[key[0]] and _SHARED.touches(key):
        return False
    return not permanent.has(key) and permanent.covering(key) is None


def _common(rows: t.Sequence[Row], least: int) -> list[tuple[Key, int, int]]:
    """The /24s and /64s with so many banned networks in them, how many these are, and on how many hosts."""
    inside: dict[Key, list[t.Mapping[str, t.Any]]] = {}
    for key, ban in rows:
        length = _COMMON[key[0]]
        if key[2] > length:
            inside.setdefault(widened(key, length), []).append(ban)
    return [
        (key, len(bans), len({host for ban in bans for host in ban["hosts"]}))
        for key, bans in inside.items()
        if len(bans) >= least
    ]


def _reason(addresses: int, hosts: int) -> str:
    what = "banned" if addresses == 1 else "%s banned" % count(addresses, "address", "addresses")
    return "%s on %s" % (what, count(hosts, "host"))


def _once(proposals: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """A /24 that is banned itself and holds banned addresses is one proposal."""
    return list({one["network"]: one for one in reversed(proposals)}.values())[::-1]


def snippet(report: t.Mapping[str, t.Any]) -> str:
    """The proposals of a merged report as YAML for the variables of the role ``bans``. Nothing in it is from a host."""
    proposals = report["proposals"]
    if not proposals:
        return "stockade_permanent_bans: []\n"
    day = report["generated_at"][:10]
    lines = ["stockade_permanent_bans:"]
    for one in proposals:
        lines += ['  - network: "%s"' % one["network"], "    reason: %s, %s" % (one["reason"], day)]
    return "\n".join(lines) + "\n"
