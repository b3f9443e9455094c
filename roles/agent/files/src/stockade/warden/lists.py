# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared lists: permanent bans and whitelists that hold exactly what was declared, under a name."""

from __future__ import annotations

import os
from collections.abc import Iterable

from stockade.addresses import Network
from stockade.protocol import REFUSED, ProtocolError
from stockade.warden.callers import Caller
from stockade.warden.execution import SHOWN, Answer, Execution
from stockade.warden.requests import BanRequest, Request
from stockade.warden.rows import Ban, Change, Declaration, WhitelistEntry


class Lists:
    """The operations `permanent_bans` and `whitelist_set`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._registry = execution.registry
        self._config = execution.config

    def permanent_bans(self, caller: Caller, request: Request) -> Answer:
        """Make a list hold what is declared; a timed entry keeps its first end while it is declared unchanged."""
        now, source, name = self._execution.now(), f"list/{request.list_name}", f"bans/{request.list_name}"
        if request.asks_only:
            return self._as_declared(now, name, request.digest)
        policy = self._execution.policy()
        held = {ban.network: ban for ban in self._registry.live(now, source=source)}
        wanted, over, refused = {}, 0, []
        for entry in request.bans:
            refusal = policy.refusal(entry.network, caller=caller, operator=True, force=request.force)
            if refusal is None and not self._execution.subtracts:
                refusal = self._execution.cannot_subtract(policy.holes(entry.network))
            if refusal and not request.skip_refused:
                raise ProtocolError(REFUSED, f"cannot ban {entry.network}: {refusal}")
            if refusal:
                refused.append({"network": str(entry.network), "message": refusal})
            elif entry.expires_at is not None and entry.expires_at <= now:
                over += 1
            else:
                wanted[entry.network] = entry
        put = self._to_put(wanted.values(), held, source, now)
        end = [ban for network, ban in held.items() if network not in wanted] if request.prune else []
        total = len(wanted) if request.prune else len(held.keys() | wanted.keys())
        counts = _counts(added=len(put), removed=len(end), refused=len(refused), expired=over, total=total)
        if not request.check:
            change = Change(put=put, end=end, ended_by=f"left {source}", list_name=name)
            if request.digest:
                digest = self._digest(request.digest, bool(refused))
                stands = {**held, **{ban.network: ban for ban in put}}
                ends = [stands[entry.network].expires_at for entry in wanted.values() if entry.duration is not None]
                change.declaration = self._declaration(digest, counts, now, ends)
            self._execution.carry_out(now, change, wanted=bool(wanted))
        return {
            "changed": bool(put or end),
            "added": _shown(put),
            "removed": _shown(end),
            "refused": refused[:SHOWN],
            "counts": counts,
        }

    def whitelist(self, caller: Caller, request: Request) -> Answer:
        """Make a whitelist hold what is declared, and lift the bans it covers."""
        now, name = self._execution.now(), f"whitelist/{request.list_name}"
        if request.asks_only:
            return self._as_declared(now, name, request.digest)
        held = {entry.network: entry for entry in self._registry.whitelist(now) if entry.list_name == request.list_name}
        wanted, put, over = set(), {}, 0
        for asked in {entry.network: entry for entry in request.entries}.values():
            expires_at = asked.expires_at if asked.duration is None else now + asked.duration
            if expires_at is not None and expires_at <= now:
                over += 1
                continue
            wanted.add(asked.network)
            entry = WhitelistEntry(asked.network, request.list_name, asked.comment, now, expires_at)
            if not _holds(held.get(asked.network), entry, asked.duration, request.renew):
                put[asked.network] = entry
        drop = set(request.networks) | (held.keys() - wanted if request.prune else set())
        remove = [entry for network, entry in held.items() if network in drop and network not in wanted]
        lifted = {ban[:3]: ban for network in wanted for ban in self._registry.inside(now, network)}
        if not self._execution.subtracts:  # a ban around it could not be made either
            lifted.update((ban[:3], ban) for network in wanted for ban in self._registry.covering(now, network))
        total = len(held.keys() - drop | wanted)
        counts = _counts(added=len(put), removed=len(remove), lifted=len(lifted), expired=over, total=total)
        if not request.check:
            change = Change(
                end=list(lifted.values()),
                ended_by=f"whitelist/{request.list_name}",
                put_whitelist=list(put.values()),
                end_whitelist=remove,
                list_name=name,
            )
            if request.digest and not request.renew:
                ends = [now + entry.duration for entry in request.entries if entry.duration is not None]
                change.declaration = self._declaration(request.digest, counts, now, ends)
            self._execution.carry_out(now, change)
        return {
            "changed": bool(put or remove or lifted),
            "added": _shown(list(put.values())),
            "removed": _shown(remove),
            "lifted": [ban.wire() for ban in list(lifted.values())[:SHOWN]],
            "counts": counts,
            "total": total,
        }

    # inside

    def _as_declared(self, now: int, name: str, digest: str) -> Answer:
        """Whether the list stands as it was declared by this digest, and is in force."""
        declared = self._registry.declaration(now, name)
        if declared is None or declared.digest not in (self._digest(digest, False), self._digest(digest, True)):
            return {"changed": False, "known": False}
        self._execution.carry_out(now, Change(), wanted=name.startswith("bans/"))
        return {"changed": False, "known": True, "counts": declared.counts}

    def _digest(self, digest: str, refused: bool) -> str:
        """What was refused may be allowed as soon as addresses or routes of this host have moved."""
        return f"{digest} {self._execution.surroundings().digest()}" if refused else digest

    def _declaration(self, digest: str, counts: dict[str, int], now: int, ends: Iterable[int | None]) -> Declaration:
        """What is remembered of a list, until the first entry ends that was given a duration.

        From then on the same declaration means a new entry; and an end in the whitelist allows what it refused.
        """
        ends = [*ends, *(entry.expires_at for entry in self._registry.whitelist(now))]
        until = min((end for end in ends if end is not None), default=None)
        return Declaration(digest, {**counts, "added": 0, "removed": 0, "lifted": 0}, until)

    def _to_put(self, wanted: Iterable[BanRequest], held: dict[Network, Ban], source: str, now: int) -> list[Ban]:
        put: list[Ban] = []
        request_id, origin = os.urandom(12).hex(), self._config.origin
        for entry in wanted:
            duration = entry.duration if isinstance(entry.duration, int) else None
            expires_at = entry.expires_at if duration is None else now + duration
            before = held.get(entry.network)
            if before is not None and before.reason == entry.reason:
                left = None if before.expires_at is None else before.expires_at - before.banned_at
                if left == duration if duration is not None else before.expires_at == expires_at:
                    continue
            where = origin if before is None else before.origin
            put.append(Ban(entry.network, source, where, f"{request_id}-{len(put):06x}", entry.reason, now, expires_at))
        return put


def _counts(*, added: int, removed: int, expired: int, total: int, refused: int = 0, lifted: int = 0) -> dict[str, int]:
    counts = {"added": added, "removed": removed, "refused": refused, "lifted": lifted}
    return {**counts, "expired": expired, "total": total}


def _shown(rows: list[Ban] | list[WhitelistEntry]) -> list[str]:
    return [str(row.network) for row in rows[:SHOWN]]


def _holds(held: WhitelistEntry | None, wanted: WhitelistEntry, duration: int | None, renew: bool) -> bool:
    """Whether the entry is there already. One of a duration keeps its first end; with `renew` it moves on at half."""
    if held is None or held.comment != wanted.comment:
        return False
    if duration is None or held.expires_at is None:
        return held.expires_at == wanted.expires_at
    if held.expires_at - held.added_at != duration:
        return False
    return not renew or held.expires_at - wanted.added_at >= duration // 2
