# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans made and lifted: check with the policy, record in the registry, enforce, in this order. And alarms: told."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from typing import Any

from stockade import durations
from stockade.addresses import Network
from stockade.protocol import DENIED, REFUSED, UNAVAILABLE, ProtocolError
from stockade.warden import requests
from stockade.warden.callers import Caller
from stockade.warden.execution import SHOWN, Answer, Execution
from stockade.warden.requests import BanRequest, Request
from stockade.warden.rows import Ban, Change

FLEET = "fleet"
FLEET_LONGEST = 86400  # seconds: what other hosts banned is always timed here


class Changes:
    """The operations `ban`, `unban` and `alarm`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._registry = execution.registry
        self._config = execution.config

    def ban(self, caller: Caller, request: Request) -> Answer:
        """Ban what the policy allows, all of it or, with `on_refused: skip`, the rest."""
        now, policy, results = self._execution.now(), self._execution.policy(), []
        put: dict[tuple[Network, str, str], Ban] = {}
        replaced: list[Ban] = []
        ids: set[tuple[str, str, str]] = set()
        for wanted in request.bans:
            source, origin = self._source(caller, wanted.source), self._origin(wanted)
            refusal = policy.refusal(wanted.network, caller=caller, operator=source == "operator", force=request.force)
            holes = policy.holes(wanted.network)
            refusal = refusal or self._execution.cannot_subtract(holes)
            if refusal is None and wanted.expires_at is not None and wanted.expires_at <= now:
                refusal = "its end has passed"
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {wanted.network}: {refusal}")
            if refusal:
                results.append(_result(wanted.network, "refused", message=refusal))
                continue
            held = put.get((wanted.network, source, origin)) or self._held(wanted.network, source, origin, now)
            known = (wanted.id or "", source, origin)
            if wanted.id and (self._registry.known_id(*known) or known in ids):
                message = "" if held else "this ban was made before and lifted since"
                expires_at = held.expires_at if held else None
                results.append(_result(wanted.network, "unchanged", message=message, expires_at=expires_at))
                continue
            fresh = self._fresh(wanted, source, origin, now)
            unchanged = held is not None and held.reason == fresh.reason and _same_end(held, fresh, now)
            ban = held if held and unchanged else fresh
            state = "unchanged" if unchanged else "renewed" if held else "banned"
            if not unchanged:
                if held and put.get((ban.network, source, origin)) is held:
                    replaced.append(held)
                ids.add((ban.id, source, origin))
                put[ban.network, source, origin] = ban
            results.append(_result(wanted.network, state, expires_at=ban.expires_at, holes=holes))
        if not request.check:
            self._execution.quota.take(caller, len(put))
            self._execution.carry_out(now, Change(put=list(put.values()), replaced=replaced), wanted=bool(request.bans))
            self._execution.relieve(now, caller)
        return {"changed": bool(put), "results": results}

    def unban(self, caller: Caller, request: Request) -> Answer:
        """Lift the rows of networks, and say what still covers them."""
        now, results, room = self._execution.now(), [], caller.max_rows
        end: dict[tuple[Network, str, str], Ban] = {}
        source = None if caller.trusted and request.source is None else self._source(caller, request.source)
        if request.everything:
            end = {ban[:3]: ban for ban in self._registry.live(now, source=source)}
            results = [_lifted(ban.network, [ban], []) for ban in list(end.values())[:SHOWN]]
        for network in request.networks:
            rows = self._registry.live(now, network=network, source=source)
            covering = self._registry.covering(now, network) if room else []
            remaining = [ban for ban in covering if ban not in rows][:room]
            results.append(_lifted(network, rows, remaining))
            room -= len(remaining)
            end.update((ban[:3], ban) for ban in rows)
        if not request.check:
            self._execution.carry_out(now, Change(end=list(end.values()), ended_by=f"unban/{caller.name}"))
        return {"changed": bool(end), "total": len(end), "results": results}

    def alarm(self, caller: Caller, request: Request) -> Answer:
        """Tell followers that something is wrong; nothing else changes. It needs no firewall, only the registry."""
        if not request.check:
            self._execution.alarm_quota.take(caller, 1)
            source = "operator" if caller.trusted else caller.name
            try:
                self._registry.record_alarm(
                    self._execution.now(),
                    source=source,
                    origin=self._config.origin,
                    about=request.about,
                    text=request.text,
                )
            except sqlite3.Error as error:
                self._execution.noticed(error)
                raise ProtocolError(UNAVAILABLE, f"NOT recorded: {error}") from None
        return {"changed": True}

    # inside

    def _source(self, caller: Caller, source: str | None) -> str:
        if caller.trusted:
            return source or "operator"
        if source is None or not source.startswith(caller.source_prefix):
            raise ProtocolError(DENIED, f"{caller.name} may only speak for {caller.source_prefix}…, not for {source!r}")
        return source

    def _origin(self, wanted: BanRequest) -> str:
        if wanted.origin is not None and wanted.source != FLEET:
            raise ProtocolError(DENIED, f"only bans of the source {FLEET} have another origin than this host")
        return wanted.origin or self._config.origin

    def _fresh(self, wanted: BanRequest, source: str, origin: str, now: int) -> Ban:
        if wanted.expires_at is not None:
            expires_at: int | None = wanted.expires_at
        else:
            duration = self._duration(wanted, source, now)
            expires_at = None if duration is None else now + duration
        if source == FLEET:
            longest = now + FLEET_LONGEST
            expires_at = longest if expires_at is None else min(expires_at, longest)
        return Ban(wanted.network, source, origin, wanted.id or uuid.uuid4().hex, wanted.reason, now, expires_at)

    def _duration(self, wanted: BanRequest, source: str, now: int) -> int | None:
        """The seconds asked for; of the watcher, or if nobody asked for any, longer for each time before."""
        unsaid = wanted.duration == requests.DEFAULT
        duration = self._config.default_duration if unsaid else wanted.duration
        assert not isinstance(duration, str)
        if duration is None or not (unsaid or source.startswith("watcher/")):
            return duration
        repeats = self._registry.repeats(now, wanted.network, self._config.repeat_window)
        longest = self._config.longest_duration or durations.LONGEST
        return max(duration, min(duration * int(self._config.repeat_factor ** min(repeats, 32)), longest))

    def _held(self, network: Network, source: str, origin: str, now: int) -> Ban | None:
        rows = self._registry.live(now, network=network, source=source)
        return next((ban for ban in rows if ban.origin == origin), None)


def _result(
    network: Network, state: str, *, message: str = "", expires_at: int | None = None, holes: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "network": str(network),
        "state": state,
        "message": message,
        "expires_at": expires_at,
        "holes": list(holes)[:SHOWN],
    }


def _lifted(network: Network, rows: list[Ban], remaining: list[Ban]) -> dict[str, Any]:
    return {
        "network": str(network),
        "state": "lifted" if rows else "absent",
        "lifted": [ban.wire() for ban in rows],
        "remaining": [ban.wire() for ban in remaining],
    }


def _same_end(held: Ban, fresh: Ban, now: int) -> bool:
    """Asking again is asking once: ends within a minute, or a twentieth of the duration, are the same."""
    if held.expires_at is None or fresh.expires_at is None:
        return held.expires_at is fresh.expires_at
    return abs(fresh.expires_at - held.expires_at) <= max(60, (fresh.expires_at - now) // 20)
