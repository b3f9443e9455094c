# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness: what was seen and decided, into the events database."""

from __future__ import annotations

import functools
import pwd
import time
from pathlib import Path

from stockade.watcher.config import Config
from stockade.watcher.engine import Engine
from stockade.watcher.eventlog import EventLog
from stockade.watcher.journal import INFO, log
from stockade.watcher.verdict import Verdict

_MAX_TOLD = 20  # first sights that are told in a minute


class Witness:
    """Keeps events as the configuration says; nothing without a path, or with events kept for no day."""

    def __init__(self, config: Config, path: Path | None) -> None:
        self._path = path
        self._log: EventLog | None = None
        self._dropped = 0  # of the logs before
        self._told_from, self._told = 0.0, 0
        self.configure(config)

    @property
    def dropped(self) -> int:
        """Events that were lost since the start."""
        return self._dropped + (self._log.dropped if self._log else 0)

    def configure(self, config: Config) -> None:
        """Take over a configuration."""
        self.close()
        self._dropped, self._log = self.dropped, None
        if self._path is not None and config.events.days:
            names = frozenset(name for rule in config.rules for name in rule.names)
            self._log = EventLog(
                self._path,
                days=config.events.days,
                text=config.events.text,
                known_user=lambda name: name in names or _is_account(name),
            )

    def take(self, engine: Engine) -> None:
        """Take out of the engine what it has seen."""
        for source, rule, event in engine.seen:
            if event.kind == "first":
                self._tell_first(source, rule, event.text)
                continue
            if event.kind == "eased":
                log(INFO, f"eased address={event.text} user={event.user!r} until the time of its login is over")
            if self._log is not None:
                self._log.add(
                    at=event.time,
                    source=source,
                    rule=rule,
                    address=event.client[0],
                    kind=event.kind,
                    user=event.user,
                    text=event.text,
                    count=event.count,
                )
        engine.seen.clear()

    def _tell_first(self, source: str, rules: str, address: str) -> None:
        """Say that a client is counted from now on; so many a minute, a journal is no place for a flood."""
        now = time.monotonic()
        if now - self._told_from >= 60:
            self._told_from, self._told = now, 0
        self._told += 1
        if self._told <= _MAX_TOLD:
            log(INFO, f"first address={address} input={source} rules={rules.replace(' ', ',')}")

    def verdict(self, verdict: Verdict, outcome: str) -> None:
        """Keep what was decided and what came of it."""
        if self._log is not None:
            self._log.add(
                at=verdict.last,
                source="",
                rule=verdict.rule,
                address=verdict.network,
                kind="ban" if outcome in ("banned", "renewed", "unchanged") else "verdict",
                user="",
                text=f"{verdict.reason}: {outcome}",
                count=verdict.count,
                own=True,
            )

    def flush(self, now: int) -> str:
        """Write what is waiting, forget what is old; what is wrong, empty if nothing is."""
        if self._log is None:
            return ""
        self._log.flush()
        self._log.prune(now)
        return self._log.problem

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        if self._log is not None:
            self._log.flush()
            self._log.close()


@functools.lru_cache(maxsize=1024)
def _is_account(name: str) -> bool:
    """True if this host has an account of that name: what was tried is then no password."""
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return False
    return True
