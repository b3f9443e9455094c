# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who bans: the warden where there is one, else nftables; never an action that nobody hears.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Iterable

from .._errors import StockadeError
from .._warden import SOCKET
from ._judge import Run

#: The action that this collection's role brings.
OUR_ACTION = "stockade"
AUTO = "auto"
_WITHOUT_WARDEN = {"banaction": "nftables", "banaction_allports": "nftables[type=allports]"}
#: What the names of fail2ban's actions say of the programs they start.
_TOOLS = (
    ("nftables", "nft"),
    ("iptables", "iptables"),
    ("ipset", "ipset"),
    ("ufw", "ufw"),
    ("firewallcmd", "firewall-cmd"),
)
_OURS = re.compile(r"%s(?:\.py)?(?=\[|\s|\Z)" % OUR_ACTION)
_SETTLED = re.compile(r"(?m)^banaction = nftables$")
_APPLY = "apply the role stockade.fleet.agent first"


def warden_here() -> bool:
    """Return whether this host has a warden to ask, running or started by its socket."""
    return os.path.exists(SOCKET)


def resolve(
    jails: list[dict[str, Any]], *, present: Iterable[str], check: bool, run: Run, find: Callable[[str], str | None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the declared jails with ``auto`` replaced, and warnings.

    :param present: the texts of our files as they are: in check mode they tell a host that is to stay without agent
        from one that a playbook would give the agent first

    Raises StockadeError when a jail is to ban by something that is not here; in check mode this is a warning.
    """
    resolved, warnings = _by_warden(jails, present=present, check=check)
    banning = [(str(jail.get("name")), action) for jail in resolved for action in _names(jail)]
    for name, action in banning:
        if action == "ufw" and find("ufw") and "Status: active" not in run([str(find("ufw")), "status"])[1]:
            raise StockadeError(
                "jail %s: ufw is not active, so its rules would refuse nobody, nothing was changed: allow SSH, then "
                "ufw enable" % name
            )
        lacking = [tool for begin, tool in _TOOLS if begin in action and find(tool) is None]
        why = "jail %s: banaction %s needs %s, which this host does not have" % (name, action, " and ".join(lacking))
        if lacking and not check:
            raise StockadeError("%s, nothing was changed: install it" % why)
        if lacking:
            warnings.append(why + ": predicted as if it were installed")
    return resolved, warnings


def _names(jail: dict[str, Any]) -> list[str]:
    """Return the actions that a declared jail bans by, without their options."""
    given = {str(jail[key]) for key in _WITHOUT_WARDEN if jail.get(key)} if jail.get("enabled") is not False else set()
    return sorted({re.split(r"[\[\s]", action, maxsplit=1)[0] for action in given})


def _by_warden(
    jails: list[dict[str, Any]], *, present: Iterable[str], check: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    if warden_here():
        return [_replaced(jail, OUR_ACTION) for jail in jails], []
    deaf = [str(jail.get("name")) for jail in jails if _asks_warden(jail)]
    auto = [str(jail.get("name")) for jail in jails if any(jail.get(key) == AUTO for key in _WITHOUT_WARDEN)]
    warnings = []
    if deaf:
        why = "no warden on this host (%s does not exist) and jail %s is to ban by it" % (SOCKET, ", ".join(deaf))
        if not check:
            raise StockadeError(
                "%s: it would detect and not ban, nothing was changed; %s, or set banaction to auto or nftables"
                % (why, _APPLY)
            )
        warnings.append("%s: predicted as if there were one; %s" % (why, _APPLY))
    if not auto:
        return jails, warnings
    where = "no warden on this host (%s does not exist)" % SOCKET
    if check and not any(_SETTLED.search(text) for text in present):
        warnings.append(
            "%s: predicted with banaction stockade, as if the role stockade.fleet.agent were applied first; "
            "without it, jails ban by nftables" % where
        )
        return [_replaced(jail, OUR_ACTION) for jail in jails], warnings
    warnings.append("%s: jails ban by nftables; for bans that the warden holds, %s" % (where, _APPLY))
    return [_replaced(jail, None) for jail in jails], warnings


def _replaced(jail: dict[str, Any], action: str | None) -> dict[str, Any]:
    found = {key: action or other for key, other in _WITHOUT_WARDEN.items() if jail.get(key) == AUTO}
    return dict(jail, **found) if found else jail


def _asks_warden(jail: dict[str, Any]) -> bool:
    if jail.get("enabled") is False:
        return False
    texts = [jail.get(key) for key in _WITHOUT_WARDEN] + list(jail.get("action") or [])
    return any(_OURS.match(str(text)) for text in texts if text)
