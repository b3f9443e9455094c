# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table `inet stockade` in nft's own language. Texts are made of parsed networks and numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stockade.addresses import Network, between, merged
from stockade.warden.ruleset import Element

TABLE = "stockade"
CHAIN = "prerouting"
PRIORITY = -310  # raw - 10: before connection tracking, so floods cost little and forwarded ports are covered

BASE = f"""
add table inet {TABLE}
add set inet {TABLE} whitelist4 {{ type ipv4_addr; flags interval; }}
add set inet {TABLE} whitelist6 {{ type ipv6_addr; flags interval; }}
add chain inet {TABLE} {CHAIN} {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}
flush chain inet {TABLE} {CHAIN}
add rule inet {TABLE} {CHAIN} iif lo return
add rule inet {TABLE} {CHAIN} fib saddr type local return
add rule inet {TABLE} {CHAIN} icmpv6 type {{ 133, 134, 135, 136, 137 }} return
add rule inet {TABLE} {CHAIN} ip saddr {{ 0.0.0.0, 169.254.0.0/16 }} return
add rule inet {TABLE} {CHAIN} ip6 saddr {{ ::, fe80::/10 }} return
add rule inet {TABLE} {CHAIN} ip saddr @whitelist4 return
add rule inet {TABLE} {CHAIN} ip6 saddr @whitelist6 return
"""

REMOVE = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"

_BAN_SET = re.compile(r"ban([46])_([0-9]{1,3})")
SetKey = tuple[int, int]  # (IP version, prefix length)


def ban_set(name: str) -> SetKey | None:
    """What a set of this name holds, None if it is none of ours."""
    ours = _BAN_SET.fullmatch(name)
    if ours is None or int(ours[2]) > (32 if ours[1] == "4" else 128):
        return None
    return int(ours[1]), int(ours[2])


def set_name(key: SetKey) -> str:
    """The name of the set for one prefix length."""
    return f"ban{key[0]}_{key[1]}"


def ban_set_and_rule(key: SetKey) -> str:
    """The set of one prefix length and its lookup; the counter is what `packets` reads."""
    version, length = key
    kind, family = ("ipv4_addr", "ip") if version == 4 else ("ipv6_addr", "ip6")
    network = Network(version, 0, length)
    mask = "" if length == network.max_prefixlen else f" & {network.netmask}"
    return (
        f"add set inet {TABLE} {set_name(key)} {{ type {kind}; flags timeout; counter; }}\n"
        f"add rule inet {TABLE} {CHAIN} {family} saddr{mask} @{set_name(key)} drop\n"
    )


def whitelist(networks: Iterable[Network]) -> str:
    """Interval sets refuse overlaps, so the networks are merged first; the set is small and replaced as a whole."""
    script = ""
    passing = list(networks)
    for version in (4, 6):
        script += f"flush set inet {TABLE} whitelist{version}\n"
        if elements := ", ".join(map(str, merged(network for network in passing if network.version == version))):
            script += f"add element inet {TABLE} whitelist{version} {{ {elements} }}\n"
    return script


def intervals(elements: Iterable[Element]) -> Iterator[Network]:
    """The networks of an interval set, which the kernel lists by their first addresses and the ones behind them."""
    first = None
    for element in sorted(elements, key=lambda element: element.key):
        if element.interval_end:
            if first is not None:
                yield from between(first, element.key)
            first = None
        else:
            first = element.key
    if first is not None:
        yield from between(first, None)
