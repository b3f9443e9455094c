# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a rule: this network, for that long, because of this."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from stockade import durations


@dataclass(frozen=True, slots=True)
class Verdict:
    """`count` events between `first` and `last` (epoch seconds of the log) met the threshold of `rule`.

    `duration` is in seconds, None is permanent; it began at `last`, however late the log was read.
    """

    network: str
    rule: str
    count: int
    first: int
    last: int
    maxretry: int
    findtime: int
    duration: int | None
    observe: bool
    note: str = ""

    @property
    def id(self) -> str:
        """The same for the same events of the same rule: asking twice is asking once. At most 128 characters."""
        return f"{self.rule}-{self.network.replace('/', '_')}-{self.last}-{self.last - self.first}"

    @property
    def source(self) -> str:
        """Who decided, in the registry's words."""
        return f"watcher/{self.rule}"

    @property
    def reason(self) -> str:
        """What happened, in one line, without anything that the client wrote."""
        seen = f"{self.count} requests in {self.last - self.first + 1}s (threshold {self.maxretry} in {self.findtime}s)"
        return f"{self.note}: {seen}" if self.note else seen

    def remaining(self, now: int) -> int | None:
        """Seconds the ban would still run at `now` (0 or less: it is over), None for a permanent one."""
        return None if self.duration is None else min(self.duration, self.last + self.duration - now)

    def journal(self, outcome: str) -> str:
        """One structured line (key=value)."""
        return (
            f"ban network={self.network} rule={self.rule} count={self.count} "
            f"window={self.last - self.first + 1}s threshold={self.maxretry}/{self.findtime}s "
            f"duration={durations.human(self.duration).replace(' ', '')} id={self.id} result={outcome}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For the saved state; `Verdict(**d)` is the way back."""
        return asdict(self)
