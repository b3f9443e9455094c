# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service stockade-watcher: follow the inputs, feed the engine, ask the warden, save, tell systemd."""

from __future__ import annotations

import argparse
import fcntl
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stockade import service
from stockade.client import Client
from stockade.config import ConfigError
from stockade.durations import human
from stockade.protocol import SOCKET
from stockade.watcher import config as configuration
from stockade.watcher import state
from stockade.watcher.asking import PATIENCE, Warden
from stockade.watcher.config import Config
from stockade.watcher.courier import Courier
from stockade.watcher.engine import Engine
from stockade.watcher.journal import ERROR, INFO, WARNING, Problems, log
from stockade.watcher.reading import Reading
from stockade.watcher.saved import DAMAGE
from stockade.watcher.status import Reporter
from stockade.watcher.verdict import DROPPED, LATE, Verdict
from stockade.watcher.witness import Witness

POLL = 0.1  # seconds between two looks at quiet logs: a stat each
SAVE = 5.0  # seconds between two saves while lines come in, 1 after a ban
STATUS = 5.0
EVENTS = 1.0
HOUSEKEEPING = 30.0
_SETBACK = 60  # seconds the clock may go back before counts are dropped


class Service:
    """One running watcher. `turn` does everything once; `run` repeats it until `stop`."""

    def __init__(
        self,
        config: Config,
        *,
        warden: Warden,
        config_path: Path = configuration.PATH,
        state_dir: Path | None = None,
        runtime_dir: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = Engine(config, witness=config.events.days > 0)
        self.courier = Courier(warden, self._report)
        self.stopping = False
        self.reload_wanted = False
        self._config_path = config_path
        self._state_path = state_dir / "state.json" if state_dir else None
        self._clock = clock
        self._started = int(clock())
        self._last_now = self._started
        self._problems = Problems()
        self._witness = Witness(config, state_dir / "events.db" if state_dir else None)
        self._reporter = Reporter(runtime_dir, started=self._started)
        self._dirty = False
        self._busy = True  # until the first turn has shown otherwise: a backlog counts in its own past
        self._save_due = 0.0
        self._due: dict[str, float] = {}
        self.reading = self._restore()

    # -- life --

    def run(self) -> None:
        """Until a signal says stop."""
        gc.disable()  # nothing here makes cycles by the thousand, and looking for them costs a twentieth of the time
        service.notify(f"READY=1\nSTATUS=watching {len(self.reading.inputs)} logs")
        watchdog = service.watchdog_interval()
        while not self.stopping:
            busy = self.turn()
            if watchdog and self._every("watchdog", watchdog):
                service.notify("WATCHDOG=1")
            if not busy:
                time.sleep(POLL)
        service.notify("STOPPING=1")
        self.save()
        self._witness.close()
        self._tell("stopped")

    def turn(self) -> bool:
        """Read, judge, deliver, save once; True if there may be more to read at once."""
        if self.reload_wanted:
            self.reload_wanted = False
            self.reload()
        now = int(self._clock())
        if now < self._last_now - _SETBACK:
            log(WARNING, f"the clock was set back by {self._last_now - now}s: counts of the future are dropped")
            self.engine.clock_set_back(now)
            self.reading.not_after(now - self.engine.config.lookback)
        self._last_now = now
        if self._every("housekeeping", HOUSEKEEPING):
            self._keep_house(now)
        self._busy = busy = sum(self._read(name, now) for name in self.reading.inputs) > 0
        if answered := self.courier.deliver(now=now, monotonic=time.monotonic()):
            self._save_due = min(self._save_due, time.monotonic() + 1)
        self._problems.set("warden", self.courier.problem)
        if (self._dirty or self.reading.touched) and time.monotonic() >= self._save_due:
            self.save()
        if self._every("events", EVENTS):
            self._problems.set("events", self._witness.flush(now))
        if self._every("status", STATUS):
            self._tell("watching")
        return busy or (answered and bool(self.courier.pending))

    def reload(self) -> None:
        """Take over the configuration on disk; a wrong one is reported and the old one kept."""
        try:
            config = configuration.read(self._config_path)
        except ConfigError as error:
            self._problems.set("configuration", f"not reloaded: {error}")
            return
        self._problems = Problems()  # of inputs that are no longer there as well
        header, before = self._header(), self.engine
        self.engine = Engine(config, witness=config.events.days > 0)
        self.engine.load(header["rules"], before.records())
        self._due.pop("housekeeping", None)  # the new engine does not know the whitelist yet
        self.reading.close()
        # An input that is new, or moved, begins now: its lines may have counted under another name.
        now = int(self._clock())
        self.reading = Reading(self.engine, header["inputs"], fresh=now, now=now)
        self._witness.configure(config)
        log(INFO, f"configuration reloaded: {len(config.inputs)} inputs, {len(config.rules)} rules")

    def save(self) -> None:
        """Write positions, counts and pending verdicts; a failure is a problem in `status`, not the end."""
        began = time.monotonic()
        if self._state_path is not None:
            try:
                state.save(self._state_path, self._header(), self._records())
                self._problems.set("state", "")
            except state.StateError as error:
                self._problems.set("state", str(error))
        self._dirty = self.reading.touched = False
        took = time.monotonic() - began
        self._save_due = time.monotonic() + max(SAVE, 50 * took)  # at most 2 % of the time goes into saving

    # -- the parts of a turn --

    def _read(self, name: str, now: int) -> bool:
        """Take in what one input has, up to its turn's share; True if that was not all."""
        verdicts, more = self.reading.turn(name, now)
        self._witness.take(self.engine)
        self.courier.take(verdicts)
        self._problems.set(f"input {name}", self.reading.inputs[name].problem)
        return more

    def _keep_house(self, now: int) -> None:
        """Forget what is over; ask the kernel for own addresses and the warden for whom it never bans."""
        gc.collect()
        if not self._busy:
            self.engine.sweep(now)
        self.engine.refresh_clients(self.courier.whitelist())

    def _report(self, verdict: Verdict, outcome: str) -> None:
        self._dirty = True
        self._reporter.bans += outcome in ("banned", "renewed")
        if outcome == DROPPED:
            self.engine.forget(verdict)
        self._witness.verdict(verdict, outcome)
        if outcome not in (DROPPED, LATE):  # of these there may be thousands: the courier says when that begins
            log(WARNING if outcome != "unchanged" else INFO, verdict.journal(outcome))

    def _every(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0):
            return False
        self._due[what] = now + seconds
        return True

    # -- state --

    def _header(self) -> dict[str, Any]:
        return {"inputs": self.reading.positions(), "rules": self.engine.counts()}

    def _records(self) -> Iterator[Any]:
        yield from (verdict.as_dict() for verdict in self.courier.pending)
        yield from self.engine.records()

    def _restore(self) -> Reading:
        """Go on from the saved state, or from nothing if there is none or it cannot be used."""
        try:
            records: Iterator[Any] = iter(()) if self._state_path is None else state.load(self._state_path)
            header: dict[str, Any] = next(records, {})
            if header.get("poisoned"):
                log(ERROR, "three starts ended while they loaded the state: counts start at nothing, the rest stays")
            if damaged := self.engine.load(header.get("rules"), self._without_verdicts(records)):
                assert self._state_path is not None
                state.keep_copy(self._state_path)
                count = f"{damaged} record{'s' * (damaged > 1)} of the state cannot be used"
                log(ERROR, f"{count}, the others are; {self._state_path}.broken has all of it")
            self.engine.clock_set_back(self._started)
            return self._open(header.get("inputs", {}))
        except state.StateError as error:
            log(ERROR, str(error))
        except DAMAGE as error:
            assert self._state_path is not None
            state.discard(self._state_path)
            log(ERROR, f"{self._state_path} cannot be used ({error!r}): moved aside, counting starts at nothing")
        self.engine = Engine(self.engine.config, witness=self.engine.config.events.days > 0)
        return self._open({})

    def _without_verdicts(self, records: Iterator[Any]) -> Iterator[Any]:
        """The records about clients; pending verdicts go to the courier on the way, a damaged one is None."""
        for record in records:
            if not state.is_verdict(record):
                yield record
                continue
            try:
                verdict = Verdict.restored(record)
            except DAMAGE:
                yield None
            else:
                self.courier.take([verdict])

    def _open(self, known: Any) -> Reading:
        """Open the inputs where they were left."""
        now = int(self._clock())
        return Reading(self.engine, known, fresh=now - self.engine.config.lookback, now=now)

    # -- status --

    def status(self, word: str = "watching") -> dict[str, Any]:
        """What `stockade status` and `ban_facts` tell about the watcher."""
        self._reporter.events_dropped = self._witness.dropped
        return self._reporter.status(word, self.reading, self.courier, self._problems, int(self._clock()))

    def _tell(self, word: str) -> None:
        """Write the status where others read it."""
        self._problems.set("status", self._reporter.tell(self.status(word)))


def main(argv: list[str]) -> int:
    """`stockade watcher`: 0 after SIGTERM, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="stockade watcher", description="Read logs, count, ask the warden to ban.")
    parser.add_argument("--config", type=Path, default=configuration.PATH, metavar="FILE")
    parser.add_argument("--socket", default=SOCKET, metavar="PATH", help="the warden's socket")
    parser.add_argument("--state-dir", type=Path, default=_directory("STATE_DIRECTORY"), metavar="DIR")
    parser.add_argument("--runtime-dir", type=Path, default=_directory("RUNTIME_DIRECTORY"), metavar="DIR")
    options = parser.parse_args(argv)
    try:
        config = configuration.read(options.config)
    except ConfigError as error:
        log(ERROR, str(error))
        return 2
    early: list[int] = []  # signals that come while the state is loaded, which may take a second
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: early.append(got))
    lock = _locked(options.state_dir)
    if lock is None:
        log(ERROR, f"another watcher runs with {options.state_dir}")
        return 1
    watcher = Service(
        config,
        warden=Client(options.socket, timeout=PATIENCE),
        config_path=options.config,
        state_dir=options.state_dir,
        runtime_dir=options.runtime_dir,
    )
    signal.signal(signal.SIGTERM, lambda *_signal: setattr(watcher, "stopping", True))
    signal.signal(signal.SIGINT, lambda *_signal: setattr(watcher, "stopping", True))
    signal.signal(signal.SIGHUP, lambda *_signal: setattr(watcher, "reload_wanted", True))
    watcher.stopping = signal.SIGTERM in early or signal.SIGINT in early
    for entry in config.inputs:
        log(INFO, f"input {entry.name}: {entry.place} ({entry.format})")
    thresholds = (f"{rule.name} {rule.maxretry} in {human(rule.findtime)}" for rule in config.rules)
    log(INFO, f"rules: {', '.join(thresholds)}")
    watcher.run()
    return 0


def _locked(directory: Path | None) -> int | None:
    """A lock that ends with the process, so that two never write one state; None if somebody else has it."""
    descriptor = os.open(directory or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if directory is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _directory(variable: str) -> Path | None:
    value = os.environ.get(variable, "").partition(":")[0]
    return Path(value) if value else None
