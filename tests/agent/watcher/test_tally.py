# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tally judges late and says the same as one that judges every event at once, over all it has ever seen."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from stockade.watcher.config.rules import DEFAULTS, Rule
from stockade.watcher.rules.tally import QUIET, Tally
from stockade.watcher.rules.windows import SIZE

NOON = 1_790_000_000
KEYS = ("203.0.113.1", "203.0.113.2", "2001:db8::/64")


def rules_of(*counts: tuple[int, int]) -> list[Rule]:
    """Rules of these thresholds and windows (seconds)."""
    return [
        replace(DEFAULTS["rate"], name=f"r{number}", maxretry=maxretry, findtime=findtime)
        for number, (maxretry, findtime) in enumerate(counts)
    ]


class Eager:
    """Every event is kept for ever and judged at once: slow, and plain to see that it is right."""

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules
        self._times: dict[tuple[str, str], list[int]] = {}
        self._quiet: dict[tuple[str, str], int] = {}

    def add(self, key: str, time: int, mask: int) -> list[tuple[str, str, int]]:
        verdicts = []
        for index, rule in enumerate(self._rules):
            about = (rule.name, key)
            if not mask >> index & 1:
                continue
            times = self._times.setdefault(about, [])
            times.append(time)
            counted = sorted(time for time in times if time > self._quiet.get(about, 0))
            for first in range(len(counted) - rule.maxretry + 1):
                last = counted[first + rule.maxretry - 1]
                if last - counted[first] < rule.findtime:
                    verdicts.append((rule.name, key, last))
                    self._times[about] = []
                    self._quiet[about] = last + min(rule.findtime, QUIET)
                    break
        return verdicts


def events(seed: int, *, masks: int, disorder: int, pace: float) -> list[tuple[str, int, int]]:
    """Key, time and mask of 3,000 events."""
    rng = random.Random(seed)
    found, at = [], float(NOON)
    for _event in range(3000):
        at += rng.expovariate(pace) * rng.choice([0.05, 1, 1, 4])
        found.append((rng.choice(KEYS), int(at) - rng.randrange(disorder + 1), rng.randrange(1, masks)))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("disorder", [0, 7])
@pytest.mark.parametrize(
    "counts", [((30, 60),), ((30, 60), (300, 60), (120, 60)), ((3, 600), (10, 5), (1, 60)), ((20, 30), (60, 600))]
)
def test_it_says_the_same_as_if_every_event_were_judged_at_once(seed, disorder, counts) -> None:
    rules = rules_of(*counts)
    tally, eager = Tally(rules), Eager(rules)
    for key, time, mask in events(seed, masks=1 << len(rules), disorder=disorder, pace=3.0):
        found = [
            (verdict.rule, verdict.network, verdict.last) for verdict in tally.add(key, tally.stamps.at(time)[mask])
        ]
        assert found == eager.add(key, time, mask)


@pytest.mark.parametrize("seed", range(3))
def test_sweeps_and_restarts_change_nothing(seed) -> None:
    rules = rules_of((20, 30), (60, 120))
    tally, eager = Tally(rules), Eager(rules)
    for number, (key, time, mask) in enumerate(events(seed, masks=4, disorder=5, pace=2.0)):
        found = [
            (verdict.rule, verdict.network, verdict.last) for verdict in tally.add(key, tally.stamps.at(time)[mask])
        ]
        assert found == eager.add(key, time, mask)
        if number % 50 == 0:
            tally.sweep(time)
        if number % 130 == 0:
            before, tally = tally, Tally(rules)
            for entry in before.entries():
                tally.restore(*entry, before=list(before.counts))


def test_there_are_verdicts_to_compare() -> None:
    """The tests above would pass with a tally that never says anything if the events were too slow."""
    tally = Tally(rules_of((30, 60), (300, 60), (120, 60)))
    told = [verdict.rule for key, time, mask in events(1, masks=8, disorder=7, pace=3.0)
            for verdict in tally.add(key, tally.stamps.at(time)[mask])]  # fmt: skip
    assert told.count("r0") > 10


def test_whoever_is_close_to_a_verdict_is_kept_when_memory_is_short() -> None:
    """29 of 30 failures are closer to a verdict than 200 of 300 requests, and one request is further than both."""
    tally = Tally(rules_of((30, 60), (300, 60)), max_held=80 * SIZE * 200)
    close = "203.0.113.1"
    for _n in range(29):
        tally.add(close, tally.stamps.at(NOON)[3])
    for number in range(100):
        for _n in range(200):
            tally.add(f"198.51.100.{number}", tally.stamps.at(NOON + 1)[2])
    tally.counted(50_000)
    assert 0 < tally.shed < 100
    assert [verdict.network for verdict in tally.add(close, tally.stamps.at(NOON + 2)[3])] == [close]
