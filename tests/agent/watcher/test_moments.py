# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times without a year or an offset."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.watcher.formats.moments import LocalTime, with_offset


def utc(*fields: int) -> int:
    return int(datetime(*fields, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


def local(timezone: str, reference: int) -> LocalTime:
    moments = LocalTime(timezone)
    moments.reference = reference
    return moments


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process lives in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = utc(2026, 11, 26, 12)


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ((11, 26, 12, 0, 0), 2026),
        ((11, 27, 12, 0, 0), 2026),  # a day from now is a clock that is fast
        ((11, 27, 12, 0, 1), 2025),
        ((12, 31, 23, 59, 59), 2025),
        ((1, 1, 0, 0, 0), 2026),
        ((2, 29, 12, 0, 0), 2024),
    ],
)
def test_bh1_the_year_is_the_latest_that_fits(fields: tuple[int, int, int, int, int], year: int) -> None:
    assert local("UTC", NOW).epoch(None, *fields) == utc(year, *fields)


def test_bh1_the_year_turns() -> None:
    moments = local("UTC", utc(2027, 1, 1, 0, 0, 5))
    assert moments.epoch(None, 12, 31, 23, 59, 59) == utc(2026, 12, 31, 23, 59, 59)
    assert moments.epoch(None, 1, 1, 0, 0, 0) == utc(2027, 1, 1)
    moments.reference = utc(2026, 12, 31, 23, 59, 0)
    assert moments.epoch(None, 1, 1, 0, 0, 0) == utc(2027, 1, 1)


def test_bh1_without_a_reference_the_clock_counts() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert LocalTime("UTC").epoch(None, now.month, now.day, now.hour, now.minute, now.second) == now.timestamp()


def test_bh1_february_29_in_a_leap_year_is_of_that_year() -> None:
    assert local("UTC", utc(2028, 2, 29, 13)).epoch(None, 2, 29, 12, 0, 0) == utc(2028, 2, 29, 12)
    assert local("UTC", utc(2028, 2, 27, 13)).epoch(None, 2, 29, 12, 0, 0) == utc(2024, 2, 29, 12)


@pytest.mark.parametrize(
    "fields",
    [(2, 30, 0, 0, 0), (0, 1, 0, 0, 0), (13, 1, 0, 0, 0), (1, 1, 24, 0, 0), (1, 1, 0, 60, 0), (1, 1, 0, 0, 61)],
)
def test_times_that_do_not_exist(fields: tuple[int, int, int, int, int]) -> None:
    assert local("UTC", NOW).epoch(None, *fields) is None
    assert local("UTC", NOW).epoch(2026, *fields) is None
    assert with_offset((2026, *fields), 0) is None


def test_a_leap_second_is_the_one_before() -> None:
    assert local("UTC", NOW).epoch(2016, 12, 31, 23, 59, 60) == utc(2016, 12, 31, 23, 59, 59)
    assert with_offset((2016, 12, 31, 23, 59, 60), 0) == utc(2016, 12, 31, 23, 59, 59)


def test_a_year_that_is_given_is_taken() -> None:
    assert local("UTC", NOW).epoch(1999, 11, 27, 0, 0, 0) == utc(1999, 11, 27)
    assert local("UTC", NOW).epoch(2031, 11, 27, 0, 0, 0) == utc(2031, 11, 27)


def test_the_zone_is_that_of_the_log() -> None:
    assert local("Asia/Kolkata", NOW).epoch(None, 11, 26, 12, 0, 0) == utc(2026, 11, 26, 6, 30)
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError):
        LocalTime("Nowhere/At/All")


def clocks(moments: LocalTime, day: tuple[int, int], times: list[str]) -> list[int | None]:
    return [moments.epoch(None, *day, *map(int, clock.split(":")), 0) for clock in times]


@pytest.mark.parametrize("zone", ["Europe/Berlin", ""])
def test_dh13_the_hour_that_comes_twice(zone: str, berlin: None) -> None:
    moments = local(zone, NOW)
    times = ["01:59", "02:00", "02:20", "02:40", "02:59", "02:00", "02:20", "02:40", "02:59", "03:00"]
    first = utc(2026, 10, 25, 0, 0)  # 02:00 in summer
    assert clocks(moments, (10, 25), times) == [
        first + 60 * minutes for minutes in (-1, 0, 20, 40, 59, 60, 80, 100, 119, 120)
    ]


def test_dh13_after_the_clock_went_back_it_does_not_go_forth_again() -> None:
    assert clocks(local("Europe/Berlin", NOW), (10, 25), ["02:59", "02:00", "02:30", "02:01", "02:59"]) == [
        utc(2026, 10, 25, 0, 59), *[utc(2026, 10, 25, 1, minute) for minute in (0, 30, 1, 59)],
    ]  # fmt: skip
    assert clocks(local("Europe/Berlin", NOW), (10, 25), ["02:59", "02:00", "02:59"]) == [
        utc(2026, 10, 25, hour, minute) for hour, minute in ((0, 59), (1, 0), (0, 59))
    ]


def test_dh13_a_line_that_is_a_little_late_is_still_the_first_pass() -> None:
    assert clocks(local("Europe/Berlin", NOW), (10, 25), ["02:30", "02:10", "02:50"]) == [
        utc(2026, 10, 25, 0, minute) for minute in (30, 10, 50)
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", ""])
def test_dh13_the_hour_that_is_left_out_is_moved(zone: str, berlin: None) -> None:
    assert clocks(local(zone, NOW), (3, 29), ["01:59", "02:30", "03:30"]) == [
        utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 1, 30), utc(2026, 3, 29, 1, 30),
    ]  # fmt: skip


def test_the_hosts_own_time_is_the_default(berlin: None) -> None:
    assert local("", NOW).epoch(None, 7, 1, 12, 0, 0) == utc(2026, 7, 1, 10)


@given(st.integers(0, 2_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_taken_away(moment: int, minutes: int) -> None:
    there = datetime.fromtimestamp(moment + minutes * 60, UTC)
    fields = (there.year, there.month, there.day, there.hour, there.minute, there.second)
    assert with_offset(fields, minutes * 60) == moment


@given(
    st.tuples(*[st.integers(-5, 70)] * 5), st.one_of(st.none(), st.integers(-5, 12_000)), st.integers(0, 4_000_000_000)
)
def test_no_numbers_whatsoever_raise(fields: tuple[int, int, int, int, int], year: int | None, reference: int) -> None:
    found = local("Europe/Berlin", reference).epoch(year, *fields)
    assert found is None or year is not None or found <= reference + 86_400
