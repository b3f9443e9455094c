# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the warden asks of a firewall: `nftables`, `hosts_deny`, `command`, or several of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stockade.addresses import Network

Remaining = int | None  # seconds a ban still runs, None: permanent


class FirewallError(Exception):
    """The firewall did not take a change; the text is its own, shortened."""


@dataclass
class Held:
    """What a firewall holds now, as far as it can tell: enough to rebuild a lost registry."""

    bans: dict[Network, Remaining] = field(default_factory=dict)
    whitelist: set[Network] = field(default_factory=set)


class Firewall(Protocol):
    """Bans by source address. Every method is idempotent; what it accepted is in force when it returns."""

    name: str
    subtracts: bool  # a whitelisted part of a banned network passes

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """Make the firewall hold exactly this, without a moment in which a wanted ban is absent."""

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """Replace the networks that pass whatever is banned."""

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """Add or change some bans and lift others."""

    def remove(self) -> None:
        """Take everything out."""

    def present(self) -> bool:
        """True if there is anything of ours; costs microseconds."""

    def disturbed(self) -> bool:
        """True if what is held is no longer what was put there, so that `synchronise` is due; costs microseconds.

        Somebody else's hand, or an end that came for a ban in a firewall that does not end bans by itself.
        """

    def held(self) -> Held:
        """What is in force now. Raises FirewallError if that cannot be read."""

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """Packets dropped by each of these since its ban was last set; without those for which nobody counts."""
