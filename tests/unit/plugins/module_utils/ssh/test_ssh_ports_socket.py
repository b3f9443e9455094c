# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket of systemd moves as sshd does: by a drop-in of its own, unless a generator reads sshd's files."""

from __future__ import annotations

import os

import pytest
from portlab import SOCKET, Made

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError


def without_ipv6(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    """The kernel of the machine that runs the tests has no say."""
    real = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: there if path == "/proc/net/if_inet6" else real(path))


@pytest.mark.parametrize("ipv6", [True, False])
def test_a_socket_is_moved_by_a_dropin_of_its_own_that_lists_every_address(
    lab: Made, monkeypatch: pytest.MonkeyPatch, ipv6: bool
) -> None:
    """A44: what stood there is reset first, and IPv4 and IPv6 have a line each."""
    without_ipv6(monkeypatch, there=ipv6)
    a_host = lab(socket=SOCKET)
    planned, _changed = a_host.step(2222)
    assert [write.mode for write in planned.writes] == [0o644]
    lines = a_host.socket_dropin.read_text().splitlines()
    assert lines[1:4] == [
        "# Ports before: 22",
        "[Socket]",
        "ListenStream=",
    ]  # the empty one forgets what the unit and others say
    listed = ["ListenStream=0.0.0.0:{}", "ListenStream=[::]:{}"][: 2 if ipv6 else 1]
    assert lines[4:-1] == [line.format(port) for port in (22, 2222) for line in listed]
    assert lines[-1] == "BindIPv6Only=ipv6-only"
    a_host.step(2222)
    assert a_host.answering() == {2222} and a_host.said() == ["2222"]
    again, changed = a_host.step(2222)
    assert not changed and not again.more


def test_a_socket_of_ipv4_alone_stays_one(lab: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who listens on no address of IPv6 may have no firewall there."""
    without_ipv6(monkeypatch, there=True)
    a_host = lab(socket=("0.0.0.0:22",))
    for _step in range(2):
        a_host.step(2222)
        assert "[::]" not in a_host.socket_dropin.read_text()
    assert a_host.answering() == {2222}


def test_a_socket_without_our_dropin_is_the_units_again(lab: Made) -> None:
    a_host = lab(socket=SOCKET)
    a_host.step(2222)
    a_host.step(2222)
    a_host.step(absent=True)
    assert a_host.answering() == {22, 2222}
    a_host.step(absent=True)
    assert a_host.answering() == {22} and not a_host.socket_dropin.exists()


def test_a_leftover_override_of_a_socket_is_neither_in_the_way_nor_lost(lab: Made) -> None:
    a_host = lab(socket=("[::]:2200",))
    first, _changed = a_host.step(2222)
    assert first.ports == (2200, 2222)
    a_host.step(2222)
    assert a_host.answering() == {2222}
    assert a_host.socket_dropin.name > "override.conf"


@pytest.mark.parametrize(("main", "socket"), [(b"", ("[::]:2200",)), (b"Port 2200\n", SOCKET)])
def test_absent_goes_back_to_what_the_socket_says_which_is_not_what_sshds_files_say(
    lab: Made, main: bytes, socket: tuple[str, ...]
) -> None:
    a_host = lab(main=main, socket=socket)
    answered = a_host.answering()
    a_host.step(2222)
    a_host.step(2222)
    for _step in range(2):
        planned, _changed = a_host.step(absent=True)
        assert planned.login in a_host.answering()
    assert a_host.answering() == answered == set(planned.ports)


def test_a_socket_that_a_generator_makes_of_sshds_files_has_no_dropin(lab: Made) -> None:
    a_host = lab(socket=SOCKET)
    a_host.generator.touch()
    assert a_host.plan(2222).writes == ()
    a_host.step(2222)
    assert a_host.answering() == {22, 2222}
    a_host.step(2222)
    assert a_host.answering() == {2222}


def test_a_socket_that_answers_at_one_address_never_answers_at_all_of_them(lab: Made) -> None:
    """As ListenAddress without a port does in sshd's files. A refusal would do as well."""
    a_host = lab(socket=("192.0.2.1:22",))
    try:
        a_host.step(2222)
        a_host.step(2222)
    except StockadeError as refused:
        assert "192.0.2.1:22" in str(refused)
    assert a_host.listener.socket is not None
    assert not [where for where in a_host.listener.socket.listen if not where.startswith("192.0.2.1:")]
