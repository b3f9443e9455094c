# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables firewall against a real kernel, in a network namespace of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest
from netns import NetworkNamespace

from stockade.addresses import Network, parse_network
from stockade.warden import nftables, ruleset
from stockade.warden.firewall import FirewallError
from stockade.warden.nftables import Nftables

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"),
    reason="needs root, nft and ip to make a network namespace; molecule proves the same on the test hosts",
)


def net(text: str) -> Network:
    return parse_network(text)


class Kernel:
    """A network namespace with nothing in it."""

    def __init__(self) -> None:
        self._namespace = NetworkNamespace()
        self.nft = ("nft",)
        self.firewall = Nftables(self.nft)

    def remove(self) -> None:
        self._namespace.leave()

    def script(self, text: str) -> None:
        subprocess.run([*self.nft, text], check=True)

    def listing(self) -> str:
        done = subprocess.run([*self.nft, "list", "ruleset"], check=True, capture_output=True, text=True)
        return re.sub(r"\s+", " ", done.stdout)

    def start(self, bans: Mapping[str, int | None], whitelist: tuple[str, ...] = ()) -> None:
        held = {net(text): left for text, left in bans.items()}
        self.firewall.synchronise(whitelist=[net(text) for text in whitelist], bans=held)

    def drops(self) -> list[str]:
        return re.findall(r"(ip6? saddr [^@]*@ban\w+) drop", self.listing())


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.remove()


def test_one_set_and_one_lookup_for_each_prefix_length(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": 600, "198.51.100.0/24": None, "2001:db8:bad::/48": None, "2001:db8::9": 60})
    assert [re.sub("== ", "", drop) for drop in kernel.drops()] == [
        "ip saddr & 255.255.255.0 @ban4_24",
        "ip saddr @ban4_32",
        "ip6 saddr & ffff:ffff:ffff:: @ban6_48",
        "ip6 saddr @ban6_128",
    ]
    assert "203.0.113.9 counter packets 0 bytes 0 timeout 10m" in kernel.listing()
    assert "elements = { 198.51.100.0 counter packets 0 bytes 0 }" in kernel.listing()


def test_what_must_pass_returns_before_the_first_drop(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": None}, whitelist=("203.0.113.7",))
    chain = kernel.listing().split("chain prerouting", 1)[1]
    first_drop = chain.index("drop")
    for rule in ('iif "lo" return', "fib saddr type local return", "nd-neighbor-solicit", "@whitelist4 return"):
        assert chain.index(rule) < first_drop, rule


def test_overlapping_whitelist_entries_are_merged(kernel: Kernel) -> None:
    kernel.start({}, whitelist=("203.0.113.0/24", "203.0.113.9", "2001:db8::/32", "2001:db8:1::/48"))
    assert "elements = { 203.0.113.0/24 }" in kernel.listing()
    assert "elements = { 2001:db8::/32 }" in kernel.listing()
    kernel.firewall.set_whitelist([net("198.51.100.7")])
    assert "203.0.113.0/24" not in kernel.listing()


def test_a_change_of_the_end_replaces_the_timeout(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": 600})
    kernel.firewall.apply(ban={net("203.0.113.9"): 7200}, lift=[])
    assert "timeout 2h" in kernel.listing()
    kernel.firewall.apply(ban={net("203.0.113.9"): None}, lift=[])
    assert "elements = { 203.0.113.9 counter packets 0 bytes 0 }" in kernel.listing()


def test_lifting_what_is_not_there_does_not_disturb_the_others(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": 600, "203.0.113.10": 600})
    kernel.firewall.apply(ban={}, lift=[net("203.0.113.9"), net("203.0.113.99"), net("192.0.2.0/30")])
    assert "203.0.113.10" in kernel.listing()
    assert "203.0.113.9 " not in kernel.listing()


def test_a_new_prefix_length_is_added_to_a_running_table(kernel: Kernel) -> None:
    kernel.start({})
    kernel.firewall.apply(ban={net("203.0.112.0/23"): 60}, lift=[])
    assert len(kernel.drops()) == 1


def test_more_than_fits_into_one_transaction(kernel: Kernel) -> None:
    first = net("198.18.0.0").first
    bans: dict[Network, int | None] = {Network(4, first + n, 32): 600 for n in range(5000)}
    kernel.firewall.synchronise(whitelist=[], bans=bans)
    assert kernel.listing().count("timeout 10m") == 5000


def test_a_new_process_takes_over_what_the_kernel_holds(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": 600, "203.0.113.10": None, "2001:db8:1::/48": 600, "203.0.113.200": 600})
    again = Nftables(kernel.nft)
    again.synchronise(
        whitelist=[], bans={net("203.0.113.9"): 600, net("203.0.113.10"): 60, net("2001:db8:2::/48"): None}
    )
    listing = kernel.listing()
    assert "203.0.113.10 counter packets 0 bytes 0 timeout 1m" in listing
    assert "2001:db8:2::" in listing
    assert "2001:db8:1::" not in listing and "203.0.113.200" not in listing
    assert len(kernel.drops()) == 2


def test_everything_is_taken_out_and_only_that(kernel: Kernel) -> None:
    kernel.script("add table inet somebody_elses")
    kernel.start({"203.0.113.9": None})
    kernel.firewall.remove()
    kernel.firewall.remove()
    assert kernel.listing().strip() == "table inet somebody_elses { }"


def test_what_others_do_to_the_table_is_noticed_and_what_they_do_elsewhere_is_not(kernel: Kernel) -> None:
    firewall = kernel.firewall

    def seen() -> tuple[bool, bool]:
        return firewall.disturbed(), firewall.present()

    assert seen() == (True, False)
    kernel.start({"203.0.113.9": None})
    assert seen() == (False, True)
    firewall.apply(ban={net("203.0.112.0/23"): 60}, lift=[])
    assert seen() == (False, True)
    kernel.script("add table inet somebody_elses")
    assert seen() == (False, True)
    listing = subprocess.run([*kernel.nft, "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    saved = "flush ruleset\n" + listing
    kernel.script("flush ruleset")
    assert seen() == (True, False)
    kernel.start({"203.0.113.9": None})
    assert seen() == (False, True)
    kernel.script("flush chain inet stockade prerouting")
    assert seen() == (True, True)
    kernel.start({"203.0.113.9": None})
    assert seen() == (False, True)
    subprocess.run([*kernel.nft, "-f", "-"], input=saved, text=True, check=True)
    assert seen() == (True, True)
    kernel.start({"203.0.113.9": None})
    assert seen() == (False, True)
    firewall.remove()
    assert seen() == (False, False)


def test_what_is_held_is_read_back(kernel: Kernel) -> None:
    bans = {"203.0.113.9": 600, "198.51.100.0/24": None, "2001:db8:bad::/48": None, "2001:db8::9": 60}
    whitelist = ("192.0.2.0/25", "203.0.113.7", "255.255.255.0/24", "2001:db8:1::/48")
    kernel.start(bans, whitelist)
    held = kernel.firewall.held()
    assert {str(network): left for network, left in held.bans.items()}.keys() == bans.keys()
    assert 590 <= (held.bans[net("203.0.113.9")] or 0) <= 600 and held.bans[net("198.51.100.0/24")] is None
    assert {str(network) for network in held.whitelist} == set(whitelist)
    kernel.firewall.remove()
    assert kernel.firewall.held().bans == {} and kernel.firewall.held().whitelist == set()


def test_dropped_packets_are_counted_for_each_ban(kernel: Kernel) -> None:
    for words in (
        "link add here type veth peer name there",
        "netns add stockade-peer",
        "link set there netns stockade-peer",
        "addr add 198.51.100.1/24 dev here",
        "link set here up",
        "-n stockade-peer addr add 198.51.100.2/24 dev there",
        "-n stockade-peer link set there up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    try:
        kernel.start({"198.51.100.2": 600, "198.51.100.3": 600})
        send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
        send += "for text in (b'1', b'2', b'3'): s.sendto(text, ('198.51.100.1', 9))"
        subprocess.run(["ip", "netns", "exec", "stockade-peer", sys.executable, "-c", send], check=True)
        asked = [net("198.51.100.2"), net("198.51.100.3"), net("203.0.113.9")]
        deadline = time.monotonic() + 10  # the first waits for the neighbour to be found
        while kernel.firewall.packets(asked)[net("198.51.100.2")] < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert kernel.firewall.packets(asked) == {net("198.51.100.2"): 3, net("198.51.100.3"): 0}
    finally:
        subprocess.run(["ip", "netns", "delete", "stockade-peer"], check=True)


def test_a_set_that_somebody_took_away_is_an_error_and_the_next_comparison_repairs_it(kernel: Kernel) -> None:
    kernel.start({"203.0.113.9": 600})
    kernel.script("flush ruleset")
    with pytest.raises(FirewallError, match="the kernel refused: No such file"):
        kernel.firewall.apply(ban={net("203.0.113.10"): 600}, lift=[])
    kernel.start({"203.0.113.9": 600, "203.0.113.10": 600})
    assert "203.0.113.10" in kernel.listing()


def test_a_right_element_keeps_its_counter_and_a_disturbed_listing_is_repeated(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.start({"203.0.113.9": None, "203.0.113.10": 600})
    listings = []
    real = nftables.ruleset.elements

    def disturbed(table: str, name: str) -> Iterator[ruleset.Element]:
        listings.append(name)
        yield from real(table, name)
        if len(listings) == 1:
            raise InterruptedError("the ruleset changed while it was listed")

    monkeypatch.setattr(nftables.ruleset, "elements", disturbed)
    changes = []
    monkeypatch.setattr(ruleset.Transactions, "_carry_out", lambda *arguments: changes.append(arguments))
    kernel.start({"203.0.113.9": None, "203.0.113.10": 600})
    assert listings == ["ban4_32", "ban4_32"] and changes == []


def test_an_error_of_nft_is_told_in_its_words() -> None:
    with pytest.raises(FirewallError, match="nft cannot be run"):
        Nftables(["/nonexistent/nft"]).remove()
    with pytest.raises(FirewallError, match="nft: "):
        Nftables(["/bin/sh", "-c", "echo no such thing >&2; exit 1"]).remove()
