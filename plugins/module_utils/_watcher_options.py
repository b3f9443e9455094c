# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``watcher`` takes, and how it stands in watcher.toml.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _toml as toml

HEADER = "# Managed by the Ansible module stockade.fleet.watcher: changes here are lost.\n"
_OPENED = "# Opened for the group adm, the group before was that of the number: "
FORMATS = ["access", "access-json", "sshd", "proftpd", "proftpd-json", "nginx-error", "apache-error"]
TYPES = ["rate", "probe", "failures", "users", "text"]

_TEXT = {"type": "str"}  # type: t.Dict[str, t.Any]
_FLAG = {"type": "bool"}  # type: t.Dict[str, t.Any]
_NUMBER = {"type": "int"}  # type: t.Dict[str, t.Any]
_LIST = {"type": "list", "elements": "str"}  # type: t.Dict[str, t.Any]
_NAME = {"type": "str", "required": True}  # type: t.Dict[str, t.Any]

INPUT = {
    "name": _NAME,
    "path": {"type": "str"},
    "journal": _LIST,
    "format": {"type": "str", "choices": FORMATS, "default": "access"},
    "vhost": _FLAG,
    "timezone": _TEXT,
    "ignore": _LIST,
    "trusted_proxies": _LIST,
    "forwarded": _NUMBER,
    "dialect": {"type": "str", "choices": ["nginx", "caddy", "traefik"]},
    "fields": {"type": "dict"},
}  # type: t.Dict[str, t.Dict[str, t.Any]]
RULE = {
    "name": _NAME,
    "type": {"type": "str", "choices": TYPES, "default": "rate"},
    "inputs": _LIST,
    "maxretry": _NUMBER,
    "findtime": _TEXT,
    "duration": _TEXT,
    "reason": _TEXT,
    "key": {"type": "str", "choices": ["address", "ipv6/64", "ipv4/24", "user"]},
    "observe": _FLAG,
    "exclude_static": _FLAG,
    "status": _LIST,
    "method": _LIST,
    "path": _LIST,
    "agent": _LIST,
    "probes": {"type": "list", "elements": "str", "choices": ["path", "injection", "traversal"]},
    "paths": _LIST,
    "wide": _FLAG,
    "names": _LIST,
    "ignore_case": _FLAG,
    "start": _TEXT,
    "anywhere": _TEXT,
    "must_match": _LIST,
    "must_not_match": _LIST,
}  # type: t.Dict[str, t.Dict[str, t.Any]]
TOP = ("preset", "lookback", "max_bans_per_minute", "max_share")
TABLES = ("easing", "events")


def arguments() -> dict[str, dict[str, t.Any]]:
    """The argument spec of the module."""
    return {
        "inputs": {"type": "list", "elements": "dict", "default": [], "options": INPUT},
        "detect": {"type": "bool", "default": False},
        "preset": {"type": "str", "choices": ["default", "strict", "original", "none"]},
        "lookback": _TEXT,
        "max_bans_per_minute": _NUMBER,
        "max_share": _NUMBER,
        "easing": {
            "type": "dict",
            "options": {"users": {"type": "list", "elements": "str", "required": True}, "duration": _TEXT},
        },
        "events": {"type": "dict", "options": {"days": _NUMBER, "text": _FLAG}},
        "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }


def render(options: dict[str, t.Any], inputs: list[dict[str, t.Any]], opened: dict[str, int] | None = None) -> str:
    """The text of watcher.toml; options that are None are left to the watcher. Raises StockadeError.

    ``opened`` are logs whose group was changed, with the group they had: a comment remembers them.
    """
    lines = [HEADER.rstrip("\n")]
    lines += ["%s%s: %d" % (_OPENED, path, group) for path, group in sorted((opened or {}).items())]
    lines += _table(options, TOP)
    for name in TABLES:
        if options.get(name) is not None:
            lines += ["", "[%s]" % name, *_table(options[name], tuple(options[name]))]
    for entry in inputs:
        lines += ["", "[[input]]", *_table(entry, tuple(INPUT))]
    for rule in options.get("rules") or []:
        lines += ["", "[[rule]]", *_table(rule, tuple(RULE))]
    return "\n".join(lines) + "\n"


def opened_in(text: str | None) -> dict[str, int]:
    """The logs that a watcher.toml remembers as opened, with the group they had."""
    found = {}
    for line in (text or "").splitlines():
        path, _colon, group = line[len(_OPENED) :].rpartition(": ")
        if line.startswith(_OPENED) and path.startswith("/") and group.isdigit():
            found[path] = int(group)
    return found


def _table(entry: dict[str, t.Any], keys: t.Sequence[str]) -> list[str]:
    return ["%s = %s" % (key, toml.value(entry[key])) for key in keys if entry.get(key) is not None]
