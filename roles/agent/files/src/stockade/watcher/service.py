# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service stockade-watcher: follow the inputs, feed the engine, ask the warden, save, tell systemd."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stockade import __version__, service
from stockade.client import Client
from stockade.config import ConfigError
from stockade.protocol import SOCKET
from stockade.watcher import config as configuration
from stockade.watcher import state
from stockade.watcher.config import Config
from stockade.watcher.courier import Courier, Warden
from stockade.watcher.engine import Engine
from stockade.watcher.inputs.file import FileInput
from stockade.watcher.status import alarms, input_status, rule_status
from stockade.watcher.verdict import Verdict

POLL = 0.1  # seconds between two looks at quiet logs: a stat each
READS = 4  # chunks of one input before the next one has its turn
SAVE = 5.0  # seconds between two saves while lines come in, 1 after a ban
STATUS = 5.0
HOUSEKEEPING = 30.0
WARDEN_TIMEOUT = 5.0
_SETBACK = 60  # seconds the clock may go back before counts are dropped
_ERROR, _WARNING, _INFO = 3, 4, 6


def log(priority: int, text: str) -> None:
    """One line to the journal (sd-daemon(3) prefix), or plain to a terminal."""
    prefix = f"<{priority}>" if os.environ.get("JOURNAL_STREAM") else ""
    print(f"{prefix}{text}", file=sys.stderr, flush=True)


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
        self.engine = Engine(config)
        self.courier = Courier(warden, self._report)
        self.stopping = False
        self.reload_wanted = False
        self._config_path = config_path
        self._state_path = state_dir / "state.json" if state_dir else None
        self._status_path = runtime_dir / "status.json" if runtime_dir else None
        self._clock = clock
        self._started = int(clock())
        self._last_now = self._started
        self._inputs: dict[str, FileInput] = {}
        self._not_before: dict[str, int] = {}
        self._bans = 0
        self._problems: dict[str, str] = {}  # what the problem is about -> the problem
        self._dirty = False
        self._save_due = 0.0
        self._due: dict[str, float] = {}
        self._rate_from = (time.monotonic(), 0)
        self._lines_per_second = 0
        self._restore()

    # -- life --

    def run(self) -> None:
        """Until a signal says stop."""
        service.notify(f"READY=1\nSTATUS=watching {len(self._inputs)} logs")
        watchdog = service.watchdog_interval()
        while not self.stopping:
            busy = self.turn()
            if watchdog and self._every("watchdog", watchdog):
                service.notify("WATCHDOG=1")
            if not busy:
                time.sleep(POLL)
        service.notify("STOPPING=1")
        self.save()
        self._write_status("stopped")

    def turn(self) -> bool:
        """Read, judge, deliver, save once; True if there may be more to read at once."""
        if self.reload_wanted:
            self.reload_wanted = False
            self.reload()
        now = int(self._clock())
        if now < self._last_now - _SETBACK:
            log(_WARNING, f"the clock was set back by {self._last_now - now}s: counts of the future are dropped")
            self.engine.clock_set_back(now)
        self._last_now = now
        busy = sum(self._read(name, now) for name in self._inputs) > 0
        if self.courier.deliver(now=now, monotonic=time.monotonic()):
            self._save_due = min(self._save_due, time.monotonic() + 1)
        self._set_problem("warden", self.courier.problem)
        if self._dirty and time.monotonic() >= self._save_due:
            self.save()
        if self._every("housekeeping", HOUSEKEEPING):
            self.engine.refresh_clients()
            if not busy:
                self.engine.sweep(now)
        if self._every("status", STATUS):
            self._write_status("watching")
        return busy

    def reload(self) -> None:
        """Take over the configuration on disk; a wrong one is reported and the old one kept."""
        try:
            config = configuration.read(self._config_path)
        except ConfigError as error:
            self._set_problem("configuration", f"not reloaded: {error}")
            return
        self._set_problem("configuration", "")
        before = self._snapshot()
        self.engine = Engine(config)
        for source in self._inputs.values():
            source.close()
        self._go_on_from(before)
        log(_INFO, f"configuration reloaded: {len(config.inputs)} inputs, {len(config.rules)} rules")

    def save(self) -> None:
        """Write positions, counts and pending verdicts; a failure is a problem in `status`, not the end."""
        began = time.monotonic()
        if self._state_path is not None:
            try:
                state.save(self._state_path, self._snapshot())
                self._set_problem("state", "")
            except state.StateError as error:
                self._set_problem("state", str(error))
        self._dirty = False
        took = time.monotonic() - began
        self._save_due = time.monotonic() + max(SAVE, 50 * took)  # at most 2 % of the time goes into saving

    # -- the parts of a turn --

    def _read(self, name: str, now: int) -> bool:
        """Take in what one input has, up to its turn's share; True if that was not all."""
        source = self._inputs[name]
        for _chunk in range(READS):
            lines = source.read()
            if not lines:
                break
            self._dirty = True
            self.courier.take(self.engine.feed(lines, source=name, now=now, not_before=self._not_before[name]))
        self._set_problem(f"input {name}", source.problem)
        return bool(lines)

    def _report(self, verdict: Verdict, outcome: str) -> None:
        self._bans += outcome in ("banned", "renewed")
        log(_WARNING if outcome != "unchanged" else _INFO, verdict.journal(outcome))

    def _set_problem(self, about: str, problem: str) -> None:
        """Keep a problem for `status`, and say it when it is new."""
        if problem and self._problems.get(about) != problem:
            log(_ERROR, problem)
        if problem:
            self._problems[about] = problem
        elif self._problems.pop(about, None):
            log(_INFO, f"{about}: well again")

    def _every(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0):
            return False
        self._due[what] = now + seconds
        return True

    # -- state --

    def _snapshot(self) -> dict[str, Any]:
        paths = {entry.name: entry.path for entry in self.engine.config.inputs}
        return {
            "inputs": {
                name: {"path": paths[name], "not_before": self._not_before[name], "position": source.position()}
                for name, source in self._inputs.items()
            },
            "rules": self.engine.dump(),
            "pending": [verdict.as_dict() for verdict in self.courier.pending],
        }

    def _restore(self) -> None:
        saved: dict[str, Any] = {}
        if self._state_path is not None:
            try:
                saved = state.load(self._state_path)
            except state.StateError as error:
                log(_ERROR, str(error))
        try:
            self._go_on_from(saved)
            self.courier.take(Verdict(**entry) for entry in saved.get("pending", ()))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            assert self._state_path is not None
            state.discard(self._state_path)
            log(_ERROR, f"{self._state_path} cannot be used ({error!r}): moved aside, counting starts at nothing")
            self.engine = Engine(self.engine.config)
            self._go_on_from({})

    def _go_on_from(self, saved: dict[str, Any]) -> None:
        """Open the inputs where `saved` left them, load its counts. Raises on anything that is not a snapshot."""
        self.engine.load(saved.get("rules", {}))
        known = saved.get("inputs", {})
        self._inputs = {}
        for entry in self.engine.config.inputs:
            before = known.get(entry.name, {})
            same = before.get("path") == entry.path
            position = before.get("position") if same else None
            # A log seen for the first time counts no further back than the look-back.
            fresh = int(self._clock()) - self.engine.config.lookback
            self._not_before[entry.name] = int(before["not_before"]) if same else fresh
            self._inputs[entry.name] = FileInput(
                entry.path,
                time_of=self.engine.formats[entry.name].time_of,
                not_before=self._not_before[entry.name],
                position=position,
            )

    # -- status --

    def status(self, word: str = "watching") -> dict[str, Any]:
        """What `stockade status` and `ban_facts` tell about the watcher."""
        now = int(self._clock())
        inputs = [input_status(source, self.engine, name, now) for name, source in self._inputs.items()]
        problems = [*self._problems.values(), *alarms(inputs, self.engine, self.courier)]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "state": "degraded" if problems and word == "watching" else word,
            "started_at": self._started,
            "at": now,
            "problems": problems,
            "last_error": problems[0] if problems else "",
            "lines_per_second": self._lines_per_second,
            "bans": self._bans,
            "pending": len(self.courier.pending),
            "dropped": self.courier.dropped,
            "late": self.courier.late,
            "inputs": inputs,
            "rules": [rule_status(rule) for rule in self.engine.rules],
        }

    def _write_status(self, word: str) -> None:
        lines = sum(parser.parsed + parser.unparsed for parser in self.engine.formats.values())
        now, (since, before) = time.monotonic(), self._rate_from
        if now > since:
            self._lines_per_second = round(max(0, lines - before) / (now - since))
        self._rate_from = (now, lines)
        if self._status_path is None:
            return
        temporary = self._status_path.with_name("status.json.new")
        try:
            temporary.write_text(json.dumps(self.status(word)), encoding="ascii")
            os.replace(temporary, self._status_path)
        except OSError as error:
            self._set_problem("status", f"cannot write {self._status_path}: {error.strerror}")


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
        log(_ERROR, str(error))
        return 2
    watcher = Service(
        config,
        warden=Client(options.socket, timeout=WARDEN_TIMEOUT),
        config_path=options.config,
        state_dir=options.state_dir,
        runtime_dir=options.runtime_dir,
    )
    signal.signal(signal.SIGTERM, lambda *_signal: setattr(watcher, "stopping", True))
    signal.signal(signal.SIGINT, lambda *_signal: setattr(watcher, "stopping", True))
    signal.signal(signal.SIGHUP, lambda *_signal: setattr(watcher, "reload_wanted", True))
    watcher.run()
    return 0


def _directory(variable: str) -> Path | None:
    value = os.environ.get(variable, "").partition(":")[0]
    return Path(value) if value else None
