# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host said: its facts or why there are none, and its own line of the report.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

from ansible_collections.stockade.fleet.plugins.plugin_utils._report_networks import parse
from ansible_collections.stockade.fleet.plugins.plugin_utils._report_text import clean

SCHEMA = 1
# State of a host in the report, best first; what follows the first is worth a look.
STATES = ("enforcing", "fail2ban only", "released", "degraded", "unprotected", "failed", "unreachable")
# Those a warden may say of itself; the others are ours to say.
_OF_WARDEN = ("enforcing", "released", "degraded")
# Hosts in these states said nothing about bans.
UNKNOWN = ("failed", "unreachable")
_LARGEST = 1 << 62  # of any figure; sums of these are still numbers that Python writes
# What Ansible says of every host that it cannot reach, before it says why.
_NO_WAY = re.compile(
    r"(Data could not be sent to remote host \"[^\"]*\"\. Make sure this host can be reached over ssh"
    r"|Failed to connect to the host via ssh): (?=.)"
)


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
    return _NO_WAY.sub("", " ".join(words[2:] if words[:2] == ["Task", "failed:"] else words), count=1)


def host_line(name: str, facts: t.Mapping[str, t.Any] | None, state: str, message: str) -> dict[str, t.Any]:
    """The host's own line of the report; ``state`` and ``message`` are those of ``facts_of``."""
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
    warden, fail2ban, summary = (mapping(facts.get(key)) for key in ("warden", "fail2ban", "summary"))
    status = mapping(warden.get("status"))
    host["state"], host["message"] = _state(warden, fail2ban, status)
    host["bans"] = integer(summary.get("bans"))
    host["truncated"] = facts.get("truncated") is True
    host["by_source"] = {clean(key): integer(value) for key, value in mapping(summary.get("by_source")).items()}
    host["jails"] = [_jail(jail) for jail in _mappings(facts.get("jails"))]
    host["services"] = [_scalars(service) for service in _mappings(facts.get("services"))]
    host["whitelist"] = len(rows_of(facts.get("whitelist")) or ())
    host["problems"] = _texts(status.get("problems"))
    host["problems"] += [
        f"{service.get('name')} has failed" for service in host["services"] if service.get("failed") is True
    ]
    damage = clean(fail2ban.get("database_problem"))
    if damage:
        host["problems"].append(f"fail2ban's database cannot be read: {damage}")
    return host


def remarks(host: t.Mapping[str, t.Any]) -> list[str]:
    """What there is to say about a host of the report, what is broken before what is not there."""
    return [text for text in [*host["problems"], host["message"]] if text]


def _state(
    warden: t.Mapping[str, t.Any], fail2ban: t.Mapping[str, t.Any], status: t.Mapping[str, t.Any]
) -> tuple[str, str]:
    if warden.get("available") is True:
        state = clean(status.get("state"), limit=20)
        return (state, "") if state in _OF_WARDEN else ("degraded", f"the warden says {state or 'nothing'}")
    reason = clean(warden.get("reason"), limit=300)
    if warden.get("installed") is True:
        return "degraded", reason
    return ("fail2ban only", reason) if fail2ban.get("available") is True else ("unprotected", reason)


def loaded(value: t.Any) -> t.Any:
    """What a JSON text says, None if it says nothing; anything but a text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (RecursionError, ValueError):
        return None


def rows_of(bans: t.Any) -> list[t.Any] | None:
    """A list of bans or whitelist entries, which travels as one JSON text; None if it is none."""
    bans = loaded(bans)
    return list(bans) if isinstance(bans, (list, tuple)) else None


def whitelisted(facts: t.Mapping[str, t.Any], *, now: float) -> list[str]:
    """The networks that are on the host's whitelist at that epoch second."""
    entries = [entry for entry in rows_of(facts.get("whitelist")) or () if isinstance(entry, t.Mapping)]
    ends = [(entry.get("network"), entry.get("expires_at")) for entry in entries]
    return [name for name, end in ends if isinstance(name, str) and (not isinstance(end, (int, float)) or end > now)]


def _jail(jail: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The plain values of a jail, and the addresses it holds."""
    held = jail.get("banned")
    found = [parse(text) for text in held] if isinstance(held, (list, tuple)) else []
    return {**_scalars(jail), "banned": [network[0] for network in found if network]}


def mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, t.Mapping) else {}


def _mappings(value: t.Any) -> list[t.Mapping[str, t.Any]]:
    return [item for item in value if isinstance(item, t.Mapping)] if isinstance(value, (list, tuple)) else []


def _texts(value: t.Any) -> list[str]:
    return [clean(item) for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []


def integer(value: t.Any) -> int:
    """A number of another host, 0 if it is none.

    1e999 and NaN are floats to JSON and no numbers to us; one of a thousand digits is neither a float nor a text.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
    return int(value) if number else 0


def _scalars(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Only the plain values of a mapping, their text bounded."""
    return {
        clean(key, limit=60): clean(item) if isinstance(item, str) else item
        for key, item in value.items()
        if item is None or isinstance(item, (bool, int, str)) or (isinstance(item, float) and math.isfinite(item))
    }
