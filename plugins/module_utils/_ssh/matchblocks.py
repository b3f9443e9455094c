# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match blocks, in a file that sorts last: whatever stands after them in a file would belong to the last one. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import (
    NOT_IN_MATCH,
    canonical,
    check_keyword,
    render_value,
)

MATCH = "/etc/ssh/sshd_config.d/99-stockade-match.conf"
_HEADER = (
    "# Managed by stockade.fleet, module ssh_hardening; changes made here are overwritten.\n"
    "# Sorts after the other files of this directory. A block that fits wins over the lines outside of blocks.\n"
)


def render_match(blocks: Sequence[Mapping[str, Any]]) -> bytes:
    """The file with these blocks, each ``{"match": criteria, "settings": {keyword: value}}``, in their order.

    Raises StockadeError for what sshd does not take in a Match block and for what could not stand in one.
    """
    lines = []
    for block in blocks:
        criteria = render_value("Match", block.get("match") or "")
        settings = block.get("settings") or {}
        if criteria.startswith("#") or not settings:
            raise StockadeError("cannot write the block Match {}: it sets nothing".format(criteria))
        lines.append("Match {}\n".format(criteria))
        seen = set()
        for keyword, value in settings.items():
            name = check_keyword(str(keyword))
            if canonical(name) in NOT_IN_MATCH:
                raise StockadeError("cannot set {} in Match {}: sshd takes it only outside".format(name, criteria))
            if canonical(name) in seen:
                raise StockadeError("cannot set {} in Match {}: it is given twice".format(name, criteria))
            seen.add(canonical(name))
            lines.append("    {} {}\n".format(name, render_value(name, value)))
    return (_HEADER + "".join(lines)).encode("utf-8", "surrogateescape")
