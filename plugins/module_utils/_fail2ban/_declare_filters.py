# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared filters and actions to the text fail2ban reads.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Iterable

from .._errors import StockadeError
from ._files import ACTIONS, FILTERS, Kind
from ._text import check_key, check_known, check_name, quoted, references, sections, value_lines

_INCLUDES = ("before", "after")
#: Options with a type of their own, in the order in which they are written.
FILTER_OPTIONS = (
    "prefregex", "failregex", "ignoreregex", "datepattern", "journalmatch", "maxlines",
)  # fmt: skip
ACTION_OPTIONS = (
    "actionstart", "actionstop", "actioncheck", "actionban", "actionunban", "actionflush", "actionprolong",
    "norestored",
)  # fmt: skip
_KNOWN = {
    FILTERS: frozenset(FILTER_OPTIONS) | frozenset({"mode", "usedns", "_daemon", "__prefix_line", "logtype"}),
    ACTIONS: frozenset(ACTION_OPTIONS) | frozenset({
        "actionreload", "actionrepair", "actionrepair_on_unban", "actionstart_on_demand", "actionreban",
    }),
}  # fmt: skip
#: Read from an action's [Init] alone.
_INIT_KNOWN = frozenset({"timeout", "bantime", "name", "port", "protocol", "chain", "mode"})


def render_filter(declared: dict[str, Any], *, named: Iterable[str] = ()) -> str:
    """Return the text of a filter's file; raises StockadeError naming the filter, the option and the reason."""
    samples = declared.get("samples")
    trial = json.dumps([samples, bool(declared.get("allow_open"))], sort_keys=True, default=str)
    digest = hashlib.sha256(trial.encode()).hexdigest()[:12]
    # so that other samples are a change, and the same ones are not tried again on each run
    tried = "# Tried with samples %s before it was written.\n" % digest if samples else ""
    return tried + _render(FILTERS, declared, FILTER_OPTIONS, named=named)


def render_action(declared: dict[str, Any], *, named: Iterable[str] = ()) -> str:
    """Return the text of an action's file; raises StockadeError naming the action, the option and the reason."""
    init = dict(declared.get("init") or {})
    if declared.get("timeout") is not None:
        init["timeout"] = declared["timeout"]
    return _render(ACTIONS, dict(declared, init=init), ACTION_OPTIONS, named=named)


def _render(kind: Kind, declared: dict[str, Any], typed: Iterable[str], *, named: Iterable[str]) -> str:
    where = "%s %s" % (kind.what, quoted(check_name(kind, declared.get("name"))))
    definition = {key: declared[key] for key in typed if declared.get(key) is not None}
    for key, value in sorted((declared.get("options") or {}).items()):
        if str(key).lower() in definition:
            raise StockadeError("%s: %s is given twice" % (where, key))
        if value is not None:
            definition[str(key).lower()] = value
    init = {str(key).lower(): value for key, value in sorted((declared.get("init") or {}).items()) if value is not None}
    includes = {key: declared[key] for key in _INCLUDES if declared.get(key) is not None}
    used = set(named) | references([*definition.values(), *init.values()])
    for key in definition:
        check_key(where, key)
    for key in init:
        check_key(where, key, conditional=True)
    lenient = bool(includes)  # an included file may refer to any name
    check_known(where, definition, known=_KNOWN[kind], named=used | set(init), lenient=lenient)
    check_known(where, init, known=_INIT_KNOWN | _KNOWN[kind], named=used, lenient=lenient)
    parts = [
        sections(title, {key: _lines(where, key, value) for key, value in settings.items()})
        for title, settings in (("INCLUDES", includes), ("Definition", definition), ("Init", init))
    ]
    text = "\n".join(part for part in parts if part)
    if not text:
        raise StockadeError("%s: nothing is declared" % where)
    return text


def _lines(where: str, key: str, value: Any) -> list[str]:
    """Return a value's lines; a text of several lines, as YAML's block has it, is as good as a list."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    lines: list[Any] = []
    for part in parts:
        lines += [line.strip() for line in part.splitlines() if line.strip()] if isinstance(part, str) else [part]
    return value_lines(where, key, lines)
