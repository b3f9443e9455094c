# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port moves in two steps, whatever others wrote, and everything of theirs comes back."""

from __future__ import annotations

import types
from typing import Any

import pytest
from portlab import MARK, SERVICE, SOCKET, Made

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import host, planned, ports
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit


def test_a_move_has_both_ports_first_and_the_new_one_alone_after_the_login_there(lab: Made) -> None:
    a_host = lab()
    first, _changed = a_host.step(2222)
    assert (first.ports, first.own, first.login, first.more) == ((22, 2222), (22, 2222), 2222, True)
    assert a_host.answering() == {22, 2222}
    second, _changed = a_host.step(2222)
    assert (second.ports, second.own, second.login, second.more) == ((2222,), (2222,), 2222, False)
    assert a_host.answering() == {2222}
    assert a_host.ours.read_bytes() == b"# ours\nUseDNS no\nPort 2222\n"


def test_check_mode_shows_both_steps_and_a_run_each_by_itself(lab: Made) -> None:
    a_host = lab(main=b"Port 22\n")
    a_host.step(2222)
    [first], both = a_host.written, a_host.foreseen
    plan: Any = types.SimpleNamespace(writes=(first,), later=(*both,))
    shown = planned.difference(plan, foresee=True)
    assert [(one["after_header"], one["after"].count("\nPort ")) for one in shown[:1]] == [(str(a_host.ours), 1)]
    assert [(one["after_header"], one["after"].count("# Port 22")) for one in shown[1:]] == [(str(a_host.main), 1)]
    assert planned.difference(plan, foresee=False) == shown[:1]


def test_the_same_port_again_writes_nothing(lab: Made) -> None:
    a_host = lab(main=b"Port 22\n")
    a_host.step(2222)
    a_host.step(2222)
    again, changed = a_host.step(2222)
    assert not changed and not again.more and again.ports == (2222,)


def test_a_move_that_was_cut_off_after_its_first_step_goes_on(lab: Made) -> None:
    a_host = lab()
    a_host.step(2222)
    plan, _changed = a_host.step(2222)
    assert not plan.more and a_host.answering() == {2222}


def test_a_change_of_mind_between_the_steps_leaves_only_the_last_port(lab: Made) -> None:
    a_host = lab()
    a_host.step(2222)
    plan, _changed = a_host.step(3333)
    assert plan.ports == (22, 2222, 3333) and plan.login == 3333
    a_host.step(3333)
    assert a_host.answering() == {3333}


@pytest.mark.parametrize("socket", [(), SOCKET])
def test_no_port_asked_keeps_what_is_there(lab: Made, socket: tuple[str, ...]) -> None:
    a_host = lab(main=b"Port 2200\n", socket=socket)
    plan, _changed = a_host.step()
    assert (plan.own, plan.writes, plan.login, plan.more) == ((), (), None, False)
    a_host.step(2222)
    a_host.step(2222)
    kept, changed = a_host.step()
    assert not changed and kept.own == kept.ports == (2222,) and not kept.more


def test_absent_goes_back_in_two_steps(lab: Made) -> None:
    a_host = lab()
    a_host.step(2222)
    a_host.step(2222)
    first, _changed = a_host.step(absent=True)
    assert (first.ports, first.login, first.more) == ((22, 2222), 22, True)
    assert a_host.answering() == {22, 2222} and a_host.ours.exists()
    second, _changed = a_host.step(absent=True)
    assert (second.ports, second.login, second.more) == ((22,), 22, False)
    assert a_host.answering() == {22} and not a_host.ours.exists()
    third, changed = a_host.step(absent=True)
    assert not changed and not third.more


def test_absent_where_nobody_listens_is_one_step(lab: Made) -> None:
    """Nobody could log in in between, so there is nothing to prove."""
    a_host = lab(main=b"Port 2200\n")
    a_host.step(2222)
    a_host.step(2222)
    a_host.stopped = True
    plan, _changed = a_host.step(absent=True)
    assert (plan.ports, plan.login, plan.more) == ((2200,), None, False)
    assert a_host.answering() == {2200} and not a_host.ours.exists()
    assert not a_host.step(absent=True)[1]


def test_absent_where_no_port_is_ours_moves_nobody(lab: Made) -> None:
    a_host = lab(main=b"Port 2200\n")
    a_host.step()
    plan, _changed = a_host.step(absent=True)
    assert (plan.ports, plan.login, plan.more, plan.writes) == ((2200,), None, False, ())


@pytest.mark.parametrize(
    ("main", "dropins"),
    [
        (b"Port 22\nUseDNS no\n", {}),
        (b"\tport = 22\n# \xe9\n", {"50-cloud.conf": b"  PORT\t2200\nBanner none\n"}),
        (b"", {"50-a.conf": b"Port 22\nPort 2200\n", "60-b.conf": b"# Port 9\nPort 2201\n"}),
    ],
)
def test_lines_of_others_are_marked_in_the_second_step_and_come_back_byte_for_byte(
    lab: Made, main: bytes, dropins: dict[str, bytes]
) -> None:
    a_host = lab(main=main, dropins=dropins)
    before, answered = a_host.others(), a_host.answering()
    first, _changed = a_host.step(2222)
    assert a_host.others() == before and not set(first.own) & answered
    a_host.step(2222)
    marked = [line for content in a_host.others().values() for line in content.split(b"\n") if line.startswith(MARK)]
    assert len(marked) == len(answered) and a_host.answering() == {2222}
    assert {name: content.replace(MARK, b"") for name, content in a_host.others().items()} == before
    a_host.step(absent=True)
    assert a_host.others() == before
    a_host.step(absent=True)
    assert a_host.others() == before and a_host.answering() == answered


@pytest.mark.parametrize("tail", [b"Port 22", b"Port 22\r\nUseDNS no\r\n", b"Port 22\n\n# a\x0cb\n# c\xc2\x85d\n"])
def test_line_ends_that_only_python_knows_are_not_touched(lab: Made, tail: bytes) -> None:
    a_host = lab(dropins={"50-x.conf": tail})
    before = a_host.others()
    a_host.step(2222)
    a_host.step(2222)
    assert a_host.others()["50-x.conf"] == MARK + tail
    a_host.step(absent=True)
    a_host.step(absent=True)
    assert a_host.others() == before


def test_a_comment_never_becomes_a_line(lab: Made) -> None:
    """sshd ends a line at the newline alone; who ends it elsewhere too and writes it back turns text into orders."""
    a_host = lab(dropins={"50-x.conf": "Port 22\n# was:\u2028PermitRootLogin yes\n".encode()})
    a_host.step(2222)
    a_host.step(2222)
    assert b"\nPermitRootLogin" not in a_host.others()["50-x.conf"]


@pytest.mark.parametrize("value", [b'"2200"', b"2200 # since 2019", b'"2200"\t# since 2019'])
def test_a_port_in_quotes_or_before_a_comment_is_a_port(lab: Made, value: bytes) -> None:
    a_host = lab(main=b"Port " + value + b"\n")
    first, _changed = a_host.step(2222)
    assert first.own == (2222,)  # or sshd would bind 2200 twice
    a_host.step(2222)
    assert a_host.answering() == {2222}
    back, _changed = a_host.step(absent=True)
    assert back.login == 2200 and set(back.ports) == a_host.answering() == {2200, 2222}
    a_host.step(absent=True)
    assert a_host.answering() == {2200}


def test_a_marked_line_comes_back_without_a_jump_though_the_dropin_was_removed_by_hand(lab: Made) -> None:
    a_host = lab(main=b"Port 2200\n")
    a_host.step(2222)
    a_host.step(2222)
    a_host.ours.unlink()
    plan, _changed = a_host.step(absent=True)
    assert set(plan.ports) == a_host.answering()
    assert a_host.answering() & {22}


def test_files_of_others_keep_their_mode(lab: Made) -> None:
    a_host = lab(dropins={"50-x.conf": b"Port 22\n"})
    (a_host.drops / "50-x.conf").chmod(0o640)
    a_host.step(2222)
    [write] = a_host.plan(2222).writes
    assert write.mode == 0o640


@pytest.mark.parametrize("value", ["192.0.2.1:22", "[2001:db8::1]:22", "host.example.org:22", "[::]:2222"])
def test_an_address_with_a_port_is_refused_by_file_and_line(lab: Made, value: str) -> None:
    a_host = lab(dropins={"50-x.conf": "# x\nListenAddress {}\n".format(value).encode()})
    with pytest.raises(StockadeError) as refused:
        a_host.plan(2222)
    assert "{}/50-x.conf:2 says ListenAddress {}".format(a_host.drops, value) in str(refused.value)
    assert a_host.plan().writes == ()


@pytest.mark.parametrize("value", ["192.0.2.1", "::", "2001:db8::1", "[::1]", "host.example.org", "fe80::1%eth0"])
def test_an_address_without_a_port_moves_along(lab: Made, value: str) -> None:
    a_host = lab(main="ListenAddress {}\n".format(value).encode())
    a_host.step(2222)
    a_host.step(2222)
    assert a_host.answering() == {2222}
    assert a_host.said(b"listenaddress") == [value]


def test_listening_is_the_sockets_or_the_files() -> None:
    unit = Unit("ssh.socket", loaded=True, active=True, pid=0, listen=("[::]:2222", "0.0.0.0:2222", "192.0.2.1:22"))
    assert ports.listening(host.Listener("socket", None, unit), {"port": ["2200"]}) == [22, 2222]
    assert ports.listening(SERVICE, {"port": ["2222", "22"]}) == [22, 2222]


def test_listening_names_a_port_once_and_the_one_of_an_address_first() -> None:
    assert ports.listening(SERVICE, {"port": ["22", "22"]}) == [22]
    addresses = ["0.0.0.0:2200", "[::]:2200"]
    assert ports.listening(SERVICE, {"port": ["22"], "listenaddress": addresses}) == [2200]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((0, 'LISTEN 0 511 0.0.0.0:2222 0.0.0.0:* users:(("nginx",pid=7,fd=6))\n', ""), "by nginx"),
        (
            (0, 'LISTEN 0 1 [::]:2222 [::]:* users:(("b",pid=1,fd=3))\n' * 2 + 'x users:(("a",pid=2,fd=3))', ""),
            "by a, b",
        ),
        ((0, "LISTEN 0 511 0.0.0.0:2222 0.0.0.0:*\n", ""), "by another program"),
        ((0, "\n", ""), ""),
        ((1, "Error: an inet prefix is expected\n", ""), ""),
    ],
)
def test_the_program_that_has_the_port_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str], said: str
) -> None:
    monkeypatch.setattr(ports.shutil, "which", lambda name, **_path: "/sbin/" + name)
    asked: list[list[str]] = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        asked.append(argv)
        return answer

    assert ports.in_use(run, 2222) == ("port 2222 is in use " + said if said else "")
    assert asked == [["/sbin/ss", "-Hltnp", "sport", "=", ":2222"]]


def test_a_dropins_ports_are_read_and_replaced_and_nothing_else() -> None:
    content = b"# Port 1\nPort 22\nport=2222\n\tPORT 3\nPortable 4\nPermitOpen host:5\nPort x\n"
    assert ports.own_ports(content) == [22, 2222, 3]
    assert ports.own_ports(None) == []
    kept = b"# Port 1\nPortable 4\nPermitOpen host:5\n"
    assert ports.with_ports(content, ()) == kept
    assert ports.with_ports(kept, (22, 2222)) == kept + b"Port 22\nPort 2222\n"


def test_a_link_of_others_with_a_port_is_refused_before_anything_is_changed(lab: Made) -> None:
    """In its place would be a file, with the mode that a link has: anybody could write to it."""
    a_host = lab()
    elsewhere = a_host.place / "site.conf"
    elsewhere.write_text("Port 22\n")
    (a_host.drops / "50-site.conf").symlink_to(elsewhere)
    with pytest.raises(StockadeError, match=r"50-site\.conf is a link.*: take the Port lines out of .*/site\.conf"):
        a_host.step(2222)
    assert not a_host.ours.exists()


def test_a_link_of_others_without_a_port_is_in_nobodys_way(lab: Made) -> None:
    a_host = lab()
    elsewhere = a_host.place / "site.conf"
    elsewhere.write_text("UseDNS no\n")
    (a_host.drops / "50-site.conf").symlink_to(elsewhere)
    a_host.step(2222)
    a_host.step(2222)
    assert a_host.answering() == {2222} and (a_host.drops / "50-site.conf").is_symlink()
