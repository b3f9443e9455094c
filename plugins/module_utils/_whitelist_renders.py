# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else on a host follows the whitelist: fail2ban's jails, and sshd with its penalties.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.process import get_bin_path

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._ignoreip import IgnoreIp
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._networks import parsed, plain
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import exempt

Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


def render(entries: list[dict[str, t.Any]], *, run: Run, check: bool) -> dict[str, t.Any]:
    """Have fail2ban and sshd follow the whitelist; ``{"changed": bool, "lines": [text], "warnings": [text]}``.

    :param entries: the warden's, all lists together. In files go those without an end, as nobody could take others out
        again. fail2ban gives up its bans of all. Without entries nothing of ours is left there.

    Raises StockadeError naming what does not follow; that is as it was before then.
    """
    everything = parsed(entry["network"] for entry in entries)
    unlimited = parsed(entry["network"] for entry in entries if entry.get("expires_at") is None)
    ordered = sorted(unlimited, key=lambda network: (network.version, network))
    jails = IgnoreIp(run, command=_find("fail2ban-client"))
    try:
        lines, warnings = jails.follow(ordered, list(everything), check=check)
        sshd = exempt.follow([plain(network) for network in ordered], run=run, sshd=_find("sshd"), check=check)
    except StockadeError as error:
        raise StockadeError("the whitelist itself is in force, but: %s" % error) from None
    lines = lines + ["sshd's penalties spare " + text for text in sshd["added"]]
    lines += ["sshd's penalties no longer spare " + text for text in sshd["removed"]]
    return {"changed": bool(lines) or sshd["changed"], "lines": lines, "warnings": warnings + sshd["warnings"]}


def _find(program: str) -> str | None:
    try:
        return t.cast(str, get_bin_path(program))
    except ValueError:
        return None
