# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall without a memory and a clock of its own was told: networks and when their bans end, on disk.

Lines are appended, so that noting one ban costs the same whatever else is there; the last line of a network counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stockade.addresses import Network, parse_network

End = int | None  # epoch seconds, None: permanent

_PERMANENT, _GONE = "permanent", "gone"
_SPARE_LINES = 1000  # the file is written anew when it has more lines than this and twice the networks


class Ledger:
    """`ends` is what stands in the file. A disk that is full loses what is noted, not what is in force."""

    def __init__(self, path: Path) -> None:
        self.ends: dict[Network, End] = {}
        self._path = path
        self._lines = 0
        self._whole = True  # the file and `ends` agree
        self._read()

    def note(self, *, put: Mapping[Network, End], gone: Iterable[Network] = ()) -> None:
        """Remember bans with their ends, and forget others."""
        lines = []
        for network, end in put.items():
            self.ends[network] = end
            lines.append(f"{network} {_PERMANENT if end is None else end}\n")
        for network in gone:
            if self.ends.pop(network, 0) != 0:
                lines.append(f"{network} {_GONE}\n")
        if not lines:
            return
        self._lines += len(lines)
        try:
            if self._whole and self._lines <= 2 * len(self.ends) + _SPARE_LINES:
                self._whole = False
                with self._path.open("a", encoding="ascii") as file:
                    file.writelines(lines)
            else:
                self._whole = False
                self._rewrite()
            self._whole = True
        except OSError:
            return  # what is in force matters more; the next note writes the whole file

    def replace(self, ends: Mapping[Network, End]) -> None:
        """Hold exactly these."""
        put = {net: end for net, end in ends.items() if self.ends.get(net, 0) != end}
        self.note(put=put, gone=[net for net in self.ends if net not in ends])

    def _rewrite(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w", encoding="ascii") as file:
            file.writelines(f"{net} {_PERMANENT if end is None else end}\n" for net, end in self.ends.items())
        os.replace(fresh, self._path)
        self._lines = len(self.ends)

    def _read(self) -> None:
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except OSError:
            return
        lines = text.split("\n")
        self._whole = lines.pop() == ""  # otherwise the power went in the middle of a line: it does not count
        for line in lines:
            self._lines += 1
            words = line.split(" ")
            try:
                network = parse_network(words[0])
                end = None if words[1:] == [_PERMANENT] else 0 if words[1:] == [_GONE] else int(words[1])
            except (ValueError, IndexError):
                self._whole = False  # not ours: left out from here on
                continue
            if end == 0:
                self.ends.pop(network, None)
            else:
                self.ends[network] = end
