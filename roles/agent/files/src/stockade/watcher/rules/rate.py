# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule `rate`: `maxretry` requests of one client within `findtime` seconds.

The window slides: what counts is the time between the newest request and the one `maxretry - 1` before it, so the turn
of a minute hides nothing. Times are those of the log. After a verdict the client starts at nothing, and for a moment
nothing more is said about it: requests under way would be a second verdict. Not for as long as the ban: somebody may
lift that, and only the warden knows; it answers a ban that still runs with `unchanged`.

A window is a string of four-byte times, ascending. It compares and slices as bytes do, takes a third of the memory of a
list, and one request alone costs nothing beside its key: its time is shared by all clients of that second.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from stockade.watcher.config import RateRule
from stockade.watcher.formats.access import Event, is_static
from stockade.watcher.verdict import Verdict

MAX_TRACKED = 100_000  # clients
QUIET = 60  # seconds after a verdict without another one, at most
MAX_HELD = 3 * 2**20  # bytes of windows: 100,000 clients with 7 requests each
LATEST = 2**32 - 1  # the last time (epoch seconds) a window can hold
_SIZE = 4  # bytes of a time
_STAMPS = 4096  # times of which the bytes are remembered
_CHECK = 50_000  # requests between two looks at the memory held


class Rate:
    """Counts for one rule: how many clients it tracks, has shed under load, has decided about (`verdicts`)."""

    def __init__(
        self, rule: RateRule, *, key_index: int = 0, max_tracked: int = MAX_TRACKED, max_held: int = MAX_HELD
    ) -> None:
        self.rule = rule
        self.shed = 0
        self.verdicts = 0
        self._key_index = key_index  # of this rule's kind of key in a Client
        self._max_tracked = max_tracked
        self._max_held = max_held
        self._unchecked = 0
        self._windows: dict[str, bytes] = {}
        self._stamps: dict[int, bytes] = {}
        # Key -> until when (log time) nothing is said about it after its last verdict.
        self._quiet: dict[str, int] = {}

    @property
    def tracked(self) -> int:
        """Clients with requests in a window now."""
        return len(self._windows)

    def feed(self, events: list[Event]) -> list[Verdict]:
        """The verdicts that these events complete."""
        verdicts = []
        windows, stamps, key_index = self._windows, self._stamps, self._key_index
        exclude_static, full = self.rule.exclude_static, self.rule.maxretry * _SIZE
        for time, client, request, _line in events:
            if exclude_static and is_static(request):
                continue
            key = client[key_index]
            stamp = stamps.get(time) or self._stamp(time)
            window = windows.get(key)
            if window is None:
                if time <= self._quiet.get(key, 0):
                    continue
                if len(windows) >= self._max_tracked:
                    self._make_room(time)
                window = stamp
            elif stamp >= window[-_SIZE:]:
                window += stamp
            else:
                window = _inserted(window, stamp)  # lines are out of order by the time a request takes
            if len(window) < full:
                windows[key] = window
            else:
                verdict = self._judge(key, window)
                if verdict is not None:
                    verdicts.append(verdict)
        self._unchecked += len(events)
        if self._unchecked >= _CHECK:
            self._unchecked = 0
            self._limit_memory()
        return verdicts

    def sweep(self, now: int) -> None:
        """Forget windows and verdicts that ended before `now`. Only when no input has older lines to come."""
        edge = _packed(max(0, now - self.rule.findtime))
        for key in [key for key, window in self._windows.items() if window[-_SIZE:] <= edge]:
            del self._windows[key]
        for key in [key for key, until in self._quiet.items() if until < now]:
            del self._quiet[key]

    def forget(self, key: str) -> None:
        """Speak about that client again: its verdict got lost."""
        self._quiet.pop(key, None)

    def forget_future(self, now: int) -> None:
        """Drop requests and verdicts later than `now`: the clock was set back, and they would never be over."""
        for key, window in list(self._windows.items()):
            if window[-_SIZE:] <= _packed(now):
                continue
            past = [time for time in unpack(window) if time <= now]
            if past:
                self._windows[key] = pack(past)
            else:
                del self._windows[key]
        for key in [key for key, until in self._quiet.items() if until > now + self._silence]:
            del self._quiet[key]

    @property
    def counts(self) -> list[Any]:
        """What it counts and whether it bans: what is remembered about clients is of use to the same only."""
        return [self.rule.key, self.rule.exclude_static, list(self.rule.inputs), self.rule.observe]

    def remembered(self) -> Iterator[str]:
        """Every client it remembers something about."""
        yield from self._windows
        yield from (key for key in self._quiet if key not in self._windows)

    def knows(self, key: str) -> bool:
        """True if it remembers something about that client."""
        return key in self._windows or key in self._quiet

    def entry(self, key: str) -> list[Any]:
        """What it remembers about a client and what has to survive a restart: its window and its quiet time."""
        return [self._windows.get(key, b""), self._quiet.get(key, 0)]

    def restore(self, key: str, entry: list[Any]) -> None:
        """Go on from an `entry`, its window may be hexadecimal. Raises TypeError, ValueError if it is none."""
        window, until = entry
        if until:
            self._quiet[key] = int(until)
        times = unpack(window if isinstance(window, bytes) else bytes.fromhex(window))
        if len(times) == 1:
            self._windows[key] = self._stamps.get(times[0]) or self._stamp(times[0])
        elif times:
            # If maxretry was lowered meanwhile, one more request decides.
            self._windows[key] = pack(sorted(times)[-max(1, self.rule.maxretry - 1) :])

    @property
    def _silence(self) -> int:
        return min(self.rule.findtime, QUIET)

    def _stamp(self, time: int) -> bytes:
        if len(self._stamps) >= _STAMPS:
            self._stamps.clear()
        stamp = self._stamps[time] = _packed(time)
        return stamp

    def _judge(self, key: str, window: bytes) -> Verdict | None:
        """Judge a window of `maxretry` requests: a verdict, or make room in it."""
        times = unpack(window)
        first, last = times[0], times[-1]
        if last - first >= self.rule.findtime:
            self._windows[key] = window[bisect_right(times, last - self.rule.findtime) * _SIZE :]
            return None
        self._windows.pop(key, None)
        if len(self._quiet) >= self._max_tracked:
            self._quiet = dict(sorted(self._quiet.items(), key=lambda item: item[1])[self._max_tracked // 8 :])
        self._quiet[key] = last + self._silence
        self.verdicts += 1
        return Verdict(
            network=key,
            rule=self.rule.name,
            count=len(times),
            first=first,
            last=last,
            maxretry=self.rule.maxretry,
            findtime=self.rule.findtime,
            duration=self.rule.duration,
            observe=self.rule.observe,
            note=self.rule.reason,
        )

    # -- bounded memory: the quietest clients go first, and of these the oldest --

    def _make_room(self, now: int) -> None:
        self.sweep(now)  # windows that are over cost nothing
        surplus = len(self._windows) - self._max_tracked * 7 // 8
        if surplus > 0:
            self._shed(self._quietest()[:surplus])

    def _limit_memory(self) -> None:
        held = sum(map(len, self._windows.values()))
        if held <= self._max_held:
            return
        for key in self._quietest():
            if held <= self._max_held * 7 // 8:
                break
            held -= len(self._windows[key])
            self._shed([key])

    def _quietest(self) -> list[str]:
        windows = self._windows

        def rank(key: str) -> int:  # one number, not a pair: memory is short here
            return (len(windows[key]) << 32) + int.from_bytes(windows[key][-_SIZE:], "big")

        return sorted(windows, key=rank)

    def _shed(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._windows[key]
            self.shed += 1


def pack(times: Iterable[int]) -> bytes:
    """A window of these ascending times."""
    return b"".join(map(_packed, times))


def unpack(window: bytes) -> list[int]:
    """The times of a window. Raises ValueError if it is none."""
    if len(window) % _SIZE:
        raise ValueError("not a window")
    times = array("I", window)
    if sys.byteorder == "little":
        times.byteswap()
    return times.tolist()


def _packed(time: int) -> bytes:
    return time.to_bytes(_SIZE, "big")


def _inserted(window: bytes, stamp: bytes) -> bytes:
    end = len(window)
    while end and window[end - _SIZE : end] > stamp:
        end -= _SIZE
    return window[:end] + stamp + window[end:]
