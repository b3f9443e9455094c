# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine counts: by which keys (row A12 of the acceptance list), how much of it, from any line on."""

from __future__ import annotations

import random
from typing import Any

import pytest
from watcherlab import THIRTY, banned


def test_a12_ipv6_bans_the_64_by_default(engine, log) -> None:
    assert banned(engine(THIRTY).feed(log.lines(40, log.noon, "2001:db8::1"))) == ["2001:db8::/64"]
    spread = [log.line(log.noon, f"2001:db8::{number:x}") for number in range(1, 31)]
    assert banned(engine(THIRTY).feed(spread)) == ["2001:db8::/64"]


def test_a12_ipv6_by_address_where_the_rule_says_so(engine, log) -> None:
    rule = {**THIRTY, "key": "address"}
    spread = [log.line(log.noon, f"2001:db8::{number:x}") for number in range(1, 31)]
    assert engine(rule).feed(spread) == []
    assert banned(engine(rule).feed(log.lines(30, log.noon, "2001:db8::1"))) == ["2001:db8::1"]


def test_keys_of_ipv4(engine, log) -> None:
    spread = [log.line(log.noon, f"203.0.113.{number}") for number in range(1, 31)]
    assert engine(THIRTY).feed(spread) == []
    assert banned(engine({**THIRTY, "key": "ipv4/24"}).feed(spread)) == ["203.0.113.0/24"]


def test_the_64_is_not_taken_where_the_host_lives_nor_behind_a_translator(engine, log) -> None:
    def ban(address: str, own: str = "2001:db8:77::11") -> list[str]:
        return banned(engine({**THIRTY, "key": "ipv4/24"}, own=(own,)).feed(log.lines(30, log.noon, address)))

    assert ban("2001:db8:77::66") == ["2001:db8:77::66"]
    assert ban("2001:db8:78::66") == ["2001:db8:78::/64"]
    assert ban("64:ff9b::cb00:7101") == ["64:ff9b::cb00:7101"]
    assert ban("192.0.2.66", own="192.0.2.11") == ["192.0.2.66"]


def test_ipv4_mapped_counts_as_ipv4(engine, log) -> None:
    lines = log.lines(15, log.noon, "::ffff:203.0.113.1") + log.lines(15, log.noon)
    assert banned(engine(THIRTY).feed(lines)) == ["203.0.113.1"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0"])
def test_what_is_never_banned_does_not_count(engine, log, address) -> None:
    counter = engine(THIRTY)
    assert counter.feed(log.lines(40, log.noon, address)) == []
    assert counter.formats["web"].unparsed == 0


def test_memory_is_bounded_and_the_quietest_go_first(engine, log) -> None:
    counter = engine(THIRTY, max_tracked=100)
    counter.feed(log.lines(29, log.noon, "203.0.113.1"))
    for number in range(1000):
        counter.feed([log.line(log.noon + 1, f"198.51.{100 + number // 200}.{number % 200}")])
        assert counter.tallies[0].tracked <= 100
    assert counter.tallies[0].shed > 800
    assert banned(counter.feed([log.line(log.noon + 2, "203.0.113.1")])) == ["203.0.113.1"]


def test_sweep_forgets_what_is_over_and_nothing_else(engine, log) -> None:
    counter = engine(THIRTY)
    counter.feed(log.lines(29, log.noon) + log.lines(29, log.noon + 30, "203.0.113.2"))
    counter.sweep(log.noon + 89)
    assert counter.tallies[0].tracked == 1
    assert banned(counter.feed(log.lines(1, log.noon + 60, "203.0.113.2"))) == ["203.0.113.2"]


def test_a_clock_set_back_does_not_leave_counts_in_the_future(engine, log) -> None:
    counter = engine(THIRTY)
    counter.feed(log.lines(29, log.noon + 3600))
    counter.clock_set_back(log.noon)
    assert counter.tallies[0].tracked == 0
    assert banned(counter.feed(log.lines(30, log.noon))) == ["203.0.113.1"]


def _attack(log: Any) -> list[bytes]:
    rng = random.Random(5)
    lines = []
    for second in range(400):
        for _cut in range(rng.randrange(8)):
            address = f"203.0.113.{rng.randrange(6)}" if rng.random() < 0.8 else f"2001:db8::{rng.randrange(9)}"
            user = rng.choice(["-", "foo bar", r"a\"b"])
            lines.append(log.line(log.noon + second - rng.randrange(3), address, user=user))
    return lines


def test_any_split_into_reads_gives_the_same_verdicts(engine, log) -> None:
    lines = _attack(log)
    rules = ({"maxretry": 20, "findtime": 30}, {"maxretry": 60, "findtime": 60, "duration": 90})
    whole = sorted(verdict.id for verdict in engine(*rules).feed(lines))
    assert len(whole) > 5
    for seed in range(20):
        rng = random.Random(seed)
        counter = engine(*rules)
        found, rest = [], lines
        while rest:
            size = rng.randrange(1, 200)
            found += counter.feed(rest[:size])
            rest = rest[size:]
        assert sorted(verdict.id for verdict in found) == whole


def test_counts_survive_a_dump_at_any_line(engine, log) -> None:
    lines = _attack(log)
    rules = ({"maxretry": 20, "findtime": 30},)
    whole = sorted(verdict.id for verdict in engine(*rules).feed(lines))
    for cut in range(0, len(lines), 97):
        before, after = engine(*rules), engine(*rules)
        found = before.feed(lines[:cut])
        after.load(before.counts(), before.records())
        found += after.feed(lines[cut:])
        assert sorted(verdict.id for verdict in found) == whole


def test_counts_of_another_key_are_not_taken_over(engine, log) -> None:
    before, after = engine(THIRTY), engine({**THIRTY, "key": "address"})
    before.feed(log.lines(29, log.noon))
    after.load(before.counts(), before.records())
    assert after.tallies[0].tracked == 0


def test_the_memory_of_windows_is_bounded_too(engine, log) -> None:
    counter = engine({"maxretry": 10_000, "exclude_static": False})
    rule = counter.tallies[0]
    rule._max_held = 4000  # bytes: 1000 requests
    for number in range(50):
        counter.feed(
            [log.line(log.noon, f"203.0.113.{1 + number % 50}", request=f"GET /{n} HTTP/1.1") for n in range(1000)]
        )
    assert rule.shed == 50
    assert rule.windows == {}
