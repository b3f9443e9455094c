# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`[[input]]`: where lines come from, and how they are read."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass

from stockade.addresses import parse_network
from stockade.config import ConfigError
from stockade.watcher.config.parts import Keys, between, check_name, one_of, table, texts

# Format -> what its lines become, see stockade.watcher.events.
FORMATS = {
    "access": "requests",
    "access-json": "requests",
    "sshd": "messages",
    "proftpd": "messages",
    "proftpd-json": "messages",
    "nginx-error": "messages",
    "apache-error": "messages",
}
JOURNAL_FORMATS = ("sshd", "proftpd")  # what programs also say to the journal
DIALECTS = ("nginx", "caddy", "traefik")
ROLES = ("time", "address", "method", "uri", "protocol", "request", "status", "agent", "forwarded")
# Key -> the formats that have a use for it.
_ONLY = {
    "vhost": ("access",),
    "forwarded": ("access",),
    "trusted_proxies": ("access", "access-json"),
    "dialect": ("access-json",),
    "fields": ("access-json",),
    "timezone": ("sshd", "proftpd", "nginx-error", "apache-error"),
    "ignore": ("sshd", "proftpd", "proftpd-json", "nginx-error", "apache-error"),
}
_KEYS: Keys = {
    "name": str,
    "path": str,
    "journal": (list, bool),
    "format": str,
    "vhost": bool,
    "timezone": str,
    "ignore": list,
    "trusted_proxies": list,
    "forwarded": int,
    "dialect": str,
    "fields": dict,
}


@dataclass(frozen=True, slots=True)
class Input:
    """Where lines come from, a file (`path`, which may be a pattern) or units of the `journal`, and how they are read.

    `vhost`: access lines begin with a virtual host. `timezone`: of times without an offset, empty for the host's own.
    `ignore`: beginnings of messages that are dropped. `trusted_proxies`: networks whose X-Forwarded-For is believed; it
    stands in the quoted field number `forwarded` (the request is the first). `dialect` and `fields` say where JSON has
    what.
    """

    name: str
    path: str = ""
    journal: tuple[str, ...] = ()
    format: str = "access"
    vhost: bool = False
    timezone: str = ""
    ignore: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    forwarded: int = 4
    dialect: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """What its lines become: `requests` or `messages`."""
        return FORMATS[self.format]

    @property
    def place(self) -> str:
        """Where it reads, in words."""
        return self.path or f"journal ({', '.join(self.journal)})"


def parse(entry: object, where: str) -> Input:
    """One table of the file. Raises ConfigError."""
    given = table(entry, _KEYS, where, required=("name",))
    check_name(given["name"], where)
    where = f"{where} ({given['name']})"
    one_of(given.get("format", "access"), tuple(FORMATS), f"{where}: format")
    for key, formats in _ONLY.items():
        if key in given and given.get("format", "access") not in formats:
            raise ConfigError(f"{where}: {key} is for format {', '.join(formats)}")
    if isinstance(given.get("journal"), bool):
        given["journal"] = ("sshd",) if given["journal"] and given.get("format") == "sshd" else ()
    if "fields" in given:
        given["fields"] = _fields(given["fields"], where)
    parsed = Input(**given)
    if bool(parsed.path) == bool(parsed.journal):
        raise ConfigError(f"{where}: needs either a path or units of the journal")
    if parsed.path:
        _check_path(parsed.path, where)
    elif parsed.format not in JOURNAL_FORMATS:
        raise ConfigError(f"{where}: the journal is for format {', '.join(JOURNAL_FORMATS)}, not {parsed.format}")
    if parsed.format == "access-json" and not (parsed.dialect or parsed.fields):
        raise ConfigError(f"{where}: needs a dialect ({', '.join(DIALECTS)}) or fields")
    if parsed.dialect:
        one_of(parsed.dialect, DIALECTS, f"{where}: dialect")
    _check_zone(parsed.timezone, where)
    between(parsed.forwarded, 2, 20, f"{where}: forwarded")
    for text in parsed.trusted_proxies:
        try:
            parse_network(text)
        except ValueError as error:
            raise ConfigError(f"{where}: trusted_proxies: {error}") from None
    return parsed


def _check_path(path: str, where: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise ConfigError(f"{where}: path must be absolute, not {path!r}")
    if "**" in path:
        raise ConfigError(f"{where}: path {path!r}: ** is not supported, name the directories")
    if any(char in path.split("/")[1] for char in "*?["):
        raise ConfigError(f"{where}: path {path!r}: the first directory must not be a pattern")


def _check_zone(name: str, where: str) -> None:
    if not name:
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"{where}: timezone {name!r} is not known here") from None


def _fields(given: dict[object, object], where: str) -> tuple[tuple[str, str], ...]:
    for role, key in given.items():
        if role not in ROLES:
            raise ConfigError(f"{where}: fields: {role!r} is none of {', '.join(ROLES)}")
        texts([key], f"{where}: fields: {role}")
    return tuple((str(role), str(key)) for role, key in given.items())
