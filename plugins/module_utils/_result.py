# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a module's result that look the same in all of them.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def diff(module: AnsibleModule, before: t.Iterable[str], after: t.Iterable[str]) -> dict[str, t.Any]:
    """``{"diff": …}`` of one item a line, or nothing unless a diff is asked for."""
    if not module._diff:
        return {}
    return {"diff": {"before": _lines(before), "after": _lines(after)}}


def _lines(items: t.Iterable[str]) -> str:
    return "".join(item + "\n" for item in items)
