# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs to reach: from the kernel of a network namespace, from built netlink bytes, from resolv.conf."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade import addresses
from stockade.warden import netlink, protected, routes

SOURCE = Path(__file__).parents[3] / "roles" / "agent" / "files" / "src"
NAMESPACE = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip to make a network namespace"
)


class Network:
    """A network namespace with one link, 198.51.100.2 and 2001:db8:1::2 on it."""

    def __init__(self) -> None:
        self.name = f"stockade-protected-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ip("link add d0 type veth peer name d1")
        self.ip("link set lo up", "link set d0 up", "link set d1 up")
        self.ip("addr add 198.51.100.2/24 dev d0", "addr add 2001:db8:1::2/64 dev d0 nodad")

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def ip(self, *commands: str) -> None:
        subprocess.run(
            ["ip", "-netns", self.name, "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=60
        )

    def read(self, expression: str) -> set[str]:
        """The value of an expression over `protected` and `routes`, evaluated inside."""
        code = (
            f"import json; from stockade.warden import protected, routes; print(json.dumps([*map(str, {expression})]))"
        )
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, sys.executable, "-B", "-c", code],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return set(json.loads(done.stdout))


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.remove()


@NAMESPACE
def test_own_addresses_of_both_families(network: Network) -> None:
    network.ip("addr add 203.0.113.1 peer 203.0.113.2/32 dev d0", "addr add 198.51.100.3/24 dev d0")
    own = network.read("protected.own_addresses()")
    assert {"198.51.100.2", "198.51.100.3", "2001:db8:1::2", "127.0.0.1", "::1"} <= own
    assert "203.0.113.1" in own and "203.0.113.2" not in own, "the other end of a link is not this host"


@NAMESPACE
def test_gateways_of_every_hop_table_and_family(network: Network) -> None:
    network.ip(
        "route add default nexthop via 198.51.100.11 dev d0 nexthop via 198.51.100.12 dev d0",
        "route add default via 198.51.100.13 dev d0 table 100",
        "route add 203.0.113.0/24 via inet6 2001:db8:1::14 dev d0",
        "route add ::/0 nexthop via 2001:db8:1::11 dev d0 nexthop via 2001:db8:1::12 dev d0",
        "route add ::/0 via 2001:db8:1::13 dev d0 table 100",
        "route add blackhole 203.0.113.128/25",
    )
    assert network.read("protected.gateways()") == {
        *("198.51.100.11", "198.51.100.12", "198.51.100.13"),
        *("2001:db8:1::11", "2001:db8:1::12", "2001:db8:1::13", "2001:db8:1::14"),
    }


@NAMESPACE
def test_a_host_without_routes_has_no_gateways(network: Network) -> None:
    assert network.read("protected.gateways()") == set()


@NAMESPACE
def test_a_full_table_does_not_hide_the_default_route(network: Network) -> None:
    more = [f"route add 10.0.{n >> 8}.{n & 255} via 198.51.100.20 dev d0 table 100" for n in range(600)]
    network.ip(*more, "route add default via 198.51.100.11 dev d0")
    assert "198.51.100.11" in network.read("routes.next_hops(most=200)")


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def route(*attributes: bytes) -> bytes:
    return struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 3, 0, 1, 0) + b"".join(attributes)


def address(*attributes: bytes) -> bytes:
    return struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2) + b"".join(attributes)


def hop(*attributes: bytes) -> bytes:
    inner = b"".join(attributes)
    return struct.pack("=HBBi", 8 + len(inner), 0, 0, 2) + inner


def test_a_route_is_parsed_with_all_its_hops() -> None:
    via = attribute(18, struct.pack("=H", socket.AF_INET6) + packed("2001:db8::1"))
    several = attribute(9, hop(attribute(5, packed("192.0.2.2"))) + hop() + hop(via))
    nested_flag = attribute(0x8000 | 9, hop(attribute(5, packed("192.0.2.3"))))
    body = route(attribute(15, b"\xfe\0\0\0"), attribute(5, packed("192.0.2.1")), several, nested_flag)
    assert routes.parse_route(body) == {packed(text) for text in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")}


def test_the_local_end_of_a_link_is_ours() -> None:
    other, ours = attribute(1, packed("192.0.2.2")), attribute(2, packed("192.0.2.1"))
    assert routes.parse_address(address(other, ours)) == {packed("192.0.2.1")}
    assert routes.parse_address(address(attribute(1, packed("2001:db8::1")))) == {packed("2001:db8::1")}
    assert routes.parse_address(address()) == set()


def test_cut_and_broken_bytes_end_the_parsing() -> None:
    whole = route(attribute(5, packed("192.0.2.1")), attribute(9, hop(attribute(5, packed("192.0.2.2")))))
    message = struct.pack("=IHHII", 16 + len(whole), 24, 2, 1, 0) + whole
    assert [(kind, bytes(body)) for kind, _flags, body in netlink.messages(message * 2)] == [(24, whole)] * 2
    for end in range(len(message)):
        assert list(netlink.messages(message[:end])) == []
    for end in range(len(whole)):
        routes.parse_route(whole[:end])
    assert routes.parse_route(route(struct.pack("=HH", 0, 5))) == set()
    assert routes.parse_route(route(attribute(9, struct.pack("=HBBi", 0, 0, 0, 0)))) == set()
    assert list(netlink.messages(struct.pack("=IHHII", 3, 24, 0, 0, 0))) == []


def test_a_kernel_that_does_not_answer_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    assert routes.addresses() == routes.next_hops() == set()


def test_a_long_reading_is_kept_for_a_while_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, took, readings = [1000.0], [0.0], []

    def next_hops() -> set[addresses.Network]:
        clock[0] += took[0]
        readings.append(clock[0])
        return {addresses.parse_network("192.0.2.1")}

    monkeypatch.setattr(protected.routes, "next_hops", next_hops)
    monkeypatch.setattr(protected.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(protected, "_next_hops", protected._NextHops())
    wanted = {addresses.parse_network("192.0.2.1")}
    assert protected.gateways() == protected.gateways() == wanted and len(readings) == 2
    took[0] = 0.05
    assert protected.gateways() == protected.gateways() == wanted and len(readings) == 3
    clock[0] += 5.1
    assert protected.gateways() == wanted and len(readings) == 4


class Resolver:
    """resolv.conf, and the one of systemd-resolved."""

    def __init__(self, directory: Path) -> None:
        self._ours, self._resolved = directory / "resolv.conf", directory / "resolved.conf"

    def read(self, ours: str, resolved: str | None = None) -> set[str]:
        self._ours.write_text(ours)
        if resolved is not None:
            self._resolved.write_text(resolved)
        return {str(network) for network in protected.resolvers(self._ours, self._resolved)}


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    return Resolver(tmp_path)


def test_three_servers_are_asked_and_no_more(resolver: Resolver) -> None:
    lines = "".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6))
    assert resolver.read(f"search example.org\n{lines}") == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}


@pytest.mark.parametrize(
    "line",
    [
        "nameserver 0.0.0.0/0",
        "nameserver ::/0",
        "nameserver 192.0.2.0/24",
        "nameserver 192.0.2.1/32",
        "nameserver 127.0.0.1",
        "nameserver ::1",
        "nameserver 0.0.0.0",
        "nameserver ::",
        "nameserver ::ffff:127.0.0.1",
        "nameserver dns.example.org",
        "nameserver",
        "#nameserver 192.0.2.1",
        "options nameserver 192.0.2.1",
    ],
)
def test_what_is_no_server_elsewhere_protects_nothing(resolver: Resolver, line: str) -> None:
    assert resolver.read(f"{line}\nnameserver 192.0.2.9\n") == {"192.0.2.9"}


def test_behind_the_stub_of_resolved_are_the_real_servers(resolver: Resolver) -> None:
    real = "nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
    stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\n"
    assert resolver.read(stub) == set()
    assert resolver.read(stub, real) == {"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"}
    assert resolver.read("nameserver 192.0.2.8\n", real) == {"192.0.2.8"}


def test_a_zone_and_a_mapped_address_are_the_address(resolver: Resolver) -> None:
    assert resolver.read("nameserver fe80::1%eth0\nnameserver ::ffff:192.0.2.5\n") == {"fe80::1", "192.0.2.5"}


def test_no_resolver_at_all(tmp_path: Path) -> None:
    assert protected.resolvers(tmp_path / "none", tmp_path / "none") == set()
