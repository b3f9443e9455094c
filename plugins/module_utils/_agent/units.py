# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's units, as systemd has them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree
from ansible_collections.stockade.fleet.plugins.module_utils._agent.tree import Run
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

DIRECTORY = "/etc/systemd/system"
BOOTED = "/run/systemd/system"  # sd_booted(3)
SYSTEMCTL = "/usr/bin/systemctl"
JOURNALCTL = "/usr/bin/journalctl"
WARDEN, SOCKET, WATCHER = "stockade-warden.service", "stockade-warden.socket", "stockade-watcher.service"
TIMERS = {kind: "stockade-report-%s.timer" % kind for kind in ("traffic", "security")}
REPORT, REPORTS = "stockade-report@.service", "stockade-report@*.service"  # its file, and what runs of it
SLICE = r"system-stockade\x2dreport.slice"  # where systemd puts what runs of it
STAMPS = "/var/lib/systemd/timers/stamp-"  # systemd's own note of when a persistent timer last ran
OWN = (SOCKET, WARDEN, WATCHER, *TIMERS.values())
FILES = (*OWN, REPORT)
ENABLED = (SOCKET, WARDEN)
GONE = ("inactive", "failed", "unknown")


class State(t.NamedTuple):
    """ActiveState and UnitFileState, "unknown" where systemd does not tell."""

    active: str
    enabled: str


def path(unit: str) -> str:
    """Where the file of ``unit`` lives."""
    return os.path.join(DIRECTORY, unit)


def dropin(unit: str = WARDEN) -> str:
    """The file with which a host's choices change a unit."""
    return path(unit) + ".d/stockade.conf"


def files() -> list[str]:
    """What of our units is on disk: files, what an interrupted run left of them, and the links that enable them."""
    named = [name + suffix for name in (*map(path, FILES), dropin(), dropin(REPORT)) for suffix in ("", ".new")]
    links = [link for unit in OWN for link in glob.glob(os.path.join(DIRECTORY, "*.wants", unit))]
    return [name for name in named + links if os.path.lexists(name)]


def states(run: Run) -> dict[str, State]:
    """The state of each of our units, also of those whose file is gone."""
    found = {unit: State("unknown", "unknown") for unit in OWN}
    if not os.path.isdir(BOOTED):
        return found
    rc, out, _err = run([SYSTEMCTL, "show", "-p", "Id,ActiveState,UnitFileState", *OWN])
    for block in out.strip().split("\n\n") if rc == 0 else []:
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id") in found:
            found[values["Id"]] = State(values.get("ActiveState", ""), values.get("UnitFileState", ""))
    return found


def start(run: Run, *, watcher: bool) -> None:
    """Have the warden run with the files there are now, and the watcher too if it is wanted.

    Raises StockadeError with what the warden itself said.
    """
    control(run, "daemon-reload")
    control(run, "enable", *ENABLED)
    wanted = ENABLED + ((WATCHER,) if watcher else ())
    # Starts that failed a moment ago count against the start limit: they must not keep a corrected run from starting.
    run([SYSTEMCTL, "reset-failed", *wanted])
    control(run, "start", SOCKET)
    try:
        control(run, "restart", WARDEN)
    except StockadeError as error:
        raise StockadeError(_last_words(run) or str(error)) from None
    if watcher:
        control(run, "restart", WATCHER)


def set_timers(run: Run, wanted: t.Collection[str]) -> None:
    """Have these of our timers run and no others. Raises StockadeError."""
    off, on = timers_to_change(states(run), wanted)
    if off:
        control(run, "disable", "--now", *off)
        forget_timers(off)
    if on:
        control(run, "enable", "--now", *on)


def stop_timers(run: Run, *, keep: t.Collection[str]) -> None:
    """Stop and disable our timers but these, as far as that goes: what matters comes after it."""
    off, _on = timers_to_change(states(run), keep)
    if off:
        run([SYSTEMCTL, "disable", "--now", *off])
        forget_timers(off)


def timers_to_change(found: t.Mapping[str, State], wanted: t.Collection[str]) -> tuple[list[str], list[str]]:
    """Our timers that are to be switched off, and on, so that the wanted ones run and no others."""
    off = [name for name in TIMERS.values() if name not in wanted and is_on(found[name])]
    on = [name for name in TIMERS.values() if name in wanted and found[name] != ("active", "enabled")]
    return off, on


def is_on(state: State) -> bool:
    """Whether a unit runs, or would after the next boot."""
    return state.active not in GONE or state.enabled == "enabled"


def forget_timers(names: t.Iterable[str]) -> None:
    """Remove what systemd remembers of timers: one that comes back later has nothing to make up."""
    for name in names:
        tree.remove(STAMPS + name)


def withdraw(run: Run) -> None:
    """Stop our units and take their files away, whichever there are."""
    running = [unit for unit, state in states(run).items() if state.active not in GONE]
    if os.path.isdir(BOOTED):
        run([SYSTEMCTL, "stop", REPORTS])  # one that was started by hand, too
    if running:
        control(run, "stop", *running)
        run([SYSTEMCTL, "stop", SLICE])  # fails if no report ever ran: nothing to do then
    left = files()
    for name in left:
        tree.remove(name)
        if os.path.dirname(name) != DIRECTORY:  # as `systemctl disable` does: no empty directory stays behind
            tree.remove_empty(os.path.dirname(name))
    if (running or left) and os.path.isdir(BOOTED):
        control(run, "daemon-reload")
        run([SYSTEMCTL, "reset-failed", *OWN, REPORTS])  # fails if none had failed: nothing to do then


def control(run: Run, *words: str) -> None:
    """Call systemctl. Raises StockadeError with its words."""
    must(run, [SYSTEMCTL, *words], " ".join(words))


def must(run: Run, command: list[str], purpose: str) -> None:
    """Run ``command``. Raises StockadeError naming ``purpose`` and what it said."""
    rc, out, err = run(command)
    if rc != 0:
        raise StockadeError("cannot %s: %s" % (purpose, (err.strip() or out.strip())[:500]))


def _last_words(run: Run) -> str:
    """What the warden said in the start that failed, in its own words and not in those of starts before."""
    _rc, out, _err = run([SYSTEMCTL, "show", "-p", "InvocationID", "--value", WARDEN])
    if not out.strip():
        return ""
    match = ["_SYSTEMD_UNIT=" + WARDEN, "_SYSTEMD_INVOCATION_ID=" + out.strip()]
    rc, out, _err = run([JOURNALCTL, "--quiet", "--no-pager", "-o", "cat", "-n", "3", *match])
    said = "; ".join(line.strip() for line in out.splitlines() if line.strip())
    return "the warden does not start: %s" % said[-500:] if rc == 0 and said else ""
