# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts.deny firewall: programs with libwrap (sshd of Debian, for one) refuse by themselves, no CAP_NET_ADMIN.

Root wrote one line into /etc/hosts.deny, once: `ALL: <denied> EXCEPT <allowed>`. Here only these two files are written,
and nothing but addresses into them, whole and in one rename. libwrap knows no ends: `disturbed` tells when one came.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stockade.addresses import NEVER_BANNED, Network, parse_network
from stockade.warden import protected
from stockade.warden.firewall import FirewallError, Held, Remaining
from stockade.warden.ledger import Ledger

HOSTS_DENY = Path("/etc/hosts.deny")
DIRECTORY = Path("/var/cache/stockade")  # readable for every program that looks; systemd makes it, CacheDirectory=
ENDS_TOGETHER_SECONDS = 5.0  # both files are written whole, so ends that lie close together are handled at once

Signature = tuple[tuple[int, int, int] | None, ...]


class HostsDeny:
    """Two files of addresses. `clock` is epoch seconds, `monotonic` seconds that no clock step moves."""

    name = "hosts_deny"
    subtracts = True

    def __init__(
        self,
        ledger: Ledger,
        *,
        directory: Path = DIRECTORY,
        hosts_deny: Path = HOSTS_DENY,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        own: Callable[[], set[Network]] = protected.own_addresses,
    ) -> None:
        self._ledger = ledger
        self._denied = directory / "denied"
        self._allowed = directory / "allowed"
        self._hosts_deny = hosts_deny
        self._line = f"ALL: {self._denied} EXCEPT {self._allowed}"
        self._clock = clock
        self._monotonic = monotonic
        self._own = own
        self._signature: Signature = ()
        self._next_end = math.inf  # monotonic

    # Firewall

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """See Firewall."""
        self._write_allowed(whitelist)
        now = int(self._clock())
        self._write_denied({net: None if left is None else now + left for net, left in bans.items()})
        self._check_line()

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall."""
        self._write_allowed(whitelist)
        self._check_line()

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        now = int(self._clock())
        ends = dict(self._ledger.ends)
        ends.update({net: None if left is None else now + left for net, left in ban.items()})
        for network in lift:
            ends.pop(network, None)
        self._write_denied(ends)
        self._check_line()

    def remove(self) -> None:
        """See Firewall. The files stay, empty: the line in hosts.deny names them."""
        self._write_denied({})

    def present(self) -> bool:
        """See Firewall."""
        found = _signature(self._denied)
        return found is not None and found[2] > 0

    def disturbed(self) -> bool:
        """See Firewall."""
        return self._monotonic() >= self._next_end or self._signature != self._look()

    def held(self) -> Held:
        """See Firewall."""
        now = int(self._clock())
        ends = self._ledger.ends.items()
        bans = {net: None if end is None else end - now for net, end in ends if end is None or end > now}
        try:
            passing = {_network(text) for text in self._allowed.read_text(encoding="ascii").split()}
        except FileNotFoundError:
            return Held(bans)
        except (OSError, ValueError) as error:
            raise FirewallError(f"cannot read {self._allowed}: {error}"[:300]) from None
        return Held(bans, passing - self._always_allowed())

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """See Firewall: libwrap does not count."""
        return {}

    # inside

    def _write_allowed(self, whitelist: Iterable[Network]) -> None:
        self._write(self._allowed, set(whitelist) | self._always_allowed())

    def _always_allowed(self) -> set[Network]:
        return {*NEVER_BANNED, *self._own()}

    def _write_denied(self, ends: Mapping[Network, int | None]) -> None:
        self._write(self._denied, ends)
        self._ledger.replace(ends)
        now, monotonic = self._clock(), self._monotonic()
        first = min((end - now for end in ends.values() if end is not None), default=math.inf)
        self._next_end = monotonic + max(first, ENDS_TOGETHER_SECONDS)

    def _write(self, path: Path, networks: Iterable[Network]) -> None:
        fresh = path.with_name(path.name + ".new")
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.writelines(libwrap(network) + "\n" for network in networks)
            fresh.chmod(0o644)  # the warden's umask is for its secrets; whoever asks libwrap must read this
            os.replace(fresh, path)
        except OSError as error:
            raise FirewallError(f"cannot write {path}: {error.strerror}") from None
        self._signature = self._look()

    def _check_line(self) -> None:
        """Files that nobody looks at refuse nobody. A line after a backslash belongs to the one before."""
        try:
            text = self._hosts_deny.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        if self._line not in re.sub(r"\\\n", "", text).splitlines():
            raise FirewallError(
                f"{self._hosts_deny} does not have the line '{self._line}': apply the role stockade.fleet.agent again"
            )

    def _look(self) -> Signature:
        return _signature(self._denied), _signature(self._allowed), _signature(self._hosts_deny)


def libwrap(network: Network) -> str:
    """The pattern of a network, see hosts_access(5).

    An IPv6 address has its prefix length always: without one libwrap asks the DNS for the client's name first.
    """
    if network.version == 6:
        return f"[{network.address}]/{network.prefixlen}"
    return network.address if network.prefixlen == 32 else f"{network.address}/{network.netmask}"


def _network(pattern: str) -> Network:
    """The network of a pattern that `libwrap` made. Raises ValueError for any other text."""
    if pattern.startswith("["):
        return parse_network(pattern.translate({ord("["): None, ord("]"): None}))
    address, slash, mask = pattern.partition("/")
    return parse_network(f"{address}/{parse_network(mask).first.bit_count()}" if slash else address)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
