# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, parsed and bounded: what passed here is typed, canonical and small enough."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stockade import durations
from stockade.addresses import Network, parse_network
from stockade.protocol import INVALID, ProtocolError
from stockade.text import reason as parse_reason
from stockade.warden.policy import WIDEST_WHITELIST

DEFAULT: Literal["default"] = "default"  # no duration in the request: the configured one
MAX_ENTRIES = 200_000
MAX_ABOUT = 64  # characters
LATEST = 253_402_300_799  # epoch seconds: the end of the year 9999, behind which no date can be shown
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SOURCE = re.compile(r"operator|fleet|(?:watcher|fail2ban|list)/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_DIGEST = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_FIELDS: dict[str, frozenset[str]] = {
    "status": frozenset(),
    "bans": frozenset({"limit", "covering", "source", "packets"}),
    "why": frozenset({"address"}),
    "history": frozenset({"since", "limit", "each"}),
    "whitelist": frozenset(),
    "changes": frozenset({"after", "limit"}),
    "ban": frozenset({"bans", "force", "on_refused", "check"}),
    "unban": frozenset({"networks", "all", "source", "check"}),
    "alarm": frozenset({"about", "text", "check"}),
    "permanent_bans": frozenset({"list", "entries", "digest", "prune", "force", "on_refused", "check"}),
    "whitelist_set": frozenset({"list", "entries", "digest", "prune", "remove", "renew", "check"}),
    "release": frozenset({"check"}),
    "resume": frozenset({"check"}),
}
_LISTED_KEYS = frozenset({"network", "duration", "expires_at", "reason"})
_BAN_KEYS = _LISTED_KEYS | {"source", "id", "origin"}
_WHITELIST_KEYS = frozenset({"network", "duration", "expires_at", "comment"})
_VERBS = {
    "ban": "ban ",
    "permanent_bans": "ban ",
    "unban": "unban ",
    "whitelist_set": "whitelist ",
    "alarm": "tell an alarm: ",
}


class BanRequest(NamedTuple):
    """One wanted ban; `duration` in seconds, None permanent, DEFAULT the configured one.

    `expires_at` (epoch seconds) stands for a duration where the end is what was asked for.
    """

    network: Network
    duration: int | None | Literal["default"] = None
    expires_at: int | None = None
    reason: str = ""
    source: str | None = None
    id: str | None = None
    origin: str | None = None  # of a ban of the fleet: the host where it was decided


class WhitelistRequest(NamedTuple):
    """One wanted whitelist entry; `duration` in seconds, None unlimited; or `expires_at` in epoch seconds."""

    network: Network
    comment: str = ""
    duration: int | None = None
    expires_at: int | None = None


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
    packets: bool = False
    each: bool = False
    limit: int = 100
    after: int = 0
    since: int = 0
    list_name: str = "operator"
    digest: str = ""
    asks_only: bool = False  # a digest without entries: is the list as it was declared by it?
    source: str | None = None
    covering: Network | None = None
    about: str = ""
    text: str = ""
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
        raise ProtocolError(INVALID, f"cannot {_VERBS.get(op, 'use ')}{error}") from None


def _parse(op: str, message: dict[str, Any]) -> Request:
    permanent, whitelist = op == "permanent_bans", op == "whitelist_set"
    covering = message.get("address" if op == "why" else "covering")
    digest = _named(message, "digest", _DIGEST) or ""
    entries = _entries(message, "bans" if op == "ban" else "entries")
    return Request(
        op=op,
        check=_flag(message, "check"),
        force=_flag(message, "force"),
        skip_refused=_choice(message, "on_refused", ("fail", "skip")) == "skip",
        prune=_flag(message, "prune", default=permanent),
        renew=_flag(message, "renew"),
        everything=_flag(message, "all"),
        packets=_flag(message, "packets"),
        each=_flag(message, "each"),
        limit=_number(message, "limit", default=100, most=MAX_ENTRIES),
        after=_number(message, "after", default=0, most=1 << 62),
        since=_number(message, "since", default=0, most=1 << 40),
        list_name=_named(message, "list", _NAME) or "operator",
        digest=digest,
        asks_only=bool(digest) and "entries" not in message,
        source=_named(message, "source", _SOURCE),
        covering=parse_network(covering) if covering is not None or op == "why" else None,
        about=_about(message.get("about")) if op == "alarm" else "",
        text=_alarm_text(message.get("text")) if op == "alarm" else "",
        bans=() if whitelist else tuple(_ban(entry, permanent) for entry in entries),
        entries=tuple(map(_whitelisted, entries)) if whitelist else (),
        networks=tuple(
            dict.fromkeys(parse_network(text) for key in ("networks", "remove") for text in _entries(message, key))
        ),
    )


def _entries(message: dict[str, Any], key: str) -> list[Any]:
    entries = message.get(key, [])
    if not isinstance(entries, list):
        raise ValueError(f"{key}: a list is needed")
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"{key}: {len(entries)} entries at once (at most {MAX_ENTRIES})")
    return entries


def _ban(entry: Any, permanent: bool) -> BanRequest:
    unsaid = None if permanent else DEFAULT
    if isinstance(entry, str):
        return BanRequest(parse_network(entry), unsaid)
    _check_entry(entry, _LISTED_KEYS if permanent else _BAN_KEYS)
    network = parse_network(entry.get("network"))
    try:
        duration, expires_at = _end(entry, unsaid)
        wanted = BanRequest(network, duration, expires_at, parse_reason(entry.get("reason") or ""))
        if permanent:
            return wanted
        return wanted._replace(
            source=_named(entry, "source", _SOURCE),
            id=_named(entry, "id", _ID),
            origin=_named(entry, "origin", _ID),
        )
    except ValueError as error:
        raise ValueError(f"{network}: {error}") from None


def _whitelisted(entry: Any) -> WhitelistRequest:
    if isinstance(entry, str):
        entry = {"network": entry}
    _check_entry(entry, _WHITELIST_KEYS)
    network = parse_network(entry.get("network"))
    try:
        if network.prefixlen < WIDEST_WHITELIST[network.version]:
            raise ValueError(f"wider than /{WIDEST_WHITELIST[network.version]}")
        duration, expires_at = _end(entry, None)
        assert not isinstance(duration, str)
        comment = parse_reason(entry.get("comment") or "", "comment")
        return WhitelistRequest(network, comment, duration, expires_at)
    except ValueError as error:
        raise ValueError(f"{network}: {error}") from None


def _end(
    entry: dict[str, Any], unsaid: Literal["default"] | None
) -> tuple[int | None | Literal["default"], int | None]:
    """Duration and end of an entry, at most one of them given."""
    duration, expires_at = entry.get("duration"), entry.get("expires_at")
    if duration is not None and expires_at is not None:
        raise ValueError("either a duration or an end, not both")
    if expires_at is not None:
        return None, _number(entry, "expires_at", default=0, most=LATEST)
    return unsaid if duration is None else durations.parse(duration), None


def _check_entry(entry: Any, known: frozenset[str]) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{str(entry)[:40]!r}: each entry is an object with a network")
    if unknown := entry.keys() - known:
        raise ValueError(f"{str(entry.get('network'))[:80]}: unknown key {sorted(unknown)[0][:40]!r}")


def _about(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ABOUT or not value.isprintable():
        raise ValueError(f"about: 1 to {MAX_ABOUT} printable characters are needed")
    return value


def _alarm_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text: 1 to 200 characters are needed")
    return parse_reason(value, "text")


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


def _number(message: dict[str, Any], key: str, *, default: int, most: int) -> int:
    value = message.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{key}: a number from 0 to {most} is needed")
    return value
