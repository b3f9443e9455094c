# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes bans and whitelist: check with the policy, record in the registry, enforce, in this order.

An answer without error means that the change is durably recorded and accepted by the kernel; anything less is an error
that names the missing half. With `check` the answer is the same and nothing happens.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from stockade.addresses import Network, format_network
from stockade.protocol import DENIED, REFUSED, UNAVAILABLE, ProtocolError
from stockade.warden import requests
from stockade.warden.callers import Caller
from stockade.warden.config import WardenConfig
from stockade.warden.enforcement import Enforcement
from stockade.warden.policy import Policy, Surroundings
from stockade.warden.registry import Ban, Registry, WhitelistEntry
from stockade.warden.requests import BanRequest, Request

Answer = dict[str, Any]
SHOWN = 100  # entries of a list that an answer shows; the counts are of all


class Changes:
    """The four operations that change something. `clock` returns epoch seconds."""

    def __init__(
        self,
        *,
        registry: Registry,
        enforcement: Enforcement,
        config: WardenConfig,
        clock: Callable[[], float],
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self._registry = registry
        self._enforcement = enforcement
        self._config = config
        self._clock = clock
        self._surroundings = surroundings

    def ban(self, caller: Caller, request: Request) -> Answer:
        """Ban what the policy allows, all of it or, with `on_refused: skip`, the rest."""
        now, policy, results = self._now(), self._policy(), []
        put: dict[tuple[Network, str], Ban] = {}
        for wanted in request.bans:
            source = self._source(caller, wanted.source)
            refusal = policy.refusal(wanted.network, caller=caller, operator=source == "operator", force=request.force)
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {format_network(wanted.network)}: {refusal}")
            if refusal:
                results.append(_result(wanted.network, "refused", message=refusal))
                continue
            fresh, held = self._fresh(wanted, source, now), self._held(wanted.network, source, now)
            if wanted.id and (self._registry.known_id(wanted.id) or wanted.id in {ban.id for ban in put.values()}):
                message = "" if held else "this ban was made before and lifted since"
                expires_at = held.expires_at if held else None
                results.append(_result(wanted.network, "unchanged", message=message, expires_at=expires_at))
                continue
            unchanged = held is not None and held.reason == fresh.reason and _same_end(held, fresh, now)
            ban = held if held and unchanged else fresh
            state = "unchanged" if unchanged else "renewed" if held else "banned"
            if not unchanged:
                put[ban.network, ban.source] = ban
            holes = policy.holes(wanted.network)
            results.append(_result(wanted.network, state, expires_at=ban.expires_at, holes=holes))
        if not request.check:
            self._carry_out(now, put=put.values(), wanted=bool(request.bans))
        return {"changed": bool(put), "results": results}

    def unban(self, caller: Caller, request: Request) -> Answer:
        """Lift the rows of networks, and say what still covers them."""
        now, results = self._now(), []
        end: list[Ban] = []
        source = None if caller.trusted and request.source is None else self._source(caller, request.source)
        if request.everything:
            end = self._registry.live(now, source=source)
            results = [_lifted(ban.network, [ban], []) for ban in end[:SHOWN]]
        for network in request.networks:
            rows = self._registry.live(now, network=network, source=source)
            remaining = [ban for ban in self._registry.covering(now, network) if ban not in rows]
            results.append(_lifted(network, rows, remaining))
            end += rows
        if not request.check:
            self._carry_out(now, end=end, ended_by=f"unban/{caller.name}")
        return {"changed": bool(end), "total": len(end), "results": results}

    def permanent_bans(self, caller: Caller, request: Request) -> Answer:
        """Make a list hold what is declared; a timed entry keeps its first end while it is declared unchanged."""
        now, policy, source = self._now(), self._policy(), f"list/{request.list_name}"
        held = {ban.network: ban for ban in self._registry.live(now, source=source)}
        wanted: dict[Network, BanRequest] = {}
        refused = []
        for entry in request.bans:
            refusal = policy.refusal(entry.network, caller=caller, operator=True, force=request.force)
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {format_network(entry.network)}: {refusal}")
            if refusal:
                refused.append({"network": format_network(entry.network), "message": refusal})
            else:
                wanted[entry.network] = entry
        put = []
        for network, entry in wanted.items():
            fresh, before = self._fresh(entry, source, now), held.get(network)
            if before is None or (before.reason, _duration(before)) != (fresh.reason, _duration(fresh)):
                put.append(fresh)
        end = [ban for network, ban in held.items() if network not in wanted] if request.prune else []
        if not request.check:
            self._carry_out(now, put=put, end=end, ended_by=f"left {source}", wanted=bool(wanted))
        return {
            "changed": bool(put or end),
            "added": _shown(put),
            "removed": _shown(end),
            "refused": refused[:SHOWN],
            "counts": {
                "added": len(put),
                "removed": len(end),
                "refused": len(refused),
                "total": len(wanted) if request.prune else len(held.keys() | wanted.keys()),
            },
        }

    def whitelist(self, caller: Caller, request: Request) -> Answer:
        """Make a whitelist hold what is declared, and lift the bans it covers."""
        now = self._now()
        held = {entry.network: entry for entry in self._registry.whitelist(now) if entry.list_name == request.list_name}
        wanted = {}
        for entry in request.entries:
            expires_at = None if entry.duration is None else now + entry.duration
            wanted[entry.network] = WhitelistEntry(entry.network, request.list_name, entry.comment, now, expires_at)
        put = [entry for network, entry in wanted.items() if not _holds(held.get(network), entry, now, request.renew)]
        drop = set(request.networks) | (held.keys() - wanted.keys() if request.prune else set())
        remove = [entry for network, entry in held.items() if network in drop and network not in wanted]
        lifted = {ban.id: ban for network in wanted for ban in self._registry.inside(now, network)}
        if not request.check:
            self._carry_out(
                now,
                end=lifted.values(),
                ended_by=f"whitelist/{request.list_name}",
                put_whitelist=put,
                end_whitelist=remove,
            )
        return {
            "changed": bool(put or remove or lifted),
            "added": _shown(put),
            "removed": _shown(remove),
            "lifted": [ban.wire() for ban in list(lifted.values())[:SHOWN]],
            "total": len(held.keys() - drop | wanted.keys()),
        }

    # inside

    def _now(self) -> int:
        return int(self._clock())

    def _policy(self) -> Policy:
        return Policy(
            whitelist=self._registry.whitelist(self._now()),
            surroundings=self._surroundings(),
            ban_private=self._config.ban_private,
        )

    def _source(self, caller: Caller, source: str | None) -> str:
        if caller.trusted:
            return source or "operator"
        if source is None or not source.startswith(caller.source_prefix):
            raise ProtocolError(DENIED, f"{caller.name} may only speak for {caller.source_prefix}…, not for {source!r}")
        return source

    def _fresh(self, wanted: BanRequest, source: str, now: int) -> Ban:
        duration = self._config.default_duration if wanted.duration == requests.DEFAULT else wanted.duration
        assert not isinstance(duration, str)
        return Ban(
            id=wanted.id or uuid.uuid4().hex,
            network=wanted.network,
            source=source,
            origin=self._config.origin,
            reason=wanted.reason,
            banned_at=now,
            expires_at=None if duration is None else now + duration,
        )

    def _held(self, network: Network, source: str, now: int) -> Ban | None:
        rows = self._registry.live(now, network=network, source=source)
        return next((ban for ban in rows if ban.origin == self._config.origin), None)

    def _carry_out(
        self,
        now: int,
        *,
        put: Iterable[Ban] = (),
        end: Iterable[Ban] = (),
        ended_by: str = "",
        put_whitelist: Iterable[WhitelistEntry] = (),
        end_whitelist: Iterable[WhitelistEntry] = (),
        wanted: bool = False,
    ) -> None:
        """Commit, then enforce; also where nothing changes, so that `unchanged` is only said of what is in force."""
        put, end, put_whitelist, end_whitelist = list(put), list(end), list(put_whitelist), list(end_whitelist)
        passing = bool(put_whitelist or end_whitelist)
        if put or end or passing:
            try:
                self._registry.change(
                    now=now,
                    put=put,
                    end=end,
                    ended_by=ended_by,
                    put_whitelist=put_whitelist,
                    end_whitelist=end_whitelist,
                )
            except sqlite3.Error as error:
                self._enforcement.hold_unrecorded(put=put, end=end)
                half = "NOT recorded" if passing else "in force, NOT recorded"
                raise ProtocolError(UNAVAILABLE, f"{half}: {error}") from None
        self._enforcement.hold(put=put, end=end, passing=passing, wanted=wanted)


def _result(
    network: Network, state: str, *, message: str = "", expires_at: int | None = None, holes: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "network": format_network(network),
        "state": state,
        "message": message,
        "expires_at": expires_at,
        "holes": list(holes),
    }


def _lifted(network: Network, rows: list[Ban], remaining: list[Ban]) -> dict[str, Any]:
    return {
        "network": format_network(network),
        "state": "lifted" if rows else "absent",
        "lifted": [ban.wire() for ban in rows],
        "remaining": [ban.wire() for ban in remaining],
    }


def _shown(rows: list[Ban] | list[WhitelistEntry]) -> list[str]:
    return [format_network(row.network) for row in rows[:SHOWN]]


def _duration(ban: Ban) -> int | None:
    return None if ban.expires_at is None else ban.expires_at - ban.banned_at


def _same_end(held: Ban, fresh: Ban, now: int) -> bool:
    """Asking again is asking once: ends within a minute, or a twentieth of the duration, are the same."""
    if held.expires_at is None or fresh.expires_at is None:
        return held.expires_at is fresh.expires_at
    return abs(fresh.expires_at - held.expires_at) <= max(60, (fresh.expires_at - now) // 20)


def _holds(held: WhitelistEntry | None, wanted: WhitelistEntry, now: int, renew: bool) -> bool:
    """Whether the entry is there already. A timed one keeps its first end; with `renew` it moves on at half time."""
    if held is None or held.comment != wanted.comment:
        return False
    if held.expires_at is None or wanted.expires_at is None:
        return held.expires_at is wanted.expires_at
    duration = wanted.expires_at - now
    if held.expires_at - held.added_at != duration:
        return False
    return not renew or held.expires_at - now >= duration // 2
