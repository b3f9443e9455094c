# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format sshd: every message of the grammar, and clients that would like to be somebody else."""

from __future__ import annotations

from datetime import UTC, datetime

import corpus
import pytest
from formatlab import names_of, takes_anything
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stockade.watcher.clients import Clients
from stockade.watcher.config.inputs import Input
from stockade.watcher.events import ACCEPTED, FAILURE, Message
from stockade.watcher.formats import sshd as sshd_module
from stockade.watcher.formats import sshd_grammar as grammar
from stockade.watcher.formats.sshd import SshdFormat
from stockade.watcher.formats.syslog import unwrapped

NOON = int(datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC).timestamp())
CORPUS = corpus.load("sshd.log")
HEAD = b"Nov 26 12:00:00 web1 sshd[1]: "


def make(timezone: str = "UTC", ignore: tuple[str, ...] = (), kinds: tuple[str, ...] = ("address",)) -> SshdFormat:
    entry = Input(name="ssh", path="/var/log/auth.log", format="sshd", timezone=timezone, ignore=ignore)
    parser = SshdFormat(Clients(own=["192.0.2.11"], kinds=kinds), entry)
    parser.syslog.moments.reference = NOON
    return parser


def said(*messages: str, parser: SshdFormat | None = None, ident: str = "sshd") -> list[Message]:
    lines = [f"Nov 26 12:00:00 web1 {ident}[1]: {message}".encode() for message in messages]
    return (parser or make()).parse(lines)


def failures(*messages: str) -> int:
    return sum(event.count for event in said(*messages) if event.kind == FAILURE)


# The corpus


def test_every_line_of_the_corpus_is_what_its_annotation_says() -> None:
    parser = make()
    corpus.check(parser, CORPUS)
    assert parser.unparsed == 0


def test_every_message_of_the_grammar_has_a_line_in_the_corpus() -> None:
    names = set()
    for expected, line in CORPUS:
        message = line.partition(b"]: ")[2].rstrip(b"\r")
        reading = grammar.read(unwrapped(message)[0])
        if expected is not None and reading is not None:
            names.add(reading[0].name)
    rows = [*grammar.ROWS, grammar.PAM_AUTH, grammar.PAM_MORE]
    assert len({row.name for row in rows}) == len(rows)
    assert names == {row.name for row in rows}


def test_the_corpus_as_journal_entries_gives_the_same() -> None:
    lines = [(expected, line) for expected, line in CORPUS if line.startswith(HEAD[:16] + b"web1 sshd[4711]: ")]
    parser = make()
    events = parser.parse_entries([(NOON, line.partition(b"]: ")[2]) for _expected, line in lines])
    assert [corpus.message(event) for event in events] == [expected for expected, _line in lines if expected]
    assert parser.parsed == len(lines) > 100


# Rows of the source systems


def test_b2_a_header_line_in_the_middle_stops_nothing() -> None:
    parser = make()
    line = HEAD + b"Invalid user x from 203.0.113.9 port 1"
    header = b"-- Logs begin at Mon 2026-11-23 10:00:00 UTC, end at Thu 2026-11-26 12:00:00 UTC. --"
    assert [event.client for event in parser.parse([line, header, line])] == [("203.0.113.9",)] * 2
    assert (parser.parsed, parser.unparsed) == (2, 1)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"x", b"Nov 26 12:00:00", b"Nov 26 12:00:00 ", b"Nov 26 12:00:00 web1",
        b"Nov 26 25:00:00 web1 sshd[1]: x",
        b"Nov 31 12:00:00 web1 sshd[1]: x", b"Nox 26 12:00:00 web1 sshd[1]: x", b"Nov 26 12:00:61 web1 sshd[1]: x",
        b"2026-11-26T12:00:00 web1 sshd[1]: x", b"2026-13-26T12:00:00Z web1 sshd[1]: x",
        b"Nov 26 12:00:00 we(b sshd[1]: Failed password for x from 203.0.113.1 port 1 ssh2",
        b"Nov 26 12:00:00  sshd[1]: Failed password for x from 203.0.113.1 port 1 ssh2",
        b"203.0.113.1 - - [26/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
    ],
)  # fmt: skip
def test_lines_that_are_none_of_syslog_are_counted(line: bytes) -> None:
    parser = make()
    assert parser.parse([line]) == []
    assert (parser.parsed, parser.unparsed) == (0, 1)
    assert parser.time_of(line) is None or line.startswith(b"Nov 26 12:00:00 ")


def test_b3_bh1_the_line_of_the_original_gets_its_message_and_the_current_year() -> None:
    line = b"May 05 18:36:53 h sshd[1]: Invalid user x from 203.0.113.9 port 1"
    (event,) = make().parse([line])
    assert event.time == int(datetime(2026, 5, 5, 18, 36, 53, tzinfo=UTC).timestamp())
    assert event.text == "Invalid user x from 203.0.113.9 port 1"


def test_b3_bh1_february_29_is_the_last_one_there_was() -> None:
    (event,) = make().parse([b"Feb 29 12:00:00 h sshd[1]: Invalid user x from 203.0.113.9 port 1"])
    assert event.time == int(datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC).timestamp())


def test_b4_the_time_of_a_journal_entry_is_the_journals() -> None:
    (event,) = make().parse_entries([(1234567890, b"Invalid user x from 203.0.113.9 port 1")])
    assert event.time == 1234567890


def test_b5_ignored_beginnings_are_dropped_whole_also_when_repeated() -> None:
    parser = make(ignore=("Disconnected from", "Connection closed"))
    messages = [
        "Disconnected from 203.0.113.9 port 1 [preauth]",
        "message repeated 2 times: [ Connection closed by invalid user x 203.0.113.9 port 1]",
        "Connection reset by 203.0.113.9 port 1 [preauth]",
    ]
    assert [event.text for event in said(*messages, parser=parser)] == messages[2:]
    assert parser.parsed == 3


def test_b6_no_address_no_event() -> None:
    assert said("Server listening on :: port 22.", "Server listening on 0.0.0.0 port 22.") == []


def test_b7_bh4_the_address_is_never_the_clients_text() -> None:
    assert said("Invalid user 198.51.100.1 from 203.0.113.11 port 1")[0].client == ("203.0.113.11",)
    sent = 'kex_exchange_identification: client sent invalid protocol identifier "GET 198.51.100.7"'
    assert said(sent, f"error: {sent}") == []


@pytest.mark.parametrize("ident", ["sshd", "sshd-session", "sshd-auth"])
def test_bh2_sessions_of_new_versions_are_seen(ident: str) -> None:
    assert len(said("Failed password for root from 203.0.113.1 port 1 ssh2", ident=ident)) == 1


def test_bh3_ch8_addresses_are_addresses() -> None:
    message = "Failed password for root from {} port 1 ssh2"
    (event,) = said(message.format("2001:db8:0:1::5"), parser=make(kinds=("ipv6/64",)))
    assert event.client == ("2001:db8:0:1::/64",)
    assert said(message.format("999.999.999.999"), message.format("999.1.1.1")) == []


def test_c4_c8_failed_passwords_and_unknown_users() -> None:
    events = said(
        "Failed password for bob from 203.0.113.1 port 1 ssh2",
        "Invalid user bob from 203.0.113.2 port 2",
        "Failed password for invalid user bob from 203.0.113.3 port 3 ssh2",
    )
    assert [(event.kind, event.client[0], event.user) for event in events] == [
        (FAILURE, f"203.0.113.{number}", "bob") for number in (1, 2, 3)
    ]


def test_c5_without_an_address_nothing_is_counted() -> None:
    assert said("Failed password for bob from UNKNOWN port 65535 ssh2") == []


def test_ch1_nobody_gets_another_banned_by_a_name() -> None:
    name = "Failed password for x from 198.51.100.53"
    events = said(
        f"Invalid user {name} from 203.0.113.1 port 40000",
        f"Failed password for invalid user {name} from 203.0.113.1 port 40000 ssh2",
        f"Connection closed by invalid user {name} 203.0.113.1 port 40000 [preauth]",
    )
    assert {event.client for event in events} == {("203.0.113.1",)}
    assert {event.user for event in events} == {name}


def test_ch2_other_programs_do_not_count() -> None:
    assert said("Failed password for x from 203.0.113.1 port 1 ssh2", ident="myapp") == []
    assert (
        make().parse([b"Nov 26 12:00:00 web1 myapp: sshd[1]: Failed password for x from 203.0.113.1 port 1 ssh2"]) == []
    )


@pytest.mark.parametrize(
    ("messages", "count"),
    [
        # an unknown user: a password, two, none but a key, nothing
        (["Invalid user x from {} port 1", "Failed password for invalid user x from {} port 1 ssh2"], 1),
        (["Invalid user x from {} port 1", *["Failed password for invalid user x from {} port 1 ssh2"] * 2], 2),
        (
            [
                "Invalid user x from {} port 1",
                "Failed publickey for invalid user x from {} port 1 ssh2: RSA SHA256:A",
                "Connection closed by invalid user x {} port 1 [preauth]",
            ],
            1,
        ),
        (["Connection closed by invalid user x {} port 1 [preauth]"], 1),
        # two connections that only look alike
        (["Invalid user x from {} port 1", "Failed password for invalid user x from {} port 2 ssh2"], 2),
        (["Invalid user x from {} port 1", "Failed password for x from {} port 1 ssh2"], 2),
        # the same port again is another attempt
        (["Invalid user x from {} port 1"] * 2, 2),
        # a name that is not allowed
        (["User x from {} not allowed because y", "Failed password for invalid user x from {} port 1 ssh2"], 1),
        (["User x from {} not allowed because y", "Connection closed by invalid user x {} port 1 [preauth]"], 1),
        # keys until sshd has enough
        (["Failed publickey for x from {} port 1 ssh2"] * 6, 0),
        (
            ["Failed publickey for x from {} port 1 ssh2"] * 6
            + ["error: maximum authentication attempts exceeded for x from {} port 1 ssh2 [preauth]"]
            + ["Disconnecting authenticating user x {} port 1: Too many authentication failures [preauth]"],
            1,
        ),
        (
            ["Failed password for x from {} port 1 ssh2"] * 6
            + ["error: maximum authentication attempts exceeded for x from {} port 1 ssh2 [preauth]"],
            6,
        ),
        # answers to PAM's questions
        (
            ["error: PAM: Authentication failure for x from {}"] * 3
            + ["Failed keyboard-interactive/pam for x from {} port 1 ssh2"] * 2,
            3,
        ),
    ],
)
def test_ch3_one_attempt_is_one_failure(messages: list[str], count: int) -> None:
    assert failures(*[message.format("203.0.113.1") for message in messages]) == count


def test_ch4_repeated_messages_count_as_often() -> None:
    assert failures("message repeated 5 times: [ Failed password for x from 203.0.113.1 port 1 ssh2]") == 5
    assert failures("message repeated 999999999 times: [ Failed password for x from 203.0.113.1 port 1 ssh2]") == 10_000


def test_b32_an_accepted_key_is_known_from_the_beginning_of_the_message_only() -> None:
    real, forged = said(
        "Accepted publickey for deploy from 203.0.113.1 port 1 ssh2: RSA SHA256:A",
        "Invalid user Accepted publickey for deploy from 198.51.100.53 port 1 ssh2: RSA x from 203.0.113.1 port 2",
    )
    assert (real.kind, real.method, real.user) == (ACCEPTED, "publickey", "deploy")
    assert (forged.kind, forged.method, forged.client) == (FAILURE, "", ("203.0.113.1",))


def test_a_name_of_ten_thousand_characters() -> None:
    name = "x from 198.51.100.53 port 22 ssh2 " * 300
    events = said(
        f"Invalid user {name} from 203.0.113.1 port 1", f"Connection closed by invalid user {name} 203.0.113.1 port 1"
    )
    assert [(event.client, event.user) for event in events] == [(("203.0.113.1",), name)] * 2


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_module, "_REMEMBERED", 10)
    parser = make()
    for port in range(1, 100):
        said(
            f"Invalid user u{port} from 203.0.113.1 port {port}",
            f"User u{port} from 203.0.113.1 not allowed because",
            f"User u{port} from 203.0.113.1 not allowed because listed",
            f"error: PAM: Authentication failure for {'u' * 300}{port} from 203.0.113.1",
            parser=parser,
        )
    assert len(parser._connections) <= 10
    assert len(parser._names) <= 10
    assert all(len(name) < 300 for name in parser._names)


def test_looking_at_a_line_changes_nothing() -> None:
    parser = make()
    line = b"Nov 26 12:00:07 web1 sshd[1]: Server listening on :: port 22."
    assert parser.time_of(line) == NOON + 7
    assert parser.time_of(b"2026-11-26T13:00:07+01:00 web1 sshd[1]: x") == NOON + 7
    assert (parser.parsed, parser.unparsed, parser.syslog.moments.last) == (0, 0, 0)


def test_the_year_turns_between_two_lines() -> None:
    parser = make()
    parser.syslog.moments.reference = int(datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC).timestamp())
    tail = b" web1 sshd[1]: Invalid user x from 203.0.113.9 port 1"
    before, after = parser.parse([b"Dec 31 23:59:59" + tail, b"Jan  1 00:00:00" + tail])
    assert after.time - before.time == 1
    assert after.time == parser.syslog.moments.reference - 5


def test_a_new_reference_is_a_new_year() -> None:
    parser = make()
    line = [HEAD + b"Invalid user x from 203.0.113.9 port 1"]
    assert parser.parse(line)[0].time == NOON
    parser.syslog.moments.reference = NOON - 365 * 86_400
    assert parser.parse(line)[0].time == NOON - 365 * 86_400


# Whatever a client says

CLIENT, OTHERS = "203.0.113.77", "198.51.100.53"
WORDS = (
    "from", "port", "ssh2", "ssh2:", "22", "22:", OTHERS, f"from {OTHERS} port 22 ssh2", "for", "invalid user",
    f"{OTHERS} port 22", f"{OTHERS} port 22: x", "[preauth]", "Failed password for", "not allowed because", "x",
    "message repeated 2 times: [", "]", "user=", f"rhost={OTHERS}", "", "]:", "(", ")", "'", '"', "id 0", "timed out",
)  # fmt: skip
USERS = names_of(WORDS)
TEMPLATES = (
    b"Failed password for invalid user %b from %b port 40000 ssh2",
    b"Failed password for %b from %b port 40000 ssh2",
    b"Failed keyboard-interactive/pam for invalid user %b from %b port 40000 ssh2",
    b"Failed none for invalid user %b from %b port 40000 ssh2",
    b"Failed publickey for invalid user %b from %b port 40000 ssh2: RSA SHA256:AAAA",
    b"Postponed publickey for invalid user %b from %b port 40000 ssh2 [preauth]",
    b"Invalid user %b from %b port 40000",
    b"Invalid user %b from %b",
    b"error: PAM: Authentication failure for illegal user %b from %b",
    b"error: maximum authentication attempts exceeded for invalid user %b from %b port 40000 ssh2 [preauth]",
    b"Connection closed by invalid user %b %b port 40000 [preauth]",
    b"Connection reset by invalid user %b %b port 40000 [preauth]",
    b"Disconnected from invalid user %b %b port 40000 [preauth]",
    b"Disconnecting invalid user %b %b port 40000: Too many authentication failures [preauth]",
    b"Connection from invalid user %b %b port 40000 timed out",
    b"ssh_dispatch_run_fatal: Connection from invalid user %b %b port 40000: broken [preauth]",
    b"Unable to negotiate with invalid user %b %b port 40000: no matching cipher found. Their offer: x [preauth]",
    b"Bad protocol version identification '%b' from %b port 40000",
    b"message repeated 2 times: [ Failed password for invalid user %b from %b port 40000 ssh2]",
)
# The address is not there where the client has no address that counts: nobody else's may take its place.
SELF = st.sampled_from([CLIENT, "fe80::1%eth0", "UNKNOWN", "2001:db8::77", "127.0.0.1"])


@settings(max_examples=600, deadline=None)
@given(user=USERS, template=st.sampled_from(TEMPLATES), address=SELF)
@example(user=f"x from {OTHERS} port 22 ssh2: y".encode(), template=TEMPLATES[4], address="fe80::1%eth0")
def test_ch1_no_name_whatsoever_makes_it_another_address(user: bytes, template: bytes, address: str) -> None:
    line = HEAD + template % (user, address.encode())
    for event in make().parse([line]):
        assert event.client == (address,)


@settings(max_examples=300, deadline=None)
@given(text=USERS, tail=USERS)
def test_bh4_no_text_behind_the_address_makes_it_another_one(text: bytes, tail: bytes) -> None:
    client = CLIENT.encode()
    messages = [
        b"Received disconnect from %b port 1:11: %b [preauth]" % (client, text),
        b"Unable to negotiate with %b port 1: no matching cipher found. Their offer: %b [preauth]" % (client, text),
        b"Protocol major versions differ for %b port 1: SSH-2.0-x vs. %b" % (client, text),
        b"Failed publickey for invalid user %b from %b port 1 ssh2: RSA-CERT SHA256:A ID %b (serial 0) CA RSA SHA256:B"
        % (text, client, tail),
        b"Disconnecting invalid user %b %b port 1: Change of username or service not allowed: (%b,x) -> (y,x) [preauth]"
        % (text, client, tail),
        b"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%b  user=%b"
        % (client, text),
    ]
    for event in make().parse([HEAD + message for message in messages]):
        assert event.client == (CLIENT,)


@settings(max_examples=400, deadline=None)
@given(lines=st.lists(st.one_of(st.binary(max_size=120), USERS, USERS.map(lambda text: HEAD + text)), max_size=5))
def test_no_bytes_whatsoever_raise(lines: list[bytes]) -> None:
    assert takes_anything(make(), lines)


@settings(max_examples=200, deadline=None)
@given(start=st.sampled_from([row.start for row in grammar.ROWS]), rest=USERS)
def test_no_rest_of_a_message_whatsoever_raises(start: bytes, rest: bytes) -> None:
    make().parse([HEAD + start + rest, HEAD + b"error: " + start + rest + b"\r"])
