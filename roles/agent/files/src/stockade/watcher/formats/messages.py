# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the formats of programs that write messages share."""

from __future__ import annotations

from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input


class MessageFormat:
    """The counters, the clients and what an input ignores. `parsed` and `unparsed` count lines and journal entries."""

    kind = "messages"

    def __init__(self, clients: Clients, settings: Input) -> None:
        self.parsed = 0
        self.unparsed = 0
        self._clients = clients
        self._ignore = tuple(text.encode() for text in settings.ignore)

    def forget(self) -> None:
        """Nothing to drop: what is known about clients is with `Clients`."""
