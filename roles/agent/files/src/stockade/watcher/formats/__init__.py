# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats: how a line becomes an event. A format counts what it cannot parse and never guesses."""

from __future__ import annotations

from stockade.watcher.clients import Clients
from stockade.watcher.config import Input
from stockade.watcher.formats.access import CACHE_LIMIT, AccessFormat

FORMATS = {"access": AccessFormat}


def create(entry: Input, clients: Clients, *, inputs: int = 1) -> AccessFormat:
    """The parser of an input with counters of its own; `inputs` share the memory for what is remembered."""
    return FORMATS[entry.format](clients, vhost=entry.vhost, cache_limit=CACHE_LIMIT // inputs)
