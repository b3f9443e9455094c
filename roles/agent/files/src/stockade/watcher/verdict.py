# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a rule: this network, for that long, because of this."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from stockade import durations
from stockade.addresses import parse_network
from stockade.watcher.clients import FORWARDED
from stockade.watcher.config.rules import Rule

_COUNTED = {
    "rate": "requests",
    "probe": "sensitive requests",
    "failures": "failed logins",
    "users": "tries of suspicious names",
    "text": "messages",
}
# Why a verdict is only told: the words of the outcome.
OBSERVED, STORM, SHARE, EASED, PROXY = (
    "observed",
    "held back (storm)",
    "held back (over the share of all requests)",
    "held back (eased after a key login)",
    "observed (behind a proxy, the kernel cannot drop it)",
)
# What became of one that the warden never got.
DROPPED, LATE = "dropped", "late"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`count` events between `first` and `last` (epoch seconds of the log) met the threshold of `rule`.

    `duration` is in seconds, None is permanent; it began at `last`, however late the log was read. `held` says why the
    warden is not asked, empty if it is. `forwarded`: the address stood in a proxy's header.
    """

    network: str
    rule: str
    count: int
    first: int
    last: int
    maxretry: int
    findtime: int
    duration: int | None
    type: str = "rate"
    held: str = ""
    note: str = ""
    forwarded: bool = False

    @classmethod
    def of(cls, rule: Rule, key: str, *, count: int, first: int, last: int) -> Verdict:
        """The verdict of a rule about the client with that key."""
        return cls(
            network=key.removesuffix(FORWARDED),
            rule=rule.name,
            count=count,
            first=first,
            last=last,
            maxretry=rule.maxretry,
            findtime=rule.findtime,
            duration=rule.duration,
            type=rule.type,
            held=OBSERVED if rule.observe else "",
            note=rule.reason,
            forwarded=key.endswith(FORWARDED),
        )

    @classmethod
    def restored(cls, record: dict[str, Any]) -> Verdict:
        """The verdict of a saved record. Raises TypeError, ValueError for what is none."""
        verdict = cls(**record)
        parse_network(verdict.network)
        numbers = (
            verdict.count,
            verdict.first,
            verdict.last,
            verdict.maxretry,
            verdict.findtime,
            0 if verdict.duration is None else verdict.duration,
        )
        texts = (verdict.rule, verdict.held, verdict.note)
        right = all(isinstance(number, int) for number in numbers) and all(isinstance(text, str) for text in texts)
        if verdict.type not in _COUNTED or not right:
            raise ValueError("not a verdict")
        return verdict

    def about(self, key: str) -> Verdict:
        """The same about another client."""
        return replace(self, network=key.removesuffix(FORWARDED), forwarded=key.endswith(FORWARDED))

    def held_back(self, why: str) -> Verdict:
        """The same, only told; a verdict that is held back already keeps its first reason."""
        return self if self.held else replace(self, held=why)

    @property
    def key(self) -> str:
        """What its client was counted by."""
        return self.network + FORWARDED if self.forwarded else self.network

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
        window = f"{self.last - self.first + 1}s (threshold {self.maxretry} in {self.findtime}s)"
        seen = f"{self.count} {_COUNTED[self.type]} in {window}"
        return f"{self.note}: {seen}" if self.note else seen

    def remaining(self, now: int) -> int | None:
        """Seconds the ban would still run at `now` (0 or less: it is over), None for a permanent one."""
        return None if self.duration is None else min(self.duration, self.last + self.duration - now)

    def journal(self, outcome: str) -> str:
        """One structured line (key=value)."""
        return (
            f"ban network={self.network} rule={self.rule} type={self.type} count={self.count} "
            f"window={self.last - self.first + 1}s threshold={self.maxretry}/{self.findtime}s "
            f"duration={durations.human(self.duration).replace(' ', '')} id={self.id} result={outcome}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For the saved state; `Verdict(**d)` is the way back."""
        return asdict(self)
