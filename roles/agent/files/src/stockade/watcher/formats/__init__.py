# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats: how a line becomes an event. A format counts what it cannot parse and never guesses."""

from __future__ import annotations

from stockade.watcher.clients import Clients
from stockade.watcher.formats.access import AccessFormat

FORMATS = {"access": AccessFormat}


def create(name: str, clients: Clients) -> AccessFormat:
    """A parser of that format with counters of its own."""
    return FORMATS[name](clients)
