# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules `failures`, `users` and `text`: which messages count for which of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from stockade.watcher.clients import Client
from stockade.watcher.config.rules import USER, Rule
from stockade.watcher.events import ATTEMPT, FAILURE, LATEST, Message
from stockade.watcher.rules.judge import MessageJudge
from stockade.watcher.rules.tally import QUIET, Tally
from stockade.watcher.saved import number, table
from stockade.watcher.verdict import Verdict

_MAX_FIRST = 100
_MAX_CLIENTS = 1000  # of one user name that are remembered
_MAX_REMEMBERED = 20_000  # of all names
_SALT = os.urandom(32)  # of this process, unless the saved state has one


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

    The verdicts are about the clients that failed for it; `clients` remembers these. A name is kept as a keyed hash:
    people type passwords where the name belongs, and what is counted is saved.
    """

    def __init__(self, tally: Tally, *, key_index: int, covered: dict[str, int]) -> None:
        from hashlib import blake2b  # 4 MB, for those alone who count so

        super().__init__(tally, key_index=key_index, covered=covered)
        self._hash = blake2b
        self.clients: dict[str, dict[str, int]] = {}  # name -> client -> when last (log time)
        self._remembered = 0  # clients of all names
        self._salt = _SALT

    def count(self, event: Message, stamp: bytes) -> list[Verdict]:
        """Count a failure of a name once; the verdicts are about every client that had one within the window."""
        if not event.user:
            return []
        name = self._hash(event.user[:64].encode(errors="surrogatepass"), key=self._salt, digest_size=16).hexdigest()
        clients = self._remember(name, {self._address(event.client): event.time})
        verdicts = self.tally.add(name, stamp)
        if name not in self.tally.windows:
            self._forget(name)
        return [
            verdict.about(client)
            for verdict in verdicts
            for client, time in clients.items()
            if time > event.time - verdict.findtime
        ]

    def _address(self, client: Client) -> str:
        return client[self._key_index]

    def _remember(self, name: str, seen: dict[str, int]) -> dict[str, int]:
        """The clients of a name, with these. Names and clients that were seen last stand last."""
        clients = self._forget(name)
        for client, time in seen.items():
            clients.pop(client, None)
            clients[client] = time
        for client in list(clients)[: max(0, len(clients) - _MAX_CLIENTS)]:
            del clients[client]
        self._remembered += len(clients)
        if self._remembered > _MAX_REMEMBERED:
            for old in list(self.clients):
                if self._remembered <= _MAX_REMEMBERED * 7 // 8:
                    break
                self._forget(old)
        self.clients[name] = clients
        return clients

    def _forget(self, name: str) -> dict[str, int]:
        clients = self.clients.pop(name, {})
        self._remembered -= len(clients)
        return clients

    def forget(self, verdict: Verdict) -> None:
        """Count again for the names whose last verdict was of that moment: a verdict does not tell its name."""
        rules = list(self.tally.verdicts)
        if verdict.rule in rules:
            index, until = rules.index(verdict.rule), verdict.last + min(verdict.findtime, QUIET)
            for name in [name for name, _window, quiet in self.tally.entries() if quiet and quiet[index] == until]:
                self.tally.forget(verdict.rule, name)

    def sweep(self, now: int) -> None:
        """Forget what is over at `now`, and the clients of names that are."""
        super().sweep(now)
        for name in [name for name in self.clients if name not in self.tally.windows]:
            self._forget(name)

    def records(self) -> Iterator[dict[str, Any]]:
        """What names are hashed with, and the clients of each name."""
        yield {"salt": self._salt.hex()}
        for name, clients in self.clients.items():
            yield {"name": name, "rules": list(self.tally.verdicts), "clients": clients}

    def restore(self, record: dict[str, Any]) -> None:
        """Take the clients of a name back, and what the names of the counts were hashed with."""
        if "salt" in record:
            salt = bytes.fromhex(record["salt"])
            if len(salt) != len(_SALT):
                raise ValueError("no salt")
            self._salt = salt
        elif record.get("name") in self.tally.windows and not self.tally.verdicts.keys().isdisjoint(record["rules"]):
            seen = table(record["clients"], "clients", _MAX_CLIENTS)
            self._remember(record["name"], {str(key): number(time, "time", LATEST) for key, time in seen.items()})


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
