# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from sshd, ssh, systemctl and the wire, from outputs recorded on Debian 12 and 13."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import parse, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.host import Listener, endpoints, find_listener

Recorded = Callable[[str, str], str]


@pytest.mark.parametrize(("distribution", "number"), [("debian12", (9, 2)), ("debian13", (10, 0))])
def test_version(recorded: Recorded, distribution: str, number: tuple[int, int]) -> None:
    assert parse.parse_version(recorded(distribution, "sshd-V.txt")).number == number


def test_version_before_9_2_stands_in_the_usage_message() -> None:
    text = "unknown option -- V\nOpenSSH_8.9p1 Ubuntu-3ubuntu0.10, OpenSSL 3.0.2\nusage: sshd [-46DdeiqTt]\n"
    found = parse.parse_version(text)
    assert (found.number, found.text) == ((8, 9), "OpenSSH_8.9p1 Ubuntu-3ubuntu0.10")


def test_no_version_is_an_error() -> None:
    with pytest.raises(StockadeError, match="version of sshd"):
        parse.parse_version("dropbear 2022.83")


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
def test_effective(recorded: Recorded, distribution: str) -> None:
    effective = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    assert effective["port"] == ["22"]
    assert effective["listenaddress"] == ["[::]:22", "0.0.0.0:22"]
    assert effective["acceptenv"][:2] == ["LANG", "LC_*"]
    assert ("persourcepenalties" in effective) == (distribution == "debian13")


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
def test_the_wire_says_what_the_files_say(recorded: Recorded, distribution: str) -> None:
    effective = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    offered = wire.parse_kexinit(bytes.fromhex(recorded(distribution, "kexinit.hex")))
    assert wire.differences(wire.Offer("", offered), effective) == []
    assert "rsa-sha2-512" in offered["hostkeyalgorithms"]
    effective["macs"] = ["hmac-sha2-512-etm@openssh.com"]
    [found] = wire.differences(wire.Offer("", offered), effective)
    assert found.startswith("the running daemon offers macs umac-64-etm")


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x14" + bytes(16) + b"\0\0\0\4curv"])
def test_what_is_no_kexinit_is_an_error(payload: bytes) -> None:
    with pytest.raises(StockadeError, match="KEXINIT"):
        wire.parse_kexinit(payload)


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
def test_complaints(recorded: Recorded, distribution: str) -> None:
    complaints = parse.parse_complaints(
        recorded(distribution, "sshd-t-complaints.txt").replace("\n", "\r\n")
    )  # as sshd ends them
    assert complaints[:5] == [
        parse.Complaint("/tmp/b", 1, "Bad configuration option: MaxAuthTris"),
        parse.Complaint("/tmp/b", 2, "Deprecated option RSAAuthentication"),
        parse.Complaint("/tmp/b", 3, "Bad configuration option: FooBar"),
        parse.Complaint("", 0, 'Unsupported KEX algorithm "foo"'),
        parse.Complaint("/tmp/b", 1, "Bad SSH2 KexAlgorithms 'foo'."),
    ]
    # Fatal up to 9.4, ignored from 9.5.
    assert [c.text for c in complaints[5:]] == (
        ["Subsystem 'sftp' already defined."] if distribution == "debian12" else []
    )


@pytest.mark.parametrize(
    ("distribution", "name", "mode", "address"),
    [
        ("debian12", "systemctl-show-service.txt", "service", "::1"),
        ("debian13", "systemctl-show-service.txt", "service", "::1"),
        ("debian13", "systemctl-show-socket.txt", "socket", "127.0.0.1"),
    ],
)
def test_listener(recorded: Recorded, distribution: str, name: str, mode: str, address: str) -> None:
    listener = find_listener(lambda argv: (0, recorded(distribution, name), ""))
    assert listener.mode == mode
    assert listener.service is not None
    assert listener.service.name == "ssh.service"
    assert listener.service.pid > 0
    effective = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    assert endpoints(listener, effective)[0] == (address, 22)


def test_without_systemd_nobody_is_known_to_listen() -> None:
    listener = find_listener(lambda argv: (1, "", "System has not been booted with systemd"))
    assert listener == Listener("none", None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[::]:22", ("::", 22)),
        ("0.0.0.0:2222", ("0.0.0.0", 2222)),
        ("22", ("::", 22)),
        ("[fe80::1%eth0]:22", ("fe80::1", 22)),
        ("0.0.0.0:22 rdomain vrf-mgmt", ("0.0.0.0", 22)),  # as sshd -T says it of a VRF
    ],
)
def test_split_endpoint(text: str, expected: tuple[str, int]) -> None:
    assert parse.split_endpoint(text) == expected


def test_an_endpoint_that_is_a_path_is_an_error() -> None:
    with pytest.raises(StockadeError, match="address and a port"):
        parse.split_endpoint("/run/ssh-unix-local/socket")
