# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own list of bans, kept in step with an operator's unban.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import (
    Fail2banClient,
    Fail2banUnavailable,
    in_batches,
)
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._networks import parse, parsed


def lift(
    addresses: t.Iterable[str], *, check: bool, jail: str | None = None, client: Fail2banClient | None = None
) -> list[str]:
    """Lift these addresses in every jail, or in ``jail`` alone, and return those it held; only look with ``check``.

    Without it a jail takes the address for banned until its own bantime is over, and does not act on new failures.
    A host without fail2ban holds none. Raises StockadeError if fail2ban runs and refuses.
    """
    client = client or Fail2banClient()
    try:
        banned = client.banned()
        held = parsed(text for name, texts in banned.items() if jail in (None, name) for text in texts)
        found = {address: held[network] for address, network in ((a, parse(a)) for a in addresses) if network in held}
        if found and not check:
            in_batches(client, ["set", jail, "unbanip"] if jail else ["unban"], found.values())
    except Fail2banUnavailable:
        return []
    return list(found)


def keep(results: list[dict[str, t.Any]], jail: str, *, client: Fail2banClient | None = None) -> None:
    """Add to what remains of each result the bans of other jails that act by themselves, unknown to the warden."""
    jails = {name: parsed(texts) for name, texts in (client or Fail2banClient()).banned().items() if name != jail}
    for item in results:
        told = {row["source"] for row in item["remaining"]}
        for name, held in sorted(jails.items()):
            if parse(item["network"]) in held and "fail2ban/" + name not in told:
                item["remaining"].append({"network": item["network"], "source": "fail2ban/" + name})
