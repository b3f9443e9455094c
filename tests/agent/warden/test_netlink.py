# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a kernel: whole, cut off, refused, interrupted; and sets in the warden's table that it did not make."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from stockade.warden import netlink, ruleset
from stockade.warden.netlink import DONE, ERROR, HEADER, attribute, attributes, messages
from stockade.warden.nftables import Nftables

LISTED = 0x0A0A


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The warden's socket, and the kernel's end of it."""
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.settimeout(5)
    with ours, kernels:
        yield ours, kernels


def said(kind: int, body: bytes, flags: int = 0) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body


def number(value: int) -> bytes:
    return struct.pack("=i", value)


def answers(ends: tuple[socket.socket, socket.socket], *datagrams: bytes) -> list[bytes]:
    for datagram in datagrams:
        ends[1].send(datagram)
    return [bytes(body) for _kind, _flags, body in netlink.ask(ends[0], netlink.message(1, 0, b""))]


def test_a_listing_ends_where_the_kernel_says_so(ends: tuple[socket.socket, socket.socket]) -> None:
    first, second = said(LISTED, b"aaaa") + said(LISTED, b"bbbb"), said(LISTED, b"cccc")
    assert answers(ends, first, second + said(DONE, number(0)) + said(LISTED, b"dddd")) == [b"aaaa", b"bbbb", b"cccc"]


def test_an_acknowledgement_is_no_error_and_an_error_is_one(ends: tuple[socket.socket, socket.socket]) -> None:
    assert answers(ends, said(ERROR, number(0))) == []
    with pytest.raises(PermissionError):
        answers(ends, said(ERROR, number(-errno.EPERM)))


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EINTR, errno.ENOBUFS])
def test_a_listing_that_the_kernel_gave_up_is_not_taken_for_a_whole_one(
    ends: tuple[socket.socket, socket.socket], code: int
) -> None:
    """The kernel says so in the message that ends a listing (netlink_dump in net/netlink/af_netlink.c)."""
    with pytest.raises(OSError, match=f"Errno {code}"):
        answers(ends, said(LISTED, b"aaaa"), said(DONE, number(-code)))


@pytest.mark.parametrize("cut", range(1, 40))
def test_what_is_cut_off_ends_the_parsing(cut: int) -> None:
    whole = said(LISTED, attribute(1, b"aaaa") + attribute(2, b"bbbb"))
    for _kind, _flags, body in messages(whole[:-cut]):
        pytest.fail(f"a message that is not whole: {bytes(body)!r}")
    body = attribute(1, b"aaaa") + attribute(2, b"bbbb")
    assert [kind for kind, _value in attributes(body[:-cut])] == [1] * (cut <= 8)


def test_lengths_that_lie_end_the_parsing() -> None:
    for length in (0, 3, 15, 1 << 31):
        assert list(messages(struct.pack("=IHHII", length, LISTED, 0, 1, 0) + b"aaaa")) == []
    for length in (0, 3, 9, 0xFFFF):
        assert list(attributes(struct.pack("=HH", length, 1) + b"aaaa")) == []


def test_padding_and_flags_of_attributes_are_not_part_of_them() -> None:
    packed = attribute(netlink.NESTED | 3, b"12345") + attribute(4, b"")
    assert len(packed) % 4 == 0
    assert [(kind, bytes(value)) for kind, value in attributes(packed)] == [(3, b"12345"), (4, b"")]


@pytest.mark.parametrize("name", ["banned", "ban_24", "ban4_", "ban4_24b", "ban5_24", "ban4_33", "ban6_129", "bans"])
def test_a_set_in_our_table_that_is_not_ours_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's, or a newer agent's: no reason for a warden not to start."""
    monkeypatch.setattr(ruleset, "sets", lambda _table: ["whitelist4", "ban4_32", name])
    assert Nftables()._present_sets() == {(4, 32)}
