# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of `stockade replay` as JSON: one object, its keys do not change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from stockade.watcher.replay import Replay
from stockade.watcher.replay_bans import Banned, Held

VERSION = 1


def document(replay: Replay, *, limit: int | None, order: str, problem: str) -> dict[str, Any]:
    """Everything about a replay. Times are epoch seconds, those whose name ends in `_iso` text in UTC."""
    banned, held = in_order(replay.ledger.banned.values(), order), list(replay.ledger.held.values())
    return {
        "version": VERSION,
        "complete": not problem,
        "problem": problem,
        "logs": [
            {
                "path": log.path,
                "format": log.entry.format if log.entry else "",
                "input": log.entry.name if log.entry else "",
                "lines": log.lines,
                "unparsed": log.unparsed,
                "skipped": log.skipped,
            }
            for log in replay.logs
        ],
        **_time("first", replay.first),
        **_time("last", replay.last),
        "seconds": round(replay.seconds, 3),
        "lines": replay.lines,
        "unparsed": replay.unparsed,
        "outside": sum(replay.engine.out_of_time.values()),
        "events": replay.events,
        "spared": replay.spared,
        "clients": len(banned) + replay.ledger.untold,
        "rules": {
            name: {"clients": rule.clients, "bans": rule.bans, "spared": rule.spared}
            for name, rule in replay.ledger.rules.items()
        },
        "bans": [_banned(record) for record in banned[:limit]],
        "held": [_held(entry) for entry in held[:limit]],
        "held_clients": len({entry.verdict.network for entry in held}),
        "truncated": limit is not None and max(len(banned), len(held)) > limit,
        "busiest": [{"address": address, "events": count} for address, count in replay.busiest(3)],
    }


def in_order(records: Sequence[Banned] | Any, order: str) -> list[Banned]:
    """Clients by the time of their first ban, or those first of which most would not have arrived."""
    by_time = sorted(records, key=lambda record: (record.verdict.last, record.verdict.network))
    return by_time if order == "time" else sorted(by_time, key=lambda record: -record.spared)


def _banned(record: Banned) -> dict[str, Any]:
    verdict = record.verdict
    return {
        "network": verdict.network,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "count": verdict.count,
        **_time("banned_at", verdict.last),
        "duration": verdict.duration,
        "bans": [{**_time("start", term.start), **_time("end", term.end), "rule": term.rule} for term in record.terms],
        "before": record.before,
        "spared": record.spared,
    }


def _held(entry: Held) -> dict[str, Any]:
    verdict = entry.verdict
    return {
        "network": verdict.network,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "why": entry.why,
        **_time("at", verdict.last),
        "times": entry.times,
    }


def _time(name: str, epoch: int | None) -> dict[str, Any]:
    text = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z") if epoch else None
    return {name: epoch or None, f"{name}_iso": text}
