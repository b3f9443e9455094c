# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables firewall: table `inet stockade`, one chain before connection tracking, hash sets with timeouts.

Order in the chain: what must always pass (loopback, the host's own addresses, IPv6 neighbour and router messages,
the whitelist), then one lookup for each prefix length in use. `nft` makes table, chain, rules and sets, and holds the
whitelist; the elements of the ban sets go over netlink. Scripts are built from parsed networks and numbers only.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from stockade.addresses import Network, between, from_packed, merged
from stockade.warden import ruleset
from stockade.warden.firewall import FirewallError, Held, Remaining

TABLE_NAME = "stockade"
TABLE = f"inet {TABLE_NAME}"
CHAIN = "prerouting"
LISTINGS = 5  # attempts at one that others disturb
NFT_SECONDS = 60  # for one script; each is small
LONGEST_TIMEOUT = 4_000_000  # seconds: below the 2^32 ms of old kernels; longer bans are renewed by `synchronise`
PRIORITY = -310  # raw - 10: before connection tracking, so floods cost little and forwarded ports are covered

_BASE = f"""
add table {TABLE}
add set {TABLE} whitelist4 {{ type ipv4_addr; flags interval; }}
add set {TABLE} whitelist6 {{ type ipv6_addr; flags interval; }}
add chain {TABLE} {CHAIN} {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}
flush chain {TABLE} {CHAIN}
add rule {TABLE} {CHAIN} iif lo return
add rule {TABLE} {CHAIN} fib saddr type local return
add rule {TABLE} {CHAIN} icmpv6 type {{ 133, 134, 135, 136, 137 }} return
add rule {TABLE} {CHAIN} ip saddr {{ 0.0.0.0, 169.254.0.0/16 }} return
add rule {TABLE} {CHAIN} ip6 saddr {{ ::, fe80::/10 }} return
add rule {TABLE} {CHAIN} ip saddr @whitelist4 return
add rule {TABLE} {CHAIN} ip6 saddr @whitelist6 return
"""

T = TypeVar("T")
_BAN_SET = re.compile(r"ban([46])_([0-9]{1,3})")
SetKey = tuple[int, int]  # (IP version, prefix length)
Timed = tuple[bytes, int | None]  # (first address, milliseconds)


def _set_name(key: SetKey) -> str:
    return f"ban{key[0]}_{key[1]}"


def _set_script(key: SetKey) -> str:
    """The set of one prefix length; the counter is what `packets` reads."""
    kind = "ipv4_addr" if key[0] == 4 else "ipv6_addr"
    return f"add set {TABLE} {_set_name(key)} {{ type {kind}; flags timeout; counter; }}\n"


def _rule_script(key: SetKey) -> str:
    version, length = key
    network = Network(version, 0, length)
    mask = "" if length == network.max_prefixlen else f" & {network.netmask}"
    return f"add rule {TABLE} {CHAIN} {'ip' if version == 4 else 'ip6'} saddr{mask} @{_set_name(key)} drop\n"


class Nftables:
    """One table; `command` is how the program `nft` is called."""

    name = "nftables"
    subtracts = True

    def __init__(self, command: Sequence[str] = ("/usr/sbin/nft",)) -> None:
        self._nft = tuple(command)
        self._sets: set[SetKey] = set()
        self._generation: int | None = None
        self._fingerprint: ruleset.Fingerprint | None = None

    # Firewall

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """See Firewall. The rules are replaced in one transaction, elements are compared set by set."""
        wanted: dict[SetKey, dict[bytes, Remaining]] = defaultdict(dict)
        for network, remaining in bans.items():
            wanted[_key(network)][network.packed] = remaining
        self._sets = self._present_sets() | wanted.keys()
        script = _BASE
        for key in sorted(self._sets):
            script += _set_script(key) + _rule_script(key)
        self._run(script + _whitelist_script(whitelist))
        for key in self._sets:
            self._compare(key, wanted.pop(key, {}))

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall."""
        self._run(_whitelist_script(whitelist))

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        new = {_key(network) for network in ban} - self._sets
        if new:
            self._run("".join(_set_script(key) + _rule_script(key) for key in sorted(new)))
            self._sets |= new
        for key, networks in _by_set(lift):
            if key in self._sets:
                self._change(ruleset.drop, key, (network.packed for network in networks))
        for key, networks in _by_set(ban):
            self._change(_add, key, ((network.packed, _timeout(ban[network])) for network in networks))

    def remove(self) -> None:
        """See Firewall."""
        self._run(f"add table {TABLE}\ndelete table {TABLE}\n")
        self._sets = set()

    def present(self) -> bool:
        """See Firewall."""
        return ruleset.fingerprint(TABLE_NAME, CHAIN) is not None

    def disturbed(self) -> bool:
        """See Firewall. Any change moves the generation; only then our own table and chain are looked at.

        A single element that root took out with nft is not seen here, but by the next `synchronise`.
        """
        generation = ruleset.generation()
        if generation is not None and generation == self._generation:
            return False
        found = ruleset.fingerprint(TABLE_NAME, CHAIN)
        if found is None or found != self._fingerprint:
            return True
        self._generation = generation
        return False

    def held(self) -> Held:
        """See Firewall."""
        found = Held()
        for key in self._present_sets():
            for element in self._elements(_set_name(key)):
                found.bans[from_packed(element.key, key[1])] = _seconds(element.remaining)
        if self.present():
            for name in ("whitelist4", "whitelist6"):
                found.whitelist.update(_intervals(self._elements(name)))
        return found

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """See Firewall."""
        found = {}
        for network in networks:
            with _kernel():
                count = ruleset.packets(TABLE_NAME, _set_name(_key(network)), network.packed)
            if count is not None:
                found[network] = count
        return found

    # inside

    def _present_sets(self) -> set[SetKey]:
        """The ban sets of the kernel's table; none if it is not there."""

        found = set()
        with _kernel():
            for name in ruleset.sets(TABLE_NAME):
                if (ours := _BAN_SET.fullmatch(name)) and int(ours[2]) <= (32 if ours[1] == "4" else 128):
                    found.add((int(ours[1]), int(ours[2])))
        return found

    @staticmethod
    def _elements(name: str) -> list[ruleset.Element]:
        with _kernel():
            return _again(lambda: list(ruleset.elements(TABLE_NAME, name)))

    def _compare(self, key: SetKey, wanted: Mapping[bytes, Remaining]) -> None:
        """Bring one set to what is wanted; an element that is right is left alone, and its counter with it."""
        with _kernel():
            missing, stale, surplus = _again(lambda: _differences(_set_name(key), wanted))
        self._change(ruleset.drop, key, surplus)
        self._change(ruleset.put, key, stale)
        self._change(_add, key, missing)

    def _change(self, change: Callable[[str, str, list[T]], None], key: SetKey, items: Iterable[T]) -> None:
        iterator = iter(items)
        with _kernel():
            while chunk := list(islice(iterator, ruleset.ELEMENTS)):
                change(TABLE_NAME, _set_name(key), chunk)

    def _run(self, script: str) -> None:
        """Run nft with a script on standard input. Raises FirewallError."""
        before = ruleset.generation()
        try:
            done = subprocess.run(
                [*self._nft, "-f", "-"], input=script, capture_output=True, text=True, timeout=NFT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FirewallError(f"nft cannot be run: {error}"[:300]) from None
        if done.returncode != 0:
            said = done.stderr.strip()[:300] or f"exit code {done.returncode} (negative: killed by that signal)"
            raise FirewallError(f"nft: {said}")
        # One script moves the number by one; if it moved further, somebody else was there: `disturbed` looks.
        after = ruleset.generation()
        alone = before is not None and after == before + 1
        self._generation = after if alone else None
        self._fingerprint = ruleset.fingerprint(TABLE_NAME, CHAIN) if alone else None


@contextmanager
def _kernel() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FirewallError(f"the kernel refused: {error.strerror or error}") from None


def _add(table: str, name: str, wanted: list[Timed]) -> None:
    """What is new is only added; most bans are."""
    try:
        ruleset.add(table, name, wanted)
    except FileExistsError:
        ruleset.put(table, name, wanted)


def _again(listing: Callable[[], T]) -> T:
    """What a listing says that nobody disturbed; somebody who changes rules all the time is waited for a few times."""
    for _attempt in range(LISTINGS - 1):
        try:
            return listing()
        except InterruptedError:
            continue
    return listing()


def _differences(name: str, wanted: Mapping[bytes, Remaining]) -> tuple[list[Timed], list[Timed], list[bytes]]:
    """What a set lacks, what ends at another time than wanted, what it holds beyond."""
    left, stale, surplus = dict(wanted), [], []
    for element in ruleset.elements(TABLE_NAME, name):
        if element.key not in left:
            surplus.append(element.key)
        elif _differs(_seconds(element.remaining), remaining := left.pop(element.key)):
            stale.append((element.key, _timeout(remaining)))
    return [(packed, _timeout(remaining)) for packed, remaining in left.items()], stale, surplus


def _key(network: Network) -> SetKey:
    return network.version, network.prefixlen


def _by_set(networks: Iterable[Network]) -> Iterable[tuple[SetKey, list[Network]]]:
    grouped: dict[SetKey, list[Network]] = defaultdict(list)
    for network in networks:
        grouped[_key(network)].append(network)
    return grouped.items()


def _timeout(remaining: Remaining) -> int | None:
    return None if remaining is None else min(max(remaining, 1), LONGEST_TIMEOUT) * 1000


def _seconds(milliseconds: int | None) -> Remaining:
    return None if milliseconds is None else milliseconds // 1000


def _whitelist_script(whitelist: Iterable[Network]) -> str:
    """Interval sets refuse overlaps, so the networks are merged first; the set is small and replaced as a whole."""
    script = ""
    networks = list(whitelist)
    for version in (4, 6):
        script += f"flush set {TABLE} whitelist{version}\n"
        if elements := ", ".join(map(str, merged(network for network in networks if network.version == version))):
            script += f"add element {TABLE} whitelist{version} {{ {elements} }}\n"
    return script


def _intervals(elements: Iterable[ruleset.Element]) -> Iterator[Network]:
    """The networks of an interval set, which the kernel lists by their first addresses and the ones behind them."""
    first = None
    for element in sorted(elements, key=lambda element: element.key):
        if element.interval_end:
            if first is not None:
                yield from between(first, element.key)
            first = None
        else:
            first = element.key
    if first is not None:
        yield from between(first, None)


def _differs(held: Remaining, wanted: Remaining) -> bool:
    if held is None or wanted is None:
        return held is not wanted
    return abs(held - min(wanted, LONGEST_TIMEOUT)) > 5
