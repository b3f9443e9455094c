# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ban refuses and what passes whatever is banned, seen by packets: IPv4 and IPv6, Debian 12 and 13."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

ATTACKER, ATTACKER6 = "198.18.77.66", "2001:db8:77::66"
MANY, MANY6 = "198.18.77.64/26", "2001:db8:77::60/123"
WEB = {"4 80", "6 80"}
DOORS = WEB | {"4 22", "6 22"}


def test_c16_a_ban_drops_every_packet_of_both_families(target: Any) -> None:
    """A39, B17, C16, CH8, DH17: by hand, at once, with reason, time and end; the dropped packets are counted."""
    assert target.reached("attacker", 22, 80) == DOORS
    target.shell("stockade", "ban", ATTACKER, ATTACKER6, "--duration", "1h", "--reason", "by hand")
    assert target.reached("attacker", 22, 80) == set()
    assert target.reached("visitor") == WEB
    for address in (ATTACKER, ATTACKER6):
        told = target.ask("bans", "--why", address)
        assert told["verdict"] == "banned"
        row = told["bans"][0]
        assert (row["source"], row["reason"], row["origin"]) == ("operator", "by hand", target.name)
        assert row["expires_at"] - row["banned_at"] == 3600
        assert row["packets"] > 0
    target.shell("stockade", "unban", ATTACKER, ATTACKER6)
    assert target.reached("attacker", 22, 80) == DOORS
    ended = target.ask("bans", "--why", ATTACKER)["history"][0]
    assert ended["reason"] == "by hand" and ended["ended_by"].startswith("unban"), "BH15: lifted, and not forgotten"


def test_d30_a_whitelisted_address_inside_a_banned_network_gets_through(target: Any) -> None:
    """A10, B21, B31, D11, D30: whoever bans what around it; and only this address, compared as one (AH14)."""
    target.shell("stockade", "whitelist", "add", ATTACKER, ATTACKER6, "--comment", "customer")
    answer = json.loads(target.shell("stockade", "ban", MANY, MANY6, "--json"))
    assert [item["holes"] for item in answer["results"]] == [[ATTACKER], [ATTACKER6]]
    assert target.reached("attacker", 22, 80) == DOORS
    assert target.reached("visitor", 22, 80) == set()
    for address in (ATTACKER, ATTACKER6):
        refused = target.operator.shell(target.name, "stockade", "ban", address)
        assert refused.returncode and "whitelisted by list operator (customer)" in refused.stderr
        assert target.ask("bans", "--why", address)["verdict"] == "passes"
    target.shell("stockade", "whitelist", "remove", ATTACKER, ATTACKER6)
    assert target.reached("attacker", 22, 80) == set(), "B31: taking it out counts at once"


def test_d22_who_is_whitelisted_is_let_in_at_once(target: Any) -> None:
    """D22, DH6, A38: bans that were there before are lifted, the jail's as well."""
    target.shell("stockade", "ban", ATTACKER, ATTACKER6)
    target.shell("fail2ban-client", "set", "sshd", "banip", ATTACKER, ATTACKER6)
    assert target.reached("attacker") == set()
    result = target.module("whitelist", entries=[ATTACKER, ATTACKER6])
    assert result["changed"], result
    assert target.reached("attacker", 22, 80) == DOORS
    for address in (ATTACKER, ATTACKER6):
        assert target.shell("fail2ban-client", "get", "sshd", "banned", address).strip() == "0"
    assert not target.module("whitelist", entries=[ATTACKER, ATTACKER6])["changed"]
    assert target.module("whitelist", entries=[ATTACKER, ATTACKER6], state="absent")["changed"]


def test_ah16_fail2bans_own_command_does_not_pass_the_whitelist(target: Any) -> None:
    """AH16: fail2ban bans whom it is told to, whatever its ignoreip says; no packet is lost all the same."""
    target.shell("stockade", "whitelist", "add", ATTACKER, ATTACKER6)
    target.shell("fail2ban-client", "set", "sshd", "banip", ATTACKER, ATTACKER6)
    assert target.reached("attacker", 22, 80) == DOORS
    assert target.ask("bans", "--why", ATTACKER)["bans"] == []


def test_what_everybody_needs_passes_though_the_whole_world_is_banned(target: Any) -> None:
    """AH13, CH11: loopback, own addresses, neighbours and routers, the controller and the other hosts."""
    link_local = target.script("ip -6 -o address show dev eth0 scope link").split("inet6 ")[1].partition("/")[0]
    target.shell("nft", WITNESS)
    target.shell("stockade", "ban", "--force", "0.0.0.0/0", "::/0")
    try:
        assert target.reached("attacker", 22, 80) == set()
        assert target.reached("visitor", 22, 80) == set()
        own = {f"{address} 80" for address in (target.ipv4, target.ipv6, "127.0.0.1", "::1")}
        assert target.reaches(*own) == own
        assert target.module("ban_facts")["ansible_facts"]["stockade"]["summary"], "the controller gets in"
        other = next(name for name in ("web1", "web2") if name != target.name)
        assert target.reached(other) == {"4 80"}, "hosts of the inventory, by the address that it names"
        attacker(target, f"ip neigh flush dev eth0; ping -c 1 -W 1 {target.ipv6} || true")
        known = attacker(target, f"ip -6 neigh show {target.ipv6}")
        assert "lladdr" in known and "FAILED" not in known, "neighbour discovery"
        assert " 0% packet loss" in attacker(target, f"ping -c 2 -W 1 {link_local}%eth0"), "link-local"
        attacker(target, f"python3 -c '{ADVERTISE}'")
        assert target.operator.eventually(
            lambda: "packets 0 " not in target.shell("nft", "list", "table", "inet", "witness")
        ), "router advertisements"
    finally:
        target.script("nft delete table inet witness")
        target.shell("stockade", "unban", "0.0.0.0/0", "::/0")
    assert target.reached("attacker") == WEB


WITNESS = """
table inet witness {
    chain input { type filter hook input priority -300; icmpv6 type nd-router-advert counter; }
}
"""
# To every node on the link, as a router says it; only the kernel's own socket may set the hop limit of 255.
ADVERTISE = (
    "import socket, struct;"
    "s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6);"
    "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255);"
    'index = socket.if_nametoindex("eth0");'
    "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index);"
    's.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0), ("ff02::1", 0, 0, index))'
)


def attacker(target: Any, text: str) -> str:
    done = target.operator.shell("attacker", "sh", "-c", text)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


# What publishes a port as container engines do: destination NAT to an address behind the host.
PUBLISH = """
mkdir -p /run/publish-proc
mount -t proc proc /run/publish-proc
echo 1 >/run/publish-proc/sys/net/ipv6/conf/all/forwarding
ip netns add published
ip link add pub0 type veth peer name eth0 netns published
ip address add 10.89.7.1/24 dev pub0
ip address add fd00:89:7::1/64 dev pub0 nodad
ip link set pub0 up
ip -n published address add 10.89.7.2/24 dev eth0
ip -n published address add fd00:89:7::2/64 dev eth0 nodad
ip -n published link set eth0 up
ip -n published route add default via 10.89.7.1
ip -n published route add default via fd00:89:7::1
nft -f - <<'RULES'
table inet published {
    chain in { type nat hook prerouting priority dstnat;
        tcp dport 8080 dnat ip to 10.89.7.2:80; tcp dport 8080 dnat ip6 to [fd00:89:7::2]:80; }
}
RULES
systemd-run --unit=published --property=NetworkNamespacePath=/run/netns/published \
    python3 -m http.server --bind :: --directory /usr/share/doc 80
"""
UNPUBLISH = """
systemctl stop published || true
nft delete table inet published || true
ip netns delete published || true
ip link delete pub0 2>/dev/null || true
echo 0 >/run/publish-proc/sys/net/ipv6/conf/all/forwarding
umount /run/publish-proc
rmdir /run/publish-proc
"""


@pytest.fixture
def published(one: Any) -> Iterator[Any]:
    try:
        one.script(PUBLISH)
        yield one
    finally:
        one.script(UNPUBLISH)


def test_published_ports_of_containers_are_refused_too(published: Any) -> None:
    both = {"4 8080", "6 8080"}
    assert published.operator.eventually(lambda: published.reached("attacker", 8080) == both)
    published.shell("stockade", "ban", ATTACKER, ATTACKER6)
    assert published.reached("attacker", 8080) == set()
    assert published.reached("visitor", 8080) == both
    published.shell("stockade", "whitelist", "add", ATTACKER)
    assert published.reached("attacker", 8080) == {"4 8080"}


OPEN_DOORS = """
table inet open_doors {
    chain early { type filter hook prerouting priority -400; policy accept; tcp dport { 22, 80 } counter accept; }
    chain input { type filter hook input priority -10; policy accept; tcp dport { 22, 80 } counter accept; }
}
"""


def test_ch10_an_earlier_accept_for_the_port_does_not_win(one: Any) -> None:
    """B24, C16, CH10, BH8: our drop stands by itself, before whatever else decides, and once for both families."""
    one.shell("nft", OPEN_DOORS)
    try:
        assert one.reached("attacker", 22, 80) == DOORS
        one.shell("stockade", "ban", ATTACKER, ATTACKER6)
        assert one.reached("attacker", 22, 80) == set()
        assert one.reached("visitor", 22, 80) == DOORS
    finally:
        one.shell("nft", "delete table inet open_doors")


def test_d15_asking_from_every_side_is_one_drop(one: Any) -> None:
    """B20, BH6, C15, D15: the same ban from module, command line and jail; the kernel holds one element of it."""
    assert one.module("ban", address=ATTACKER, duration="1h", reason="x")["changed"]
    assert not one.module("ban", address=ATTACKER, duration="1h", reason="x")["changed"]
    one.shell("stockade", "ban", ATTACKER, "--duration", "1h", "--reason", "x")
    one.shell("fail2ban-client", "set", "sshd", "banip", ATTACKER)
    sources = [row["source"] for row in one.ask("bans", "--why", ATTACKER)["bans"]]
    assert sorted(sources) == ["fail2ban/sshd", "operator"]
    assert one.shell("nft", "list", "table", "inet", "stockade").count(f"{ATTACKER} ") == 1


def test_a37_a38_unban_from_one_jail_and_everywhere(one: Any) -> None:
    """A37, A38, A39: one jail alone leaves the others' bans standing, and says so."""
    banned = one.module("ban", address=ATTACKER, jail="sshd")
    assert banned["changed"], banned
    assert one.shell("fail2ban-client", "get", "sshd", "banned", ATTACKER).strip() == "1"
    assert one.reached("attacker") == {"6 80"}
    one.module("ban", address=ATTACKER, reason="by hand")
    only = one.module("unban", address=ATTACKER, jail="sshd")
    assert only["changed"]
    assert one.shell("fail2ban-client", "get", "sshd", "banned", ATTACKER).strip() == "0"
    assert [row["source"] for row in one.ask("bans", "--why", ATTACKER)["bans"]] == ["operator"]
    assert one.reached("attacker") == {"6 80"}
    one.module("ban", address=ATTACKER, jail="sshd")
    assert one.module("unban", address=ATTACKER)["changed"]
    assert one.reached("attacker") == WEB
    assert one.shell("fail2ban-client", "get", "sshd", "banned", ATTACKER).strip() == "0"


def test_bh6_a_ban_of_fail2ban_outlives_fail2ban(one: Any) -> None:
    """A13: the kernel holds it, not the program that decided it."""
    one.shell("fail2ban-client", "set", "sshd", "banip", ATTACKER)
    one.shell("systemctl", "stop", "fail2ban")
    try:
        assert one.reached("attacker") == {"6 80"}
    finally:
        one.shell("systemctl", "start", "fail2ban")
    assert one.reached("attacker") == {"6 80"}


def test_ah28_permanent_is_only_what_somebody_ordered(one: Any) -> None:
    """AH28, BH15: an hour unless somebody says so; a declared list has its reason, and what leaves it is lifted."""
    one.shell("stockade", "ban", ATTACKER)
    row = one.ask("bans", "--why", ATTACKER)["bans"][0]
    assert row["expires_at"] is not None
    entries = [{"network": ATTACKER6, "reason": "scanner, ticket 4711"}]
    assert one.module("permanent_bans", name="tried", entries=entries)["changed"]
    row = one.ask("bans", "--why", ATTACKER6)["bans"][0]
    assert (row["source"], row["reason"], row["expires_at"]) == ("list/tried", "scanner, ticket 4711", None)
    assert one.reached("attacker") == set()
    assert one.module("permanent_bans", name="tried", entries=[])["changed"]
    assert one.reached("attacker") == {"6 80"}


@pytest.mark.parametrize("address", ["--help", "$(touch /run/touched)", "203.0.113.9\u0000"])
def test_ah17_hostile_text_on_its_way_through_ansible(operator: Any, address: str) -> None:
    """AH17, BH7, BH9, DH7, CH12: refused by its shape, on no shell's command line."""
    before = operator.ask("web2", "bans")["total"]
    refused = operator.adhoc("web2", "ban", {"address": ["203.0.113.44", address]})
    assert refused["failed"] and "cannot ban" in refused["msg"]
    assert refused["msg"].isprintable() and len(refused["msg"]) < 400
    assert operator.ask("web2", "bans")["total"] == before
    assert operator.shell("web2", "test", "-e", "/run/touched").returncode != 0


def test_a_reason_is_refused_or_made_visible(operator: Any) -> None:
    assert operator.adhoc("web2", "ban", {"address": "203.0.113.44", "reason": "x" * 10_000})["failed"]
    assert operator.ask("web2", "bans", "--why", "203.0.113.44")["bans"] == []
    text = "a\u001b[2Jb\u202ec\nd"
    assert operator.adhoc("web2", "ban", {"address": "203.0.113.44", "reason": text})["changed"]
    kept = operator.ask("web2", "bans", "--why", "203.0.113.44")["bans"][0]["reason"]
    assert kept.isprintable() and kept.startswith("a") and kept.endswith("d")
    assert operator.adhoc("web2", "unban", {"address": "203.0.113.44"})["changed"]
