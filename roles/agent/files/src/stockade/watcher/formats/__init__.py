# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats: how a line becomes an event. A format counts what it cannot parse and never guesses."""

from __future__ import annotations

from collections.abc import Callable

from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import Format
from stockade.watcher.formats.access import CACHE_LIMIT, AccessFormat


def create(entry: Input, clients: Clients, *, inputs: int = 1) -> Format:
    """The parser of an input with counters of its own; `inputs` share the memory for what is remembered."""
    if entry.format == "access":
        return AccessFormat(clients, entry, cache_limit=CACHE_LIMIT // inputs)
    return _maker(entry.format)(clients, entry)


def _maker(name: str) -> Callable[[Clients, Input], Format]:
    """A format is imported when an input has it: a watcher of access logs needs no other."""
    if name == "access-json":
        from stockade.watcher.formats.access_json import AccessJsonFormat

        return AccessJsonFormat
    if name == "sshd":
        from stockade.watcher.formats.sshd import SshdFormat

        return SshdFormat
    if name == "proftpd":
        from stockade.watcher.formats.proftpd import ProftpdFormat

        return ProftpdFormat
    if name == "proftpd-json":
        from stockade.watcher.formats.proftpd_json import ProftpdJsonFormat

        return ProftpdJsonFormat
    if name == "nginx-error":
        from stockade.watcher.formats.nginx_error import NginxErrorFormat

        return NginxErrorFormat
    from stockade.watcher.formats.apache_error import ApacheErrorFormat

    return ApacheErrorFormat
