# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables firewall against a real kernel, in a network namespace of its own."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import stockade
from stockade.addresses import Network
from stockade.warden.firewall import FirewallError
from stockade.warden.nftables import Nftables

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"),
    reason="needs root, nft and ip to make a network namespace; molecule proves the same on the test hosts",
)


def net(text: str) -> Network:
    return ipaddress.ip_network(text)


class Kernel:
    """A network namespace with nothing in it."""

    def __init__(self) -> None:
        self.name = f"stockade-test-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.nft = ("ip", "netns", "exec", self.name, "nft")
        self.firewall = Nftables(self.nft)

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

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
    first = int(ipaddress.ip_address("198.18.0.0"))
    bans: dict[Network, int | None] = {ipaddress.IPv4Network(first + n): 600 for n in range(5000)}
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


WATCHED = """
import subprocess
from ipaddress import ip_network
from stockade.warden.nftables import Nftables

firewall = Nftables(["nft"])
nft = lambda *words: subprocess.run(["nft", *words], check=True, capture_output=True, text=True).stdout
sync = lambda: firewall.synchronise(whitelist=[], bans={ip_network("203.0.113.9"): None})
def seen(what):
    print(what, firewall.disturbed(), firewall.present())

seen("before")
sync(); seen("own")
firewall.apply(ban={ip_network("203.0.112.0/23"): 60}, lift=[]); seen("own again")
nft("add table inet somebody_elses"); seen("other table"); seen("quiet")
saved = nft("list", "ruleset")
nft("flush ruleset"); seen("flushed"); sync(); seen("repaired")
nft("flush chain inet stockade prerouting"); seen("chain emptied"); sync(); seen("repaired")
open("saved.nft", "w").write("flush ruleset\\n" + saved)
nft("-f", "saved.nft"); seen("restored"); sync(); seen("repaired")
firewall.remove(); seen("removed")
"""


def test_what_others_do_to_the_table_is_noticed_and_what_they_do_elsewhere_is_not(
    kernel: Kernel, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["ip", "netns", "exec", kernel.name, sys.executable, "-c", WATCHED],
        env={**os.environ, "PYTHONPATH": str(Path(stockade.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "before True False",
        "own False True",
        "own again False True",
        "other table False True",
        "quiet False True",
        "flushed True False",
        "repaired False True",
        "chain emptied True True",
        "repaired False True",
        "restored True True",
        "repaired False True",
        "removed False False",
    ], done.stderr


def test_an_error_of_nft_is_told_in_its_words() -> None:
    with pytest.raises(FirewallError, match="nft cannot be run"):
        Nftables(["/nonexistent/nft"]).remove()
    with pytest.raises(FirewallError, match="nft: "):
        Nftables(["/bin/sh", "-c", "echo no such thing >&2; exit 1"]).remove()
