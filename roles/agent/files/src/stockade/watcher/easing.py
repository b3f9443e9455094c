# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Easing: after a key login of a named user, the watcher bans nothing that holds that address, for a while.

It lifts nothing, and asks nothing of anybody: it is for the administrator whose own tests trip a rule. Only what sshd
itself says counts, and only logins by key.
"""

from __future__ import annotations

from collections.abc import Iterator

from stockade.addresses import parse_network
from stockade.watcher.config import Easing
from stockade.watcher.events import ACCEPTED, Message
from stockade.watcher.verdict import EASED, Verdict

MAX_ADDRESSES = 1000


class Eased:
    """Addresses that are eased: `until` which time (epoch seconds, of the log)."""

    def __init__(self, settings: Easing, *, key_index: int) -> None:
        self.until: dict[str, int] = {}
        self._settings = settings
        self._key_index = key_index  # of the kind `address` in a Client

    def saw(self, events: list[Message]) -> list[tuple[str, Message]]:
        """Notice logins; those that eased an address, with it, for the journal."""
        found = []
        for event in events:
            if event.kind == ACCEPTED and event.method == "publickey" and event.user in self._settings.users:
                address = event.client[self._key_index]
                self.until.pop(address, None)
                self.until[address] = event.time + self._settings.seconds
                found.append((address, event))
        while len(self.until) > MAX_ADDRESSES:
            del self.until[next(iter(self.until))]
        return found

    def judged(self, verdicts: list[Verdict]) -> list[Verdict]:
        """These verdicts, held back where they would meet an eased address."""
        if not self.until or not verdicts:
            return verdicts
        return [verdict.held_back(EASED) if self._meets(verdict) else verdict for verdict in verdicts]

    def _meets(self, verdict: Verdict) -> bool:
        network = parse_network(verdict.network)
        for address, until in self.until.items():
            if until > verdict.last:
                own = parse_network(address)
                if own.version == network.version and own.supernet(network.prefixlen) == network:
                    return True
        return False

    def sweep(self, now: int) -> None:
        """Forget what is over."""
        self.until = {address: until for address, until in self.until.items() if until > now}

    def forget_future(self, now: int) -> None:
        """The clock was set back to `now`: nothing is eased for longer than it may be."""
        self.until = {address: min(until, now + self._settings.seconds) for address, until in self.until.items()}

    def records(self) -> Iterator[dict[str, object]]:
        """For the saved state."""
        yield from ({"eased": address, "until": until} for address, until in self.until.items())
