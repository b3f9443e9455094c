# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON text.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import typing as t


def report_text(report: t.Mapping[str, t.Any]) -> str:
    """The JSON of a merged report, each host and each ban on a line of its own.

    It begins with a blank: core 2.18 parses every text that begins as a mapping does for a literal of Python, and
    needs a hundred times its size for that.
    """
    out = [" {"]
    for key, value in report.items():
        out += [",\n" if len(out) > 1 else "\n", '  "%s": ' % key]
        out += _pieces(value)
    # Joined once, for of a large fleet every copy of it counts.
    out.append("\n}\n")
    return "".join(out)


def _pieces(value: t.Any) -> t.Iterator[str]:
    if not value or not isinstance(value, (list, dict)):
        yield json.dumps(value)
        return
    items = isinstance(value, list)
    before = "[" if items else "{"
    for item in value:
        yield before + "\n    "
        yield json.dumps(item) if items else "%s: %s" % (json.dumps(item), json.dumps(value[item]))
        before = ","
    yield "\n  ]" if items else "\n  }"
