# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables firewall: table `inet stockade`, one chain before connection tracking, hash sets with timeouts.

Order in the chain: what must always pass (loopback, the host's own addresses, IPv6 neighbour and router messages,
the whitelist), then one lookup for each prefix length in use. `nft` makes table, chain, rules and sets, and holds the
whitelist; the elements of the ban sets go over netlink. Scripts are built from parsed networks and numbers only.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from stockade.addresses import Network, from_packed
from stockade.warden import ruleset, script
from stockade.warden.firewall import FirewallError, Held, Remaining
from stockade.warden.script import CHAIN, TABLE, SetKey

LISTINGS = 5  # attempts at one that others disturb
NFT_SECONDS = 60  # for one script; each is small
LONGEST_TIMEOUT = 4_000_000  # seconds: below the 2^32 ms of old kernels; longer bans are renewed by `synchronise`

T = TypeVar("T")
Timed = tuple[bytes, int | None]  # (first address, milliseconds)


class Nftables:
    """One table; `command` is how the program `nft` is called."""

    name = "nftables"
    subtracts = True

    def __init__(self, command: Sequence[str] = ("/usr/sbin/nft",)) -> None:
        self._nft = tuple(command)
        self._transactions = ruleset.Transactions(TABLE)
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
        text = script.BASE
        for key in sorted(self._sets):
            text += script.ban_set_and_rule(key)
        self._run(text + script.whitelist(whitelist))
        for key in self._sets:
            self._compare(key, wanted.pop(key, {}))

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall."""
        self._run(script.whitelist(whitelist))

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        new = {_key(network) for network in ban} - self._sets
        if new:
            self._run("".join(script.ban_set_and_rule(key) for key in sorted(new)))
            self._sets |= new
        for key, networks in _by_set(lift):
            if key in self._sets:
                self._drop(key, (network.packed for network in networks))
        for key, networks in _by_set(ban):
            self._add(key, ((network.packed, _timeout(ban[network])) for network in networks))

    def remove(self) -> None:
        """See Firewall."""
        self._run(script.REMOVE)
        self._sets = set()

    def present(self) -> bool:
        """See Firewall."""
        return ruleset.fingerprint(TABLE, CHAIN) is not None

    def disturbed(self) -> bool:
        """See Firewall. Any change moves the generation; only then our own table and chain are looked at.

        A single element that root took out with nft is not seen here, but by the next `synchronise`.
        """
        generation = ruleset.generation()
        if generation is not None and generation == self._generation:
            return False
        found = ruleset.fingerprint(TABLE, CHAIN)
        if found is None or found != self._fingerprint:
            return True
        self._generation = generation
        return False

    def held(self) -> Held:
        """See Firewall."""
        found = Held()
        for key in self._present_sets():
            for element in self._elements(script.set_name(key)):
                found.bans[from_packed(element.key, key[1])] = _seconds(element.remaining)
        if self.present():
            for name in ("whitelist4", "whitelist6"):
                found.whitelist.update(script.intervals(self._elements(name)))
        return found

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """See Firewall."""
        found = {}
        for network in networks:
            with _kernel():
                count = ruleset.packets(TABLE, script.set_name(_key(network)), network.packed)
            if count is not None:
                found[network] = count
        return found

    # inside

    def _present_sets(self) -> set[SetKey]:
        """The ban sets of the kernel's table; none if it is not there."""
        with _kernel():
            return {key for name in ruleset.sets(TABLE) if (key := script.ban_set(name)) is not None}

    @staticmethod
    def _elements(name: str) -> list[ruleset.Element]:
        with _kernel():
            return _again(lambda: list(ruleset.elements(TABLE, name)))

    def _compare(self, key: SetKey, wanted: Mapping[bytes, Remaining]) -> None:
        """Bring one set to what is wanted; an element that is right is left alone, and its counter with it."""
        with _kernel():
            missing, stale, surplus = _again(lambda: _differences(script.set_name(key), wanted))
        self._drop(key, surplus)
        self._put(key, stale)
        self._add(key, missing)

    def _put(self, key: SetKey, wanted: Iterable[Timed]) -> None:
        with _kernel():
            for chunk in _chunks(wanted, ruleset.MOST_PUT):
                self._transactions.put(script.set_name(key), chunk)

    def _drop(self, key: SetKey, surplus: Iterable[bytes]) -> None:
        with _kernel():
            for chunk in _chunks(surplus, ruleset.MOST_DROPPED):
                self._transactions.drop(script.set_name(key), chunk)

    def _add(self, key: SetKey, wanted: Iterable[Timed]) -> None:
        """What is new is only added; most bans are."""
        for chunk in _chunks(wanted, ruleset.MOST_ADDED):
            try:
                with _kernel():
                    self._transactions.add(script.set_name(key), chunk)
            except _ThereAlready:
                self._put(key, chunk)

    def _run(self, text: str) -> None:
        """Run nft with a script on standard input. Raises FirewallError."""
        before = ruleset.generation()
        try:
            done = subprocess.run(
                [*self._nft, "-f", "-"], input=text, capture_output=True, text=True, timeout=NFT_SECONDS, check=False
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
        self._fingerprint = ruleset.fingerprint(TABLE, CHAIN) if alone else None


class _ThereAlready(FirewallError):
    """What was to be added is there."""


@contextmanager
def _kernel() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _ThereAlready("the kernel refused: an element is there already") from None
    except OSError as error:
        raise FirewallError(f"the kernel refused: {error.strerror or error}") from None


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


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
    for element in ruleset.elements(TABLE, name):
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


def _differs(held: Remaining, wanted: Remaining) -> bool:
    if held is None or wanted is None:
        return held is not wanted
    return abs(held - min(wanted, LONGEST_TIMEOUT)) > 5
