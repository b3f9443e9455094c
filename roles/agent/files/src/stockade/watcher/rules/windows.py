# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A window: the events of one client that may still count, as a string of five-byte stamps.

A stamp is a time (four bytes, epoch seconds) and a mask of the rules that count the event. Strings of bytes take a
third of the memory of lists, and one event alone costs nothing beside its key: its stamp is shared by all clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import iter_unpack, pack

SIZE = 5  # bytes of a stamp
_KEPT = 4096  # times of which the stamps are remembered
_FORM = ">IB"


class Stamps:
    """Stamps by time and mask; the same stamp is the same object, for as long as it is remembered."""

    def __init__(self, masks: int) -> None:
        self._masks = range(masks)
        self.of: dict[int, list[bytes]] = {}

    def at(self, time: int) -> list[bytes]:
        """The stamps of a time, by mask."""
        found = self.of.get(time)
        if found is None:
            if len(self.of) >= _KEPT:
                self.of.clear()
            found = self.of[time] = [pack(_FORM, time, mask) for mask in self._masks]
        return found


def stamps_of(window: bytes) -> list[tuple[int, int]]:
    """Times and masks of a window, in the order of their times. Raises ValueError if it is none."""
    if len(window) % SIZE:
        raise ValueError("not a window")
    return sorted(iter_unpack(_FORM, window))


def columns_of(window: bytes) -> tuple[list[int], bytes]:
    """The same in two columns: ascending times, and their masks."""
    times = [time for time, _mask in iter_unpack(_FORM, window)]
    if times == sorted(times):
        return times, window[SIZE - 1 :: SIZE]
    stamps = stamps_of(window)
    return [time for time, _mask in stamps], bytes(mask for _time, mask in stamps)


def window_of(stamps: Iterable[tuple[int, int]]) -> bytes:
    """The window of these times and masks."""
    return b"".join(pack(_FORM, time, mask) for time, mask in stamps)


def without_old(window: bytes, edge: int) -> bytes:
    """The window from the first stamp that may be later than `edge` on: half a dozen looks, whatever its length.

    Stamps need not be in order; by how much they may be out of it the caller has taken off the edge.
    """
    low, high = 0, len(window) // SIZE
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(window[middle * SIZE : middle * SIZE + 4], "big") <= edge:
            low = middle + 1
        else:
            high = middle
    return window[low * SIZE :]


def newest(window: bytes) -> int:
    """The time of the last stamp, which is the newest but for lines that are out of order."""
    return int.from_bytes(window[-SIZE:-1], "big")


def densest(times: list[int], span: int) -> int:
    """How many of these ascending times lie less than `span` apart, where most of them do."""
    most = first = 0
    for index, time in enumerate(times):
        while time - times[first] >= span:
            first += 1
        most = max(most, index - first + 1)
    return most


def full_span(times: list[int], count: int, span: int) -> int:
    """Index of the first of `count` ascending times that lie less than `span` apart. Raises ValueError without any."""
    for index in range(len(times) - count + 1):
        if times[index + count - 1] - times[index] < span:
            return index
    raise ValueError("no such times")
