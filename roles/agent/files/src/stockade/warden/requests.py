# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, parsed and bounded: what passed here is typed, canonical and small enough."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from stockade import durations
from stockade.addresses import Network, format_network, parse_network
from stockade.protocol import INVALID, ProtocolError
from stockade.text import reason as parse_reason
from stockade.warden.policy import WIDEST_WHITELIST

DEFAULT: Literal["default"] = "default"  # no duration in the request: the configured one
MAX_ENTRIES = 200_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SOURCE = re.compile(r"operator|fleet|(?:watcher|fail2ban|list)/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_FIELDS: dict[str, frozenset[str]] = {
    "status": frozenset(),
    "bans": frozenset({"limit", "covering", "source"}),
    "whitelist": frozenset(),
    "ban": frozenset({"bans", "force", "on_refused", "check"}),
    "unban": frozenset({"networks", "all", "source", "check"}),
    "permanent_bans": frozenset({"list", "entries", "prune", "absent", "force", "on_refused", "check"}),
    "whitelist_set": frozenset({"list", "entries", "prune", "remove", "renew", "check"}),
    "release": frozenset({"check"}),
    "resume": frozenset({"check"}),
}


@dataclass(frozen=True, slots=True)
class BanRequest:
    """One wanted ban; `duration` in seconds, None permanent, DEFAULT the configured one."""

    network: Network
    duration: int | None | Literal["default"]
    reason: str
    source: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class WhitelistRequest:
    """One wanted whitelist entry; `duration` in seconds, None unlimited."""

    network: Network
    comment: str
    duration: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """One parsed request; fields that its operation does not have keep their defaults."""

    op: str
    check: bool = False
    force: bool = False
    skip_refused: bool = False
    prune: bool = False
    renew: bool = False
    everything: bool = False
    limit: int = 100
    list_name: str = "operator"
    source: str | None = None
    covering: Network | None = None
    bans: tuple[BanRequest, ...] = ()
    entries: tuple[WhitelistRequest, ...] = ()
    networks: tuple[Network, ...] = ()


def parse(message: dict[str, Any]) -> Request:
    """The request of a message. Raises ProtocolError(INVALID) naming the entry and the reason."""
    op = message.get("op")
    if not isinstance(op, str) or op not in _FIELDS:
        raise ProtocolError(INVALID, f"unknown operation {str(op)[:40]!r}")
    unknown = message.keys() - _FIELDS[op] - {"v", "op"}
    if unknown:
        raise ProtocolError(INVALID, f"{op} knows no {sorted(unknown)[0][:40]!r}")
    try:
        return _parse(op, message)
    except ValueError as error:
        verb = {"ban": "ban ", "permanent_bans": "ban ", "unban": "unban ", "whitelist_set": "whitelist "}.get(
            op, "use "
        )
        raise ProtocolError(INVALID, f"cannot {verb}{error}") from None


def _parse(op: str, message: dict[str, Any]) -> Request:
    ban_key = "bans" if op == "ban" else "entries"
    permanent = op == "permanent_bans"
    covering = message.get("covering")
    return Request(
        op=op,
        check=_flag(message, "check"),
        force=_flag(message, "force"),
        skip_refused=_choice(message, "on_refused", ("fail", "skip")) == "skip",
        prune=_flag(message, "prune", default=permanent),
        renew=_flag(message, "renew"),
        everything=_flag(message, "all"),
        limit=_limit(message.get("limit", 100)),
        list_name=_named(message, "list", _NAME) or "operator",
        source=_named(message, "source", _SOURCE),
        covering=None if covering is None else parse_network(covering),
        bans=tuple(_ban(entry, permanent) for entry in _entries(message, ban_key)) if op != "whitelist_set" else (),
        entries=tuple(_whitelisted(entry) for entry in _entries(message, "entries")) if op == "whitelist_set" else (),
        networks=tuple(parse_network(text) for key in ("networks", "remove") for text in _entries(message, key)),
    )


def _entries(message: dict[str, Any], key: str) -> list[Any]:
    entries = message.get(key, [])
    if not isinstance(entries, list):
        raise ValueError(f"{key}: a list is needed")
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"{key}: {len(entries)} entries at once (at most {MAX_ENTRIES})")
    return entries


def _ban(entry: Any, permanent: bool) -> BanRequest:
    _check_entry(entry, {"network", "duration", "reason"} | (set() if permanent else {"source", "id"}))
    network = parse_network(entry.get("network"))
    duration = entry.get("duration")
    try:
        return BanRequest(
            network=network,
            duration=(None if permanent else DEFAULT) if duration is None else durations.parse(duration),
            reason=parse_reason(entry.get("reason") or ""),
            source=_named(entry, "source", _SOURCE),
            id=_named(entry, "id", _ID),
        )
    except ValueError as error:
        raise ValueError(f"{format_network(network)}: {error}") from None


def _whitelisted(entry: Any) -> WhitelistRequest:
    _check_entry(entry, {"network", "duration", "comment"})
    network = parse_network(entry.get("network"))
    if network.prefixlen < WIDEST_WHITELIST[network.version]:
        raise ValueError(f"{format_network(network)}: wider than /{WIDEST_WHITELIST[network.version]}")
    duration = entry.get("duration")
    return WhitelistRequest(
        network=network,
        comment=parse_reason(entry.get("comment") or ""),
        duration=None if duration is None else durations.parse(duration),
    )


def _check_entry(entry: Any, known: set[str]) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{str(entry)[:40]!r}: each entry is an object with a network")
    if unknown := entry.keys() - known:
        raise ValueError(f"{str(entry.get('network'))[:80]}: unknown key {sorted(unknown)[0][:40]!r}")


def _flag(message: dict[str, Any], key: str, *, default: bool = False) -> bool:
    value = message.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{key}: true or false is needed")
    return value


def _choice(message: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = message.get(key, choices[0])
    if value not in choices:
        raise ValueError(f"{key}: one of {', '.join(choices)} is needed")
    return str(value)


def _named(message: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{key}: {str(value)[:40]!r} is not a valid {key}")
    return value


def _limit(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ENTRIES:
        raise ValueError(f"limit: a number from 0 to {MAX_ENTRIES} is needed")
    return value
