# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans in one jail of fail2ban, by hand.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

``banip`` asks nobody: it takes whitelisted addresses, host names and any other text. So the warden is asked first, as
if the jail had decided it.
"""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._banaction import OUR_ACTION
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banClient,
    Fail2banUnavailable,
    in_batches,
)
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._networks import Network, parse, parsed, plain
from ansible_collections.stockade.fleet.plugins.module_utils._warden import (
    WardenAbsent,
    WardenClient,
    require_root,
)

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Answer = t.Dict[str, t.Any]

_ROWS = 200_000
#: `203.0.113.9 \t2026-11-20 09:24:53 + 3600 = 2026-11-20 10:24:53`, in local time.
_TIMED = re.compile(r"(\S+)\s+(\d+-\d+-\d+ \d+:\d+:\d+) \+ (-?\d+) =")


def source(jail: str) -> str:
    """Return who decided a jail's bans, in the warden's words."""
    return "fail2ban/" + jail


def ban(module: AnsibleModule, networks: list[str], jail: str, *, force: bool, on_refused: str) -> Answer:
    """Ban in ``jail`` what the warden would let it ban; the result of the module ``ban``.

    Raises StockadeError before anything changed, or naming what did not come about.
    """
    client = Fail2banClient()
    require_root()
    require_jail(jail, client)
    told = _permitted(module, networks, jail, force=force, on_refused=on_refused)
    ours = OUR_ACTION in client.call(["get", jail, "actions"])
    _spare(told, jail, ours=ours)
    ends = _ends(client, jail)
    allowed = [item for item in told if item["state"] != "refused"]
    # the warden would ban it anew: the jail holds it, and it is not in force
    stale = [item for item in allowed if parse(item["network"]) in ends and ours and item["state"] == "banned"]
    fresh = [item for item in allowed if parse(item["network"]) not in ends or item in stale]
    if fresh and not module.check_mode:
        if stale:
            in_batches(client, ["set", jail, "unbanip"], (item["network"] for item in stale))
        in_batches(client, ["set", jail, "banip"], (item["network"] for item in fresh))
        ends = _ends(client, jail)
        _insist(jail, parsed(item["network"] for item in fresh), ends, ours=ours)
    predicted = _predicted(client, jail)
    for item in allowed:
        item["state"] = "banned" if item in fresh else "unchanged"
        item["expires_at"] = predicted if item in fresh and module.check_mode else ends.get(parse(item["network"]))
    return {"changed": bool(fresh), "results": told}


def refuse(**options: t.Any) -> None:
    """Raise StockadeError for options that a jail's ban by hand cannot have."""
    given = [name for name, value in options.items() if value]
    if given:
        raise StockadeError(
            "cannot give %s with jail: fail2ban's banip takes an address and nothing else, and the jail's own bantime "
            "counts; leave jail out, or change the jail" % " and ".join(given)
        )


def require_jail(jail: str, client: Fail2banClient) -> None:
    """Raise StockadeError unless fail2ban runs here and has this jail."""
    try:
        jails = client.jails()
    except Fail2banUnavailable as e:
        raise StockadeError("jail %s: %s; leave jail out to have the warden do it" % (jail, e)) from e
    if jail not in jails:
        raise StockadeError("fail2ban on this host has no jail %r, it has: %s" % (jail, ", ".join(jails) or "none"))


def _permitted(module: AnsibleModule, networks: list[str], jail: str, *, force: bool, on_refused: str) -> list[Answer]:
    """What the warden would answer the jail; nothing is done. In check mode nobody needs to be there to ask."""
    bans = [{"network": network, "source": source(jail)} for network in networks]
    try:
        answer = WardenClient().call("ban", check=True, bans=bans, force=force, on_refused=on_refused)
    except WardenAbsent as e:
        if not module.check_mode:
            raise
        module.warn("predicted as if the agent were installed: %s" % e)
        return [{"network": network, "state": "banned", "message": "", "holes": []} for network in networks]
    return t.cast("list[Answer]", answer["results"])


def _spare(told: list[Answer], jail: str, *, ours: bool) -> None:
    """Raise StockadeError for a network that holds a whitelisted one, unless the warden is to enforce it."""
    for item in told:
        if item["holes"] and not ours:
            raise StockadeError(
                "cannot ban %s in jail %s, nothing was changed: %s in it must pass, and the jail's action cannot spare "
                "it; leave jail out to have the warden do it" % (item["network"], jail, ", ".join(item["holes"][:5]))
            )


def _ends(client: Fail2banClient, jail: str) -> dict[Network | None, int | None]:
    """Return what the jail holds and until when, in epoch seconds."""
    ends: dict[Network | None, int | None] = {}
    for line in client.call(["get", jail, "banip", "--with-time"]):
        found = _TIMED.match(str(line))
        if found:
            began, seconds = time.strptime(found.group(2), "%Y-%m-%d %H:%M:%S"), int(found.group(3))
            ends[parse(found.group(1))] = None if seconds < 0 else int(time.mktime(began)) + seconds
    return ends


def _predicted(client: Fail2banClient, jail: str) -> int | None:
    seconds = int(client.call(["get", jail, "bantime"]))
    return None if seconds < 0 else int(time.time()) + seconds


def _insist(jail: str, wanted: t.Iterable[Network], ends: t.Container[Network | None], *, ours: bool) -> None:
    """Raise StockadeError unless the jail holds these, and the warden where it enforces for the jail."""
    missing = [plain(network) for network in wanted if network not in ends]
    if missing:
        raise StockadeError("jail %s did not take %s: see fail2ban's log" % (jail, ", ".join(missing[:5])))
    if ours:
        rows = WardenClient().call("bans", source=source(jail), limit=_ROWS)["bans"]
        enforced = parsed(row["network"] for row in rows)
        missing = [plain(network) for network in wanted if network not in enforced]
    if missing:
        raise StockadeError(
            "jail %s holds %s, but the warden does not: NOT in force; see fail2ban's log"
            % (jail, ", ".join(missing[:5]))
        )
