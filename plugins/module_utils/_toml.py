# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as TOML writes them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError


def value(item: t.Any) -> str:
    """A boolean, a number, an array or a table of such, or else a string. Raises StockadeError as `quoted` does."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, (list, tuple)):
        return "[%s]" % ", ".join(value(part) for part in item)
    if isinstance(item, dict):
        pairs = [(str(key), part) for key, part in item.items() if part is not None]  # TOML has no null
        return "{%s}" % ", ".join("%s = %s" % (quoted(key), value(part)) for key, part in sorted(pairs))
    return quoted(str(item))


def quoted(text: str) -> str:
    """A TOML basic string. Raises StockadeError for text that no TOML file can hold."""
    out = []
    for char in text:
        code = ord(char)
        if 0xD800 <= code <= 0xDFFF:
            raise StockadeError("%a is not valid text: it cannot be written to the configuration" % text)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= code < 0x7F:
            out.append(char)
        else:
            out.append("\\u%04x" % code if code < 0x10000 else "\\U%08x" % code)
    return '"%s"' % "".join(out)
