# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times with an offset, as text and as numbers."""

from __future__ import annotations

import pytest

from stockade.watcher.formats.instants import Instants

NOON = 1795694400  # 2026-11-26T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-26T12:00:00Z",
        "2026-11-26T12:00:00+00:00",
        "2026-11-26T12:00:00-00:00",
        "2026-11-26T17:30:00+05:30",
        "2026-11-26T07:00:00.999999999-0500",
        "2026-11-26 12:00:00.5Z",
        "2026-11-27T00:00:00,001+12:00",
        "26/Nov/2026:12:00:00 +0000",
        "26/Nov/2026:20:00:00 +0800",
        "[26/Nov/2026:12:00:00 +0000]",
        NOON,
        NOON + 0.999,
        NOON * 1000 + 999,
        (NOON + 0.5) * 1000,
        NOON * 1_000_000,
        NOON * 1_000_000_000,
        str(NOON),
        f"{NOON}.123",
        f"{NOON}000",
    ],
)
def test_dh13_a_time_is_read_with_its_offset(value: object) -> None:
    assert Instants().epoch(value) == NOON


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-26T12:00:00",
        "26/Nov/2026:12:00:00",
        "2026-11-26",
        "2026-02-30T12:00:00Z",
        "2026-11-26T25:00:00Z",
        "2026-11-26T12:00:00+24:00",
        "2026-11-26T12:00:00+00:60",
        "2026-11-26T12:00:00Z ",
        "26/Nvo/2026:12:00:00 +0000",
        "26/ovD/2026:12:00:00 +0000",
        "٢٠٢٦-11-26T12:00:00Z",
        "1969-12-31T23:59:59Z",
        "2107-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "",
        "x" * 100_000,
        -1,
        -0.5,
        float("nan"),
        float("inf"),
        10**400,
        True,
        None,
        [],
        {},
    ],
)
def test_dh13_a_time_without_offset_or_none_at_all_is_refused(value: object) -> None:
    assert Instants().epoch(value) is None


def test_a_leap_second_is_the_one_before_it() -> None:
    assert Instants().epoch("2016-12-31T23:59:60Z") == Instants().epoch("2016-12-31T23:59:59Z") == 1483228799


def test_the_memory_of_times_is_bounded() -> None:
    instants = Instants()
    for number in range(10_000):
        instants.epoch(f"2026-11-26T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.{number}Z")
    assert len(instants._known) <= 4096
