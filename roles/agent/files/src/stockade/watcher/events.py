# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: what a line means. Formats make them, rules judge them; neither knows the other."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from stockade.watcher.clients import Client

# A request to a web server: time (epoch seconds), client, request line (what stands between the quotes, as it was
# logged), status (` 200 `), and the fields behind the request line from the status on. A plain tuple: there are
# hundreds of thousands a second.
Request = tuple[int, Client, bytes, bytes, bytes]

LATEST = 2**32 - 1  # the last time (epoch seconds) an event can have: a stamp has four bytes for it
FAILURE, ACCEPTED, ATTEMPT, OTHER = "failure", "accepted", "attempt", "other"


class Message(NamedTuple):
    """What a program said about a client.

    `kind` is FAILURE (a login that failed, once for each attempt), ACCEPTED (one that succeeded), ATTEMPT (a name
    was tried, what came of it is another line) or OTHER. `user` is
    the name that was tried, empty if the line has none. `text` is the message without the header of the log. `count`
    is how often it happened (`message repeated 5 times`). `method` is how somebody logged in, such as `publickey`.
    """

    time: int
    client: Client
    kind: str
    text: str
    user: str = ""
    count: int = 1  # type: ignore[assignment]  # the method of tuples is not missed
    method: str = ""


class Format(Protocol):
    """How the lines of one input become events. Counts what it cannot parse and never guesses.

    `kind` is `requests` or `messages`: what `parse` returns. `parsed` and `unparsed` count lines.
    """

    kind: str
    parsed: int
    unparsed: int

    def parse(self, lines: list[bytes]) -> list[Request] | list[Message]:
        """The events of complete lines, in their order."""

    def time_of(self, line: bytes) -> int | None:
        """The time of one line (epoch seconds), None if it has none."""

    def forget(self) -> None:
        """Drop what is remembered about clients (after the host's own addresses changed)."""


class JournalFormat(Format, Protocol):
    """A format of what programs also say to the journal."""

    def parse_entries(self, entries: list[tuple[int, bytes]]) -> list[Message]:
        """The events of entries of the journal: time (epoch seconds) and message."""
