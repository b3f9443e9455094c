# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ban_facts` would say on many hosts: made up, always the same, and of the shape and size of the real thing.

Addresses are of 198.18.0.0/15, which is for benchmarks, and of 2001:db8::/32.
"""

from __future__ import annotations

import ipaddress
import json
import random
from typing import Any

NOW = 1_795_724_460
_DAY = 86_400
_SOURCES = {
    "watcher/requests": ("%d requests in 60 s", 30),
    "fail2ban/sshd": ("", 24),
    "watcher/probes": ("%d probes in 10 min, last /wp-login.php", 16),
    "watcher/logins": ("%d failed logins in 10 min", 12),
    "fail2ban/apache-auth": ("", 6),
    "list/site": ("mass scanner", 5),
    "fail2ban/recidive": ("", 4),
    "operator": ("flood on the shop", 2),
    "fleet": ("seen elsewhere", 1),
}
_NAMES = ("web", "mail", "shop", "db", "edge")


def fleet(*, hosts: int, bans: int, distinct: bool = False, now: int = NOW) -> dict[str, Any]:
    """Host to what would be registered of it.

    Some attackers are seen by nearly all hosts and others by a few; with `distinct` every ban is of another address.
    One host in 250 is unreachable, others are degraded, or have fail2ban alone.
    """
    random_ = random.Random(7)
    attackers = [_attacker(random_) for _number in range(max(1, hosts * bans // 8))] if not distinct else []
    # An attacker comes to all hosts within hours, most of them in the last days.
    began = {network: now - int(random_.expovariate(1 / (3 * _DAY))) for network in attackers}
    results: dict[str, Any] = {}
    for number in range(hosts):
        name = f"{_NAMES[number % len(_NAMES)]}{number // len(_NAMES) + 1:03}.example.net"
        if number % 250 == 249:
            results[name] = {"unreachable": True, "msg": "Task failed: Connection timed out", "changed": False}
            continue
        if distinct:
            networks = [f"2001:db8:{number:x}:{serial:x}::1" for serial in range(bans)]
        else:
            picked = {attackers[int(len(attackers) * random_.random() ** 2.2)] for _serial in range(bans * 2)}
            networks = sorted(picked)
            random_.shuffle(networks)
        times = {network: began.get(network, now - _DAY) for network in networks[:bans]}
        results[name] = _answer(random_, name, number, times, now)
    return results


def _attacker(random_: random.Random) -> str:
    kind = random_.random()
    address = 0xC6120000 + random_.randrange(1 << 17)
    if kind < 0.03:
        return str(ipaddress.ip_network((address >> 8 << 8, 24)))
    if kind < 0.15:
        party = (0x20010DB8 << 96) + (random_.randrange(1 << 14) << 64)
        return str(ipaddress.IPv6Address(party + random_.randrange(9)))
    return str(ipaddress.IPv4Address(address))


def _answer(random_: random.Random, name: str, number: int, times: dict[str, int], now: int) -> dict[str, Any]:
    rows = [_row(random_, name, network, began, now) for network, began in times.items()]
    rows.sort(key=lambda row: -int(row["banned_at"]))
    networks = list(times)
    state = "degraded" if number % 97 == 96 else "enforcing"
    status = {"state": state, "problems": ["nft: table is not ours"] if state == "degraded" else [], "version": "0.1.0"}
    agent = number % 41 != 40
    facts = {
        "schema": 1,
        "collected_at": now,
        "bans": json.dumps(rows, separators=(",", ":")),
        "truncated": False,
        "summary": {"bans": len(rows), "networks": len(rows), "by_source": {}, "complete": True},
        "warden": {"installed": agent, "available": agent, "reason": "", "status": status if agent else {}},
        "fail2ban": {"available": True, "reason": "", "version": "1.1.0"},
        "jails": [
            {
                "name": jail,
                "currently_failed": 3,
                "total_failed": 900,
                "currently_banned": 20,
                "total_banned": 300,
                "logpaths": [],
                "journalmatches": [],
                "banned": [network for network in networks[:20] if "/" not in network],
            }
            for jail in ("sshd", "apache-auth", "recidive")
        ],
        "services": [
            {"name": unit, "load": "loaded", "active": "active", "sub": "running", "failed": False, "restarts": 0}
            for unit in ("stockade-warden.service", "stockade-watcher.service", "fail2ban.service", "ssh.service")
        ],
        "whitelist": json.dumps(
            [
                {"network": text, "comment": "", "list": "site", "expires_at": None}
                for text in ("192.0.2.0/24", f"10.0.{number % 256}.0/24", "198.18.7.7")
            ]
        ),
        "watcher": {"available": True, "reason": "", "status": {"state": "running"}},
    }
    return {"ansible_facts": {"stockade": facts}, "changed": False}


def _row(random_: random.Random, host: str, network: str, began: int, now: int) -> dict[str, Any]:
    source = random_.choices(list(_SOURCES), weights=[weight for _text, weight in _SOURCES.values()])[0]
    text = _SOURCES[source][0]
    banned_at = min(now, began + random_.randrange(4 * 3600))
    permanent = source == "list/site" or random_.random() < 0.01
    return {
        "id": f"{random_.getrandbits(64):016x}",
        "network": network,
        "source": source,
        "origin": host,
        "reason": text % random_.randrange(31, 900) if "%d" in text else text,
        "banned_at": banned_at,
        "expires_at": None if permanent else now + random_.randrange(600, 7 * _DAY),
    }
