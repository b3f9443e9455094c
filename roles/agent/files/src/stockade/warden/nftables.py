# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables firewall: table `inet stockade`, one chain before connection tracking, hash sets with timeouts.

Order in the chain: what must always pass (loopback, the host's own addresses, IPv6 neighbour and router messages,
the whitelist), then one lookup for each prefix length in use. Scripts are built from parsed networks and numbers only.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from stockade.addresses import Network
from stockade.warden.firewall import FirewallError, Remaining
from stockade.warden.netlink import Fingerprint, fingerprint, ruleset_generation

TABLE_NAME = "stockade"
TABLE = f"inet {TABLE_NAME}"
CHAIN = "prerouting"
CHUNK = 2000  # elements in one transaction: 5,000 fit into the smallest socket buffer met, 10,000 do not
NFT_SECONDS = 60  # for one transaction; 2,000 elements take milliseconds
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

SetKey = tuple[int, int]  # (IP version, prefix length)


def _set_name(key: SetKey) -> str:
    return f"ban{key[0]}_{key[1]}"


def _set_script(key: SetKey) -> str:
    """The set of one prefix length; the counter is what `packets dropped` is read from."""
    version, length = key
    kind = "ipv4_addr" if version == 4 else "ipv6_addr"
    return f"add set {TABLE} {_set_name(key)} {{ type {kind}; flags timeout; counter; }}\n"


def _rule_script(key: SetKey) -> str:
    version, length = key
    family, bits = ("ip", 32) if version == 4 else ("ip6", 128)
    mask = "" if length == bits else f" & {_netmask(key)}"
    return f"add rule {TABLE} {CHAIN} {family} saddr{mask} @{_set_name(key)} drop\n"


def _netmask(key: SetKey) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_network(("0.0.0.0" if key[0] == 4 else "::", key[1])).netmask


class Nftables:
    """One table, changed through `nft -f -`; `command` is how the program is called."""

    name = "nftables"

    def __init__(self, command: Sequence[str] = ("/usr/sbin/nft",)) -> None:
        self._nft = tuple(command)
        self._sets: set[SetKey] = set()
        self._generation: int | None = None
        self._fingerprint: Fingerprint | None = None

    # Firewall

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """See Firewall. The rules are replaced in one transaction, elements are compared one by one."""
        held = self._held()
        self._sets = {_key(network) for network in (*bans, *held)}
        script = _BASE
        for key in sorted(self._sets):
            script += _set_script(key) + _rule_script(key)
        self._run(script + _whitelist_script(whitelist))
        missing = {net: left for net, left in bans.items() if net not in held or _differs(held[net], left)}
        self._change(ban=missing, lift=[net for net in held if net not in bans])

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall."""
        self._run(_whitelist_script(whitelist))

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        new = {_key(network) for network in ban} - self._sets
        if new:
            self._run("".join(_set_script(key) + _rule_script(key) for key in sorted(new)))
            self._sets |= new
        self._change(ban=ban, lift=[network for network in lift if _key(network) in self._sets])

    def remove(self) -> None:
        """See Firewall."""
        self._run(f"add table {TABLE}\ndelete table {TABLE}\n")
        self._sets = set()

    def present(self) -> bool:
        """See Firewall."""
        return fingerprint(TABLE_NAME, CHAIN) is not None

    def disturbed(self) -> bool:
        """See Firewall. Any foreign change moves the generation; only then our own table and chain are looked at.

        A single element that root took out with nft is not seen here, but by the next `synchronise`.
        """
        generation = ruleset_generation()
        if generation is not None and generation == self._generation:
            return False
        found = fingerprint(TABLE_NAME, CHAIN)
        if found is None or found != self._fingerprint:
            return True
        self._generation = generation
        return False

    # inside

    def _change(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        for chunk in _chunks(lift):
            self._run("".join(_lift_script(key, networks) for key, networks in _by_set(chunk)))
        for chunk in _chunks(ban):
            self._run("".join(_ban_script(key, networks, ban) for key, networks in _by_set(chunk)))

    def _held(self) -> dict[Network, Remaining]:
        """What the kernel holds now; empty if the table is not there."""
        if f"table {TABLE}" not in self._run(None, "list", "tables").splitlines():
            return {}
        held: dict[Network, Remaining] = {}
        for item in json.loads(self._run(None, "-j", "list", "table", *TABLE.split()))["nftables"]:
            name = item.get("set", {}).get("name", "")
            if not name.startswith("ban"):
                continue
            length = int(name.partition("_")[2])
            for element in item["set"].get("elem", []):
                value = element.get("elem", element) if isinstance(element, dict) else element
                address = value["val"] if isinstance(value, dict) else value
                remaining = value.get("expires") if isinstance(value, dict) else None
                held[ipaddress.ip_network(f"{address}/{length}")] = remaining
        return held

    def _run(self, script: str | None, *arguments: str) -> str:
        """Run nft with a script on standard input, or with arguments. Raises FirewallError."""
        command = [*self._nft, *(arguments or ("-f", "-"))]
        before = None if script is None else ruleset_generation()
        try:
            done = subprocess.run(
                command, input=script, capture_output=True, text=True, timeout=NFT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FirewallError(f"nft cannot be run: {error}"[:300]) from None
        if done.returncode != 0:
            said = done.stderr.strip()[:300] or f"exit code {done.returncode} (negative: killed by that signal)"
            raise FirewallError(f"nft: {said}")
        if script is not None:
            self._remember(before)
        return done.stdout

    def _remember(self, before: int | None) -> None:
        """One transaction moves the number by one; if it moved further, somebody else was there: `disturbed` looks."""
        after = ruleset_generation()
        alone = before is not None and after == before + 1
        self._generation = after if alone else None
        self._fingerprint = fingerprint(TABLE_NAME, CHAIN) if alone else None


def _key(network: Network) -> SetKey:
    return network.version, network.prefixlen


def _chunks(networks: Iterable[Network]) -> Iterator[list[Network]]:
    iterator = iter(networks)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _by_set(networks: Iterable[Network]) -> Iterable[tuple[SetKey, list[Network]]]:
    grouped: dict[SetKey, list[Network]] = defaultdict(list)
    for network in networks:
        grouped[_key(network)].append(network)
    return grouped.items()


def _ban_script(key: SetKey, networks: list[Network], remaining: Mapping[Network, Remaining]) -> str:
    """Upsert: old kernels keep the old timeout on a plain add, so the element goes first."""
    elements = []
    for network in networks:
        left = remaining[network]
        timeout = "" if left is None else f" timeout {min(max(left, 1), LONGEST_TIMEOUT)}s"
        elements.append(f"{network.network_address}{timeout}")
    return _lift_script(key, networks) + f"add element {TABLE} {_set_name(key)} {{ {', '.join(elements)} }}\n"


def _lift_script(key: SetKey, networks: list[Network]) -> str:
    """Deleting what has expired meanwhile would abort the transaction, so it is added first."""
    elements = ", ".join(str(network.network_address) for network in networks)
    name = _set_name(key)
    return f"add element {TABLE} {name} {{ {elements} }}\ndelete element {TABLE} {name} {{ {elements} }}\n"


def _whitelist_script(whitelist: Iterable[Network]) -> str:
    """Interval sets refuse overlaps, so the networks are merged first; the set is small and replaced as a whole."""
    script = ""
    networks = list(whitelist)
    for version in (4, 6):
        own = [network for network in networks if network.version == version]
        merged = ipaddress.collapse_addresses(own)  # type: ignore[type-var]
        script += f"flush set {TABLE} whitelist{version}\n"
        if elements := ", ".join(str(network) for network in merged):
            script += f"add element {TABLE} whitelist{version} {{ {elements} }}\n"
    return script


def _differs(held: Remaining, wanted: Remaining) -> bool:
    if held is None or wanted is None:
        return held is not wanted
    return abs(held - min(wanted, LONGEST_TIMEOUT)) > 5
