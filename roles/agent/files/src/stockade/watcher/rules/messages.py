# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules `failures`, `users` and `text`: which messages count for which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stockade.watcher.clients import Client
from stockade.watcher.config.rules import USER, Rule
from stockade.watcher.events import ATTEMPT, FAILURE, Message
from stockade.watcher.rules.judge import MessageJudge
from stockade.watcher.rules.tally import Tally
from stockade.watcher.verdict import Verdict

_MAX_FIRST = 100
_MAX_CLIENTS = 1000  # of one user name that are remembered


class Messages(MessageJudge):
    """Rules about messages of one kind of key; `covered` tells which of them count an input."""

    def __init__(self, tally: Tally, *, key_index: int, covered: dict[str, int]) -> None:
        self.tally = tally
        self.first: list[tuple[str, Message]] = []  # clients that were not counted before; whoever tells takes them out
        self._key_index = key_index
        counts = [(1 << index, predicate(rule)) for index, rule in enumerate(tally.rules)]
        self._counts = {source: [(bit, holds) for bit, holds in counts if covered[source] & bit] for source in covered}

    def mask(self, event: Message, source: str) -> int:
        """The rules that count a message of that input."""
        return sum(bit for bit, holds in self._counts.get(source, ()) if holds(event))

    def feed(self, events: list[Message], source: str) -> list[Verdict]:
        """The verdicts that these messages complete."""
        verdicts: list[Verdict] = []
        counts = self._counts.get(source)
        if counts is None:
            return verdicts
        for event in events:
            mask = 0
            for bit, holds in counts:
                if holds(event):
                    mask |= bit
            if mask:
                stamp = self.tally.stamps.at(event.time)[mask]
                for _once in range(event.count):
                    verdicts += self.count(event, stamp)
        self.tally.counted(len(events))
        return verdicts

    def count(self, event: Message, stamp: bytes) -> list[Verdict]:
        """Count a message once."""
        key = event.client[self._key_index]
        if key not in self.tally.windows and len(self.first) < _MAX_FIRST:
            self.first.append((key, event))
        return self.tally.add(key, stamp)


class ByUser(Messages):
    """Rules `failures` with the key `user`: failed logins of one name, wherever they come from.

    The verdicts are about the clients that failed for it; `clients` remembers these.
    """

    def __init__(self, tally: Tally, *, key_index: int, covered: dict[str, int]) -> None:
        super().__init__(tally, key_index=key_index, covered=covered)
        self.clients: dict[str, dict[str, int]] = {}  # user -> client -> when last (log time)

    def count(self, event: Message, stamp: bytes) -> list[Verdict]:
        """Count a failure of a name once; the verdicts are about every client that had one within the window."""
        if not event.user:
            return []
        user = event.user[:64]
        clients = self.clients.setdefault(user, {})
        clients.pop(self._address(event.client), None)
        clients[self._address(event.client)] = event.time  # the newest stand last
        if len(clients) > _MAX_CLIENTS:
            del clients[next(iter(clients))]
        verdicts = self.tally.add(user, stamp)
        if user not in self.tally.windows:
            self.clients.pop(user, None)
        return [
            verdict.about(client)
            for verdict in verdicts
            for client, time in clients.items()
            if time > event.time - verdict.findtime
        ]

    def _address(self, client: Client) -> str:
        return client[self._key_index]

    def sweep(self, now: int) -> None:
        """Forget what is over at `now`, and the clients of names that are."""
        super().sweep(now)
        for user in [user for user in self.clients if user not in self.tally.windows]:
            del self.clients[user]

    def records(self) -> Iterator[dict[str, Any]]:
        """The clients of each name."""
        for user, clients in self.clients.items():
            yield {"user": user, "rules": list(self.tally.verdicts), "clients": clients}

    def restore(self, record: dict[str, Any]) -> None:
        """Take the clients of a name back."""
        if record.get("rules") == list(self.tally.verdicts) and record["user"] in self.tally.windows:
            self.clients[record["user"]] = {str(key): int(time) for key, time in record["clients"].items()}


def predicate(rule: Rule) -> Callable[[Message], bool]:
    """Whether a message counts for a rule."""
    if rule.type == "failures":
        return lambda event: event.kind == FAILURE and bool(event.user or rule.key != USER)
    if rule.type == "users":
        names = frozenset(name.casefold() if rule.ignore_case else name for name in rule.names)
        fold = str.casefold if rule.ignore_case else str
        return lambda event: event.kind in (FAILURE, ATTEMPT) and fold(event.user) in names
    if rule.start:
        return lambda event: event.text.startswith(rule.start)
    return lambda event: rule.anywhere in event.text
