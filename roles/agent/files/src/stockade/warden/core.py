# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the warden does with a request: check, record, enforce, in this order.

`Warden` knows no sockets and no SQL: it brings registry, policy and firewall together. An answer without error means
that the change is durably recorded and accepted by the kernel; anything less is an error that names the missing half.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from stockade import __version__
from stockade.addresses import Network, format_network
from stockade.protocol import DENIED, REFUSED, UNAVAILABLE, ProtocolError
from stockade.warden import requests
from stockade.warden.callers import Caller
from stockade.warden.config import WardenConfig
from stockade.warden.enforcement import Enforcement
from stockade.warden.firewall import Firewall
from stockade.warden.policy import Policy, Surroundings
from stockade.warden.registry import Ban, Registry, WhitelistEntry
from stockade.warden.requests import BanRequest, Request

Answer = dict[str, Any]


class Warden:
    """One host's bans. `clock` returns epoch seconds; `surroundings` what the host needs to reach."""

    def __init__(
        self,
        *,
        registry: Registry,
        firewall: Firewall,
        config: WardenConfig,
        clock: Callable[[], float] = time.time,
        surroundings: Callable[[], Surroundings] = Surroundings.read,
    ) -> None:
        self._registry = registry
        self._config = config
        self._clock = clock
        self._surroundings = surroundings
        self._started_at = int(clock())
        self._enforcement = Enforcement(registry=registry, firewall=firewall, clock=clock, surroundings=surroundings)

    # what the service loop asks

    def handle(self, caller: Caller, message: dict[str, Any]) -> Answer:
        """The result for one request of `caller`. Raises ProtocolError for everything that ends in an error answer."""
        request = requests.parse(message)
        if request.op not in caller.operations:
            raise ProtocolError(DENIED, f"{caller.name} may not ask {request.op}")
        if not request.reads and not request.check and not self._registry.writable:
            raise ProtocolError(UNAVAILABLE, "the registry is of a newer agent: it is enforced, changes are refused")
        operation: Callable[[Caller, Request], Answer] = getattr(self, f"_do_{request.op}")
        return operation(caller, request)

    def start(self) -> None:
        """Bring the kernel to what the registry says; a failure shows in `status` and is retried."""
        self._enforcement.synchronise()

    def tick(self) -> None:
        """Once a second: keep the kernel there."""
        self._enforcement.tick()

    def summary(self) -> str:
        """One line for the journal and `systemctl status`; it changes when the state does, not with every ban."""
        if self._registry.released:
            return "released: nothing is refused until `stockade resume`"
        problem = self._enforcement.problem
        return f"degraded: {problem}" if problem else f"enforcing with {self._enforcement.backend}"

    def tidy(self) -> None:
        """Once an hour: move what expired long ago to the history, and renew what outlasts a kernel timeout."""
        self._registry.tidy(self._now())
        self._enforcement.synchronise()

    # operations, one for each word of the protocol

    def _do_status(self, caller: Caller, request: Request) -> Answer:
        now = self._now()
        counts = self._registry.counts(now)
        problem = self._enforcement.problem
        state = "released" if self._registry.released else "degraded" if problem else "enforcing"
        return {
            "version": __version__,
            "pid": os.getpid(),
            "origin": self._config.origin,
            "started_at": self._started_at,
            "state": state,
            "problems": [problem] if problem else [],
            "backend": self._enforcement.backend,
            "bans": sum(counts.values()),
            "networks": len(self._registry.in_force(now)),
            "whitelist": len(self._registry.whitelist(now)),
            "callers": counts,
        }

    def _do_bans(self, caller: Caller, request: Request) -> Answer:
        now = self._now()
        if request.covering is not None:
            found = self._registry.covering(now, request.covering)
            return {"bans": [ban.wire() for ban in found], "total": len(found), "truncated": False}
        if request.source is not None:
            found = self._registry.live(now, source=request.source)
            total = len(found)
            found = found[: request.limit]
        else:
            total = sum(self._registry.counts(now).values())
            found = self._registry.newest(now, request.limit)
        return {"bans": [ban.wire() for ban in found], "total": total, "truncated": total > len(found)}

    def _do_whitelist(self, caller: Caller, request: Request) -> Answer:
        around = self._surroundings()
        return {
            "entries": [entry.wire() for entry in self._registry.whitelist(self._now())],
            "protected": sorted(format_network(network) for network in around.own | around.reachable),
        }

    def _do_ban(self, caller: Caller, request: Request) -> Answer:
        policy, results, put = self._policy(), [], {}
        for wanted in request.bans:
            source = self._source(caller, wanted.source)
            refusal = policy.refusal(wanted.network, caller=caller, operator=source == "operator", force=request.force)
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {format_network(wanted.network)}: {refusal}")
            if refusal:
                results.append(_ban_result(wanted.network, "refused", message=refusal))
                continue
            ban, state = self._upsert(wanted, source)
            if state != "unchanged":
                put[ban.network, ban.source] = ban
            holes = policy.holes(wanted.network)
            results.append(_ban_result(wanted.network, state, expires_at=ban.expires_at, holes=holes))
        if put and not request.check:
            self._record(put=put.values(), ended_by="")
        return {"changed": bool(put), "results": results}

    def _do_unban(self, caller: Caller, request: Request) -> Answer:
        now, results, end = self._now(), [], []
        source = None if caller.trusted and request.source is None else self._source(caller, request.source)
        networks = request.networks
        if request.everything:
            networks = tuple({ban.network: None for ban in self._registry.live(now, source=source)})
        for network in networks:
            rows = self._registry.live(now, network=network, source=source)
            remaining = [ban for ban in self._registry.covering(now, network) if ban not in rows]
            end += rows
            results.append(
                {
                    "network": format_network(network),
                    "state": "lifted" if rows else "absent",
                    "lifted": [ban.wire() for ban in rows],
                    "remaining": [ban.wire() for ban in remaining],
                }
            )
        if end and not request.check:
            self._record(end=end, ended_by=f"unban/{caller.name}")
        return {"changed": bool(end), "results": results}

    def _do_permanent_bans(self, caller: Caller, request: Request) -> Answer:
        source, policy, refused = f"list/{request.list_name}", self._policy(), []
        held = {ban.network: ban for ban in self._registry.live(self._now(), source=source)}
        wanted: dict[Network, BanRequest] = {}
        for entry in request.bans:
            refusal = policy.refusal(entry.network, caller=caller, operator=True, force=request.force)
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {format_network(entry.network)}: {refusal}")
            if refusal:
                refused.append({"network": format_network(entry.network), "message": refusal})
            else:
                wanted[entry.network] = entry
        put = []
        for entry in wanted.values():
            ban, state = self._upsert(entry, source, held=held.get(entry.network))
            if state != "unchanged":
                put.append(ban)
        end = [ban for network, ban in held.items() if network not in wanted] if request.prune else []
        if (put or end) and not request.check:
            self._record(put=put, end=end, ended_by=f"left {source}")
        return {
            "changed": bool(put or end),
            "added": [format_network(ban.network) for ban in put],
            "removed": [format_network(ban.network) for ban in end],
            "refused": refused,
            "total": len(wanted) if request.prune else len(held.keys() | wanted.keys()),
        }

    def _do_whitelist_set(self, caller: Caller, request: Request) -> Answer:
        now = self._now()
        held = {entry.network: entry for entry in self._registry.whitelist(now) if entry.list_name == request.list_name}
        wanted = {entry.network: entry for entry in request.entries}
        put = []
        for network, entry in wanted.items():
            expires_at = None if entry.duration is None else now + entry.duration
            new = WhitelistEntry(network, request.list_name, entry.comment, now, expires_at)
            if not _still_good(held.get(network), new, now):
                put.append(new)
        drop = set(request.networks) | (held.keys() - wanted.keys() if request.prune else set())
        remove = [entry for network, entry in held.items() if network in drop and network not in wanted]
        lifted = {ban.id: ban for entry in put for ban in self._registry.inside(now, entry.network)}
        if not request.check and (put or remove):
            self._registry.change_whitelist(put=put, remove=remove)
            by = f"whitelist/{request.list_name}"
            self._registry.change(end=lifted.values(), ended_at=now, ended_by=by)
            self._enforcement.whitelist_changed(lifted.values())
        return {
            "changed": bool(put or remove),
            "added": [format_network(entry.network) for entry in put],
            "removed": [format_network(entry.network) for entry in remove],
            "lifted": [ban.wire() for ban in lifted.values()],
            "total": len(held.keys() - drop | wanted.keys()),
        }

    def _do_release(self, caller: Caller, request: Request) -> Answer:
        changed = not self._registry.released
        if not request.check:
            self._registry.released = True
            self._enforcement.release()
        return {"changed": changed, "state": "released"}

    def _do_resume(self, caller: Caller, request: Request) -> Answer:
        changed = self._registry.released
        if not request.check:
            self._registry.released = False
            self._enforcement.synchronise()
            self._enforcement.complain()
        return {"changed": changed, "state": "enforcing"}

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

    def _upsert(self, wanted: BanRequest, source: str, held: Ban | None = None) -> tuple[Ban, str]:
        """The row that `wanted` asks for, and whether it is new, renews the one that is held, or is that one."""
        now = self._now()
        duration = self._config.default_duration if wanted.duration == requests.DEFAULT else wanted.duration
        assert not isinstance(duration, str)
        expires_at = None if duration is None else now + duration
        fresh = Ban(
            id=wanted.id or uuid.uuid4().hex,
            network=wanted.network,
            source=source,
            origin=self._config.origin,
            reason=wanted.reason,
            banned_at=now,
            expires_at=expires_at,
        )
        if held is None:
            rows = self._registry.live(now, network=wanted.network, source=source)
            held = next((ban for ban in rows if ban.origin == self._config.origin), None)
        if wanted.id and self._registry.known_id(wanted.id):
            return held or fresh, "unchanged"
        if held is None:
            return fresh, "banned"
        if held.reason == fresh.reason and _same_end(held.expires_at, expires_at, now):
            return held, "unchanged"
        return replace(fresh, banned_at=held.banned_at), "renewed"

    def _record(self, *, put: Iterable[Ban] = (), end: Iterable[Ban] = (), ended_by: str) -> None:
        """Commit, then enforce."""
        put, end = list(put), list(end)
        self._registry.change(put=put, end=end, ended_at=self._now(), ended_by=ended_by)
        self._enforcement.bans_changed([*put, *end])


def _ban_result(
    network: Network, state: str, *, message: str = "", expires_at: int | None = None, holes: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "network": format_network(network),
        "state": state,
        "message": message,
        "expires_at": expires_at,
        "holes": list(holes),
    }


def _same_end(held: int | None, wanted: int | None, now: int) -> bool:
    """Asking again is asking once: ends within a minute, or a twentieth of the duration, are the same."""
    if held is None or wanted is None:
        return held is wanted
    return abs(wanted - held) <= max(60, (wanted - now) // 20)


def _still_good(held: WhitelistEntry | None, wanted: WhitelistEntry, now: int) -> bool:
    """A timed entry is renewed when half of its time is gone; until then refreshing it is no change."""
    if held is None or held.comment != wanted.comment:
        return False
    if held.expires_at is None or wanted.expires_at is None:
        return held.expires_at is wanted.expires_at
    return abs(held.expires_at - wanted.expires_at) <= (wanted.expires_at - now) // 2
