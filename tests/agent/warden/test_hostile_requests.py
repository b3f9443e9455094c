# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile text and hostile callers before the real warden: refused or made visible, and nobody else notices."""

from __future__ import annotations

import json
import socket
import subprocess
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from wardenprocess import GATEWAY, GROUP, OWN, OWN6, RESOLVER, WARDEN_UID, WATCHER_UID, Machine, needs_machine
from wardenprocess import machine as new_machine

from stockade.protocol import ProtocolError

pytestmark = needs_machine

CONTROLLER = "192.0.2.77"
NOBODY = 65534


@pytest.fixture(scope="module")
def running() -> Iterator[Machine]:
    with new_machine() as made:
        made.start()
        yield made


@pytest.fixture
def machine(running: Machine) -> Iterator[Machine]:
    """A warden that has survived every test before this one; nothing is banned or whitelisted but the controller."""
    running.ask("unban", all=True)
    for name in {entry["list"] for entry in running.ask("whitelist")["entries"]}:
        running.ask("whitelist_set", list=name, prune=True)
    running.ask("whitelist_set", list="controller", entries=[{"network": CONTROLLER, "duration": "30d"}])
    yield running
    assert running.alive
    assert "Traceback" not in running.journal()


def check_nothing_written(machine: Machine) -> None:
    assert machine.listed() == []
    assert [entry["network"] for entry in machine.ask("whitelist")["entries"]] == [CONTROLLER]
    assert machine.kernel() == {}
    assert not machine.path("/run/touched").exists()


def error(machine: Machine, op: str, **fields: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        machine.ask(op, **fields)
    return caught.value


# what is no address, and what may not be banned

NO_ADDRESS = [
    "example.com",
    "localhost",
    "any",
    "203.0.113.9/24",
    "2001:db8::1/64",
    "fe80::1%eth0",
    "2001:db8::9%1",
    "203.0.113.09",
    "0203.0.113.9",
    "203.0.113",
    "999.1.1.1",
    "3405803785",
    "0xcb007109",
    "203.0.113.9/33",
    "203.0.113.9/-1",
    "203.0.113.9/255.255.255.255",
    "203.0.113.9/٣٢",
    "٢٠٣.0.113.9",
    "203.0.113.9 ",
    "203.0.113.9\n",
    "203.0.113.9, 203.0.113.10",
    "203.0.113.9\x00",
    "203.0.113.9\u202e",
    "203.0.113.9 timeout 1s } ; flush ruleset",
    "",
    " ",
    "/",
    "--help",
    "-h",
    "$(touch /run/touched)",
    "`touch /run/touched`",
    "203.0.113.9; touch /run/touched",
    "203.0.113.9|touch /run/touched",
    "%s%n",
    "'; DROP TABLE bans; --",
    "1" * 10_000,
]
NEVER_BANNED = [
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "::",
    "fe80::1",
    "169.254.9.9",
    "224.0.0.1",
    "ff02::1",
    "::ffff:127.0.0.1",
]
NEEDED = [OWN, OWN6, GATEWAY, RESOLVER, CONTROLLER]
TOO_WIDE = ["0.0.0.0/0", "::/0", "202.0.0.0/7", "2001:db8::/31"]


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_ah17_bh9_what_is_no_address_is_refused_by_every_operation(machine: Machine, text: str) -> None:
    """AH17, BH7, BH9, CH8, DH7: parsed before any use, in a list with good ones nothing is written."""
    good = "203.0.113.200"
    for op, fields in (
        ("ban", {"bans": [{"network": good}, {"network": text}]}),
        ("unban", {"networks": [good, text]}),
        ("permanent_bans", {"list": "site", "entries": [{"network": good}, {"network": text}]}),
        ("whitelist_set", {"list": "site", "entries": [{"network": good}, {"network": text}]}),
        ("whitelist_set", {"list": "site", "remove": [text]}),
        ("bans", {"covering": text}),
    ):
        refused = error(machine, op, **fields)
        assert refused.code == "invalid"
        assert len(str(refused)) < 300
        assert str(refused).isprintable(), "what is wrong is shown, not performed"
    check_nothing_written(machine)


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, ["203.0.113.9"]])
def test_ah17_what_is_not_even_text_is_refused(machine: Machine, value: Any) -> None:
    assert error(machine, "ban", bans=[{"network": value}]).code == "invalid"
    assert error(machine, "unban", networks=[value]).code == "invalid"
    check_nothing_written(machine)


@pytest.mark.parametrize("network", [*NEVER_BANNED, *NEEDED])
@pytest.mark.parametrize("force", [False, True])
def test_ah13_ch11_what_the_host_needs_is_never_banned(machine: Machine, network: str, force: bool) -> None:
    """AH13, CH11: own addresses, gateway, resolver and controller; not even with force, not from a list."""
    assert error(machine, "ban", bans=[{"network": network}], force=force).code == "refused"
    listed = {"list": "site", "entries": [{"network": network}]}
    assert error(machine, "permanent_bans", force=force, **listed).code == "refused"
    skipped = machine.ask("permanent_bans", on_refused="skip", **listed)
    assert skipped["counts"]["refused"] == 1 and not skipped["changed"]
    check_nothing_written(machine)


@pytest.mark.parametrize("network", TOO_WIDE)
def test_bh9_half_of_the_world_is_not_banned_by_mistake(machine: Machine, network: str) -> None:
    assert error(machine, "ban", bans=[{"network": network}]).code == "refused"
    assert error(machine, "whitelist_set", entries=[{"network": network}]).code == "invalid"
    check_nothing_written(machine)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_forced_to_ban_the_world_the_host_keeps_what_it_needs(machine: Machine, network: str) -> None:
    result = machine.ask("ban", bans=[{"network": network}], force=True)["results"][0]
    assert {OWN, GATEWAY, CONTROLLER} <= set(result["holes"]) or {OWN6} <= set(result["holes"])
    assert machine.passes(GATEWAY) and machine.passes(CONTROLLER)


# A shell's words may carry blanks and commas around addresses.
FORGIVEN = {"203.0.113.9 ", "203.0.113.9\n", "203.0.113.9, 203.0.113.10"}


@pytest.mark.parametrize(
    "text", [*(text for text in NO_ADDRESS if text not in FORGIVEN), *NEVER_BANNED, *NEEDED, *TOO_WIDE]
)
def test_the_command_line_ends_with_2_and_shows_what_is_wrong(machine: Machine, text: str) -> None:
    if "\0" in text:
        pytest.skip("no argument can hold it")
    done = machine.stockade("ban", "--reason", "x", "--", "203.0.113.200", text)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.rstrip("\n").isprintable() and len(done.stderr) < 1500
    check_nothing_written(machine)


# text that people will read

LONG = "x" * 10_000
TEXTS = [
    LONG,
    "a\x00b",
    "a\x1b[2Jb",
    "a\nb\r\nc",
    "abc\u202edef\u2066ghi\u200b",
    "a\u2028b\u00a0c\ufeff",
    "\ud800",
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "%s {} ${x} $(touch /run/touched)",
    '"; flush ruleset; add comment "',
    "💥" * 200,
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
def test_a_reason_is_refused_or_made_visible(machine: Machine, text: str) -> None:
    try:
        machine.ban("203.0.113.9", reason=text)
        machine.ask("whitelist_set", entries=[{"network": "192.0.2.7", "comment": text}])
    except ProtocolError as refused:
        assert refused.code == "invalid"
        check_nothing_written(machine)
        return
    assert text is not LONG
    kept = [machine.listed()[0]["reason"]]
    kept += [entry["comment"] for entry in machine.ask("whitelist")["entries"] if entry["network"] == "192.0.2.7"]
    for shown in kept:
        assert len(shown) <= 1200
        assert not [char for char in shown if unicodedata.category(char)[0] in "CZ" and char != " "]
    for words in (("bans",), ("bans", "--why", "203.0.113.9"), ("whitelist",)):
        done = machine.stockade(*words)
        assert done.returncode == 0
        hidden = [char for char in done.stdout if unicodedata.category(char)[0] in "CZ" and char not in " \n"]
        assert not hidden, hidden
    assert not machine.path("/run/touched").exists()


@pytest.mark.parametrize(
    "text", ["", "../x", "a b", "--help", "a/b", "x\n", "\u202ex", "$(x)", "x" * 10_000, 1, [], {}]
)
def test_names_ids_and_sources_are_plain(machine: Machine, text: Any) -> None:
    entry = {"network": "203.0.113.9"}
    for op, fields in (
        ("permanent_bans", {"list": text, "entries": [entry]}),
        ("whitelist_set", {"list": text, "entries": [entry]}),
        ("ban", {"bans": [{**entry, "source": f"watcher/{text}" if isinstance(text, str) else text}]}),
        ("ban", {"bans": [{**entry, "source": text}]}),
        ("ban", {"bans": [{**entry, "id": text}]}),
        ("permanent_bans", {"list": "site", "digest": text, "entries": [entry]}),
    ):
        if text == "--help" and ("digest" in fields or "id" in str(fields)):
            continue  # dashes are letters of these two
        assert error(machine, op, **fields).code == "invalid", (op, fields)
    check_nothing_written(machine)


@pytest.mark.parametrize(
    "duration", ["-1h", "0", "1y1", "forever", "1h ", "9" * 30 + "d", -1, 0, True, 1.5, 1e300, [], {"a": 1}]
)
def test_a_duration_is_a_duration(machine: Machine, duration: Any) -> None:
    for op, fields in (
        ("ban", {"bans": [{"network": "203.0.113.9", "duration": duration}]}),
        ("permanent_bans", {"entries": [{"network": "203.0.113.9", "duration": duration}]}),
        ("whitelist_set", {"entries": [{"network": "203.0.113.9", "duration": duration}]}),
    ):
        assert error(machine, op, **fields).code == "invalid", (op, fields)
    check_nothing_written(machine)


@pytest.mark.parametrize("moment", ["tomorrow", "2030-01-01", True, 1.5, -1, 1 << 80, [], {}])
def test_an_end_is_a_number_of_seconds(machine: Machine, moment: Any) -> None:
    for op in ("permanent_bans", "whitelist_set"):
        fields = {"list": "site", "entries": [{"network": "203.0.113.9", "expires_at": moment}]}
        assert error(machine, op, **fields).code == "invalid", op
    check_nothing_written(machine)


def test_an_entry_that_is_over_is_counted_and_left_out(machine: Machine) -> None:
    for op in ("permanent_bans", "whitelist_set"):
        result = machine.ask(op, list="site", entries=[{"network": "203.0.113.9", "expires_at": 1_600_000_000}])
        assert not result["changed"] and result["counts"]["expired"] == 1
    check_nothing_written(machine)


# messages


def converse(machine: Machine, *lines: bytes) -> list[dict[str, Any] | None]:
    """The answers to raw lines on one connection of root; None once the warden hung up."""
    with machine.connect() as sock, sock.makefile("rb") as answers:
        found = []
        for line in lines:
            try:
                sock.sendall(line)
                found.append(json.loads(answers.readline() or b"null"))
            except (BrokenPipeError, ConnectionResetError):
                found.append(None)
        return found


STATUS = b'{"v":1,"op":"status"}\n'


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"GET / HTTP/1.1\r\n",
        b"null\n",
        b"[]\n",
        b"1e999\n",
        b"NaN\n",
        b'"x"\n',
        b"{}\n",
        b'{"v":2,"op":"status"}\n',
        b'{"v":"1","op":"status"}\n',
        b'{"v":1}\n',
        b'{"v":1,"op":null}\n',
        b'{"v":1,"op":["ban"]}\n',
        b'{"v":1,"op":"__init__"}\n',
        b'{"v":1,"op":"status","uid":0}\n',
        b'{"v":1,"op":"ban","bans":{}}\n',
        b'{"v":1,"op":"ban","bans":[[]]}\n',
        b'{"v":1,"op":"ban","bans":[null]}\n',
        b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9","country":"x"}]}\n',
        b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9"}],"force":1}\n',
        b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9"}],"on_refused":["skip"]}\n',
        b'{"v":1,"op":"bans","limit":NaN}\n',
        b'{"v":1,"op":"bans","limit":-1}\n',
        b'{"v":1,"op":"bans","limit":' + b"9" * 5000 + b"}\n",
        b'{"v":1,"op":"changes","after":-1}\n',
        b'{"v":1,"op":"changes","after":' + b"9" * 40 + b"}\n",
        b'{"v":1,"op":"why"}\n',
        b"\xff\xfe\x00\n",
        b"\x00" * 1000 + b"\n",
        b'{"v":1,"op":"\\ud800"}\n',
        b"[" * 200_000 + b"\n",
        b'{"a":' * 200_000 + b"\n",
        b'{"v":1,"op":"ban","bans":[' + b"{}," * 200_000 + b"{}]}\n",
    ],
    ids=lambda line: ascii(line)[2:30],
)
def test_what_is_no_request_is_called_invalid_and_the_next_one_is_served(machine: Machine, line: bytes) -> None:
    refused, served = converse(machine, line, STATUS)
    assert refused is not None and refused["error"]["code"] == "invalid", refused
    assert refused["error"]["message"].isprintable() and len(refused["error"]["message"]) < 300
    assert served is not None and served["ok"]
    check_nothing_written(machine)


def test_a_huge_line_costs_the_connection_and_bounded_memory(machine: Machine) -> None:
    with machine.connect() as sock, sock.makefile("rb") as answers:
        try:
            for _mebibyte in range(256):
                sock.sendall(b"x" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            raise AssertionError("256 MiB without an end of line were taken")
        with pytest.raises((ConnectionResetError, StopIteration)):
            assert json.loads(next(answers))["error"]["code"] == "invalid"
            next(answers)
    assert machine.warden is not None
    status = dict(
        line.split(":", 1) for line in machine.run("cat", f"/proc/{machine.warden.pid}/status").stdout.splitlines()
    )
    assert int(status["VmHWM"].split()[0]) < 384 * 1024, "kB: the unit's MemoryMax"
    assert machine.ask("status")["state"] == "enforcing"


def test_a_request_in_single_bytes_is_served_and_so_is_everybody_else(machine: Machine) -> None:
    request = b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9"}]}\n'
    with machine.connect() as slow, slow.makefile("rb") as answers:
        for number, byte in enumerate(request):
            slow.sendall(bytes([byte]))
            if number % 10 == 0:
                assert machine.ask("status")["state"] == "enforcing"
        assert json.loads(answers.readline())["ok"]
    assert machine.kernel().keys() == {"203.0.113.9"}


def test_half_sent_requests_do_nothing_and_hold_nobody_up(machine: Machine) -> None:
    half = b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9"}'
    open_ones = [machine.connect() for _number in range(100)]
    for sock in open_ones:
        sock.sendall(half)
    machine.ban("203.0.113.10")
    for sock in open_ones:
        sock.close()
    assert machine.ask("status")["state"] == "enforcing"
    assert machine.kernel().keys() == {"203.0.113.10"}


@pytest.mark.slow
def test_who_stays_half_way_is_dropped(machine: Machine) -> None:
    with machine.connect() as sock:
        sock.sendall(b'{"v":1,')
        assert sock.recv(1) == b""


def test_bh6_c15_a_replayed_request_is_one_ban(machine: Machine) -> None:
    """B20, BH6, C15, D15: asked a thousand times, banned once; what was lifted is not made again by its id."""
    line = b'{"v":1,"op":"ban","bans":[{"network":"203.0.113.9","source":"fail2ban/sshd","id":"sshd:1"}]}\n'
    answers = converse(machine, *[line] * 1000)
    assert [answer["result"]["changed"] for answer in answers if answer] == [True] + [False] * 999
    assert [row["network"] for row in machine.listed()] == ["203.0.113.9"]
    machine.ask("unban", networks=["203.0.113.9"])
    again = converse(machine, line)[0]
    assert again is not None and not again["result"]["changed"]
    check_nothing_written(machine)


# callers


def test_who_is_not_in_the_group_is_not_heard(machine: Machine) -> None:
    with pytest.raises(PermissionError):
        machine.speak({"op": "status"}, uid=NOBODY)


BAN = {"op": "ban", "bans": [{"network": "203.0.113.9"}]}
ROOTS = [
    BAN,
    {"op": "ban", "bans": [{"network": "203.0.113.9", "source": "operator"}]},
    {"op": "ban", "bans": [{"network": "203.0.113.9", "source": "fail2ban/sshd"}]},
    {"op": "unban", "all": True},
    {"op": "unban", "networks": ["203.0.113.200"], "source": "operator"},
    {"op": "permanent_bans", "list": "site", "entries": [{"network": "203.0.113.9"}]},
    {"op": "whitelist_set", "entries": [{"network": "203.0.113.9"}]},
    {"op": "changes", "after": 0},
    {"op": "release"},
    {"op": "resume"},
]
READS = [{"op": "status"}, {"op": "bans"}, {"op": "whitelist"}, {"op": "why", "address": "203.0.113.200"}]


def codes(answers: list[dict[str, Any] | None]) -> list[str]:
    return ["ok" if answer["ok"] else answer["error"]["code"] if answer else "gone" for answer in answers if answer]


@pytest.mark.parametrize("uid", [NOBODY, WARDEN_UID, 12345])
def test_a_stranger_in_the_group_is_denied_everything(machine: Machine, uid: int) -> None:
    """The warden's own user is a stranger too: who took it over asks for nothing through the door."""
    requests = ROOTS + READS
    assert codes(machine.speak(*requests, uid=uid, groups=str(GROUP))) == ["denied"] * len(requests)
    check_nothing_written(machine)


def test_ah1_b23_the_watcher_may_ban_for_itself_and_nothing_else(machine: Machine) -> None:
    """AH1, B23: a service without rights, and one narrow way to ban."""
    machine.ban("203.0.113.200")
    assert codes(machine.speak(*ROOTS, uid=WATCHER_UID, groups=str(GROUP))) == ["denied"] * len(ROOTS)
    assert codes(machine.speak(*READS, uid=WATCHER_UID, groups=str(GROUP))) == ["ok"] * len(READS)
    assert [row["network"] for row in machine.listed()] == ["203.0.113.200"]
    own = {"source": "watcher/requests"}
    for network, code in (
        ("203.0.113.9", "ok"),
        ("10.1.2.3", "refused"),
        ("fd00::1", "refused"),
        ("203.0.112.0/23", "refused"),
        ("2001:db8::/47", "refused"),
        (CONTROLLER, "refused"),
        (OWN, "refused"),
    ):
        request = {"op": "ban", "bans": [{"network": network, **own}], "force": True}
        assert codes(machine.speak(request, uid=WATCHER_UID, groups=str(GROUP))) == [code], network
    lifted = {"op": "unban", "networks": ["203.0.113.200", "203.0.113.9"], **own}
    assert codes(machine.speak(lifted, uid=WATCHER_UID, groups=str(GROUP))) == ["ok"]
    assert [row["network"] for row in machine.listed()] == ["203.0.113.200"], "only its own is lifted"


def test_a_service_that_asks_for_too_much_is_told_when_to_come_back(machine: Machine) -> None:
    batches = [
        {
            "op": "ban",
            "bans": [
                {
                    "network": f"2001:db8:{batch:x}:{number:x}::/64",
                    "source": "watcher/requests",
                    "id": f"{batch}:{number}",
                }
                for number in range(100)
            ],
        }
        for batch in range(1, 400)
    ]
    answers = machine.speak(*batches, uid=WATCHER_UID, groups=str(GROUP))
    refused = [answer for answer in answers if answer and not answer["ok"]]
    assert refused, "40,000 bans of one service in one go"
    assert {answer["error"]["code"] for answer in refused} == {"quota"}
    assert any(char.isdigit() for char in refused[0]["error"]["message"]), "when to ask again"
    told = {row["network"] for row in machine.listed()}
    assert told == machine.kernel().keys(), "what was refused left nothing behind, what was acknowledged is in force"
    assert len(told) == 100 * codes(answers).count("ok")
    machine.ban("203.0.113.9")  # the operator is not bound by a service's share
    assert "203.0.113.9" in machine.kernel()
    unban = {"op": "unban", "networks": sorted(told)[:1], "source": "watcher/requests"}
    assert codes(machine.speak(unban, uid=WATCHER_UID, groups=str(GROUP))) == ["ok"], "lifting is not rationed"


def test_a_services_line_is_short(machine: Machine) -> None:
    long = {"op": "ban", "bans": [{"network": "203.0.113.9", "source": "watcher/x", "reason": "x" * 70_000}]}
    answers = machine.speak(long, {"op": "status"}, uid=WATCHER_UID, groups=str(GROUP))
    assert codes(answers[:1]) == ["invalid"]
    assert all(answer is None for answer in answers[1:]), "the connection is closed"
    check_nothing_written(machine)


FLOOD = """
import contextlib, socket, sys
held = []
for _number in range(300):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect("/run/stockade/warden.sock")
    with contextlib.suppress(OSError):  # most of them are closed at once
        held[-1].sendall(b'{"v":1,"op":"status"')
print("held", flush=True)
sys.stdin.read()
"""


def test_a_service_that_holds_hundreds_of_connections_holds_nobody_up(machine: Machine) -> None:
    command = machine.python("-c", FLOOD, uid=WATCHER_UID, groups=str(GROUP))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
        assert flood.stdout is not None
        machine.ban("203.0.113.9")  # while it opens them
        assert flood.stdout.readline() == b"held\n"
        held = [machine.connect() for _number in range(20)]
        assert all(served(sock) for sock in held)
        flood.kill()
    for sock in held:
        sock.close()
    assert machine.kernel().keys() == {"203.0.113.9"}


def served(sock: socket.socket) -> bool:
    sock.sendall(STATUS)
    with sock.makefile("rb") as answers:
        return bool(json.loads(answers.readline())["ok"])
