# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules `probe`: distinct sensitive requests of one client.

The same request again adds nothing: a link to `/.env` on a foreign page, or a client that retries, is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stockade.watcher.config.rules import Rule
from stockade.watcher.events import Message, Request
from stockade.watcher.rules.judge import RequestJudge
from stockade.watcher.rules.suspicious import DEFAULT_PATHS, WIDE_PATHS, Suspicious
from stockade.watcher.rules.tally import Tally
from stockade.watcher.verdict import Verdict

Seen = dict[str, dict[str, int]]  # client -> what it probed for -> when (log time)
MAX_SEEN = 20_000  # clients


class Probes(RequestJudge):
    """One rule `probe`. `seen` has what each client probed for, for as long as it may count."""

    def __init__(self, rule: Rule, tally: Tally, *, key_index: int, covered: frozenset[str]) -> None:
        self.tally = tally
        self.seen: Seen = {}
        self._hits: list[tuple[Request, str]] = []  # of the last `feed`
        self.rule = rule
        self._key_index = key_index
        self._covered = covered
        paths = (*(WIDE_PATHS if rule.wide else DEFAULT_PATHS), *rule.paths)
        self._suspicious = Suspicious(paths, rule.probes)

    def feed(self, events: list[Request], shapes: list[bytes], source: str) -> list[Verdict]:
        """The verdicts that these requests complete."""
        if source not in self._covered:
            return []
        self._hits = self._suspicious.hits(events, shapes)
        verdicts: list[Verdict] = []
        for (time, client, *_rest), token in self._hits:
            key = client[self._key_index]
            if key not in self.tally.windows:  # decided, or forgotten: it starts at nothing
                self.seen.pop(key, None)
            if self._is_new(key, token, time):
                verdicts += self.tally.add(key, self.tally.stamps.at(time)[1])
        return verdicts

    def _is_new(self, key: str, token: str, time: int) -> bool:
        """Whether a client did not probe for that within the window before."""
        if key not in self.seen and len(self.seen) >= MAX_SEEN:
            for old in list(self.seen)[: MAX_SEEN // 8]:
                del self.seen[old]
        probed = self.seen.setdefault(key, {})
        known = probed.get(token)
        if known is not None and abs(time - known) < self.rule.findtime:
            return False
        if len(probed) >= self.rule.maxretry * 2:  # those of a verdict and more: the oldest are of no use
            del probed[min(probed, key=lambda name: probed[name])]
        probed[token] = time
        return True

    def told(self, source: str) -> list[Message]:
        """What the requests of the last `feed` probed for, as messages."""
        if source not in self._covered:
            return []
        return [Message(event[0], event[1], "probe", token) for event, token in self._hits]

    def records(self) -> Iterator[dict[str, Any]]:
        """What each client probed for."""
        yield from ({"probe": self.rule.name, "key": key, "seen": probed} for key, probed in self.seen.items())

    def restore(self, record: dict[str, Any]) -> None:
        """Take back what a client probed for."""
        if record.get("probe") == self.rule.name:
            self.seen[str(record["key"])] = {str(token): int(time) for token, time in record["seen"].items()}

    def sweep(self, now: int) -> None:
        """Forget what cannot count at `now` any more."""
        super().sweep(now)
        edge = now - self.rule.findtime
        for key in [key for key, probed in self.seen.items() if max(probed.values()) < edge]:
            del self.seen[key]
