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
)


def lift(addresses: t.Iterable[str], *, check: bool, client: Fail2banClient | None = None) -> list[str]:
    """Lift these addresses in every jail and return those that a jail held; only look with ``check``.

    Without it a jail takes the address for banned until its own bantime is over, and does not act on new failures.
    A host without fail2ban holds none. Raises StockadeError if fail2ban runs and refuses.
    """
    client = client or Fail2banClient()
    try:
        banned = {address for held in client.banned().values() for address in held}
        found = [address for address in addresses if address in banned]
        if found and not check:
            client.call(["unban", *found])
    except Fail2banUnavailable:
        return []
    return found
