# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the warden asks of a firewall; `nftables` is the one that is built in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from stockade.addresses import Network

Remaining = int | None  # seconds a ban still runs, None: permanent


class FirewallError(Exception):
    """The firewall did not take a change; the text is its own, shortened."""


class Firewall(Protocol):
    """Bans by source address. Every method is idempotent; what it accepted is in force when it returns."""

    name: str

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
        """True if somebody else changed our rules since our last change; costs microseconds."""
