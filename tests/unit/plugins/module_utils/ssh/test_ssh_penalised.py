# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom sshd turned away, from its lines in the journal. The first three are recorded, but for the addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import info
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.penalties import parse_penalised

IDLE = "connections without attempting authentication"
DROPPED = "drop connection #0 from [{}]:47756 on [192.0.2.1]:22 penalty: {}"
ACTIVATED = "srclimit_penalise: {}: activating ipv6 penalty of 16 seconds for penalty: {}"
DEFERRED = "srclimit_penalise: ipv4: new {}/32 deferred penalty of 1 seconds for penalty: {}"
NEW = "srclimit_penalise: ipv4: new {} active penalty of 90 seconds for penalty: {}"
AT = 1795725606


def entry(message: Any, at: int = AT, **more: Any) -> str:
    return json.dumps({"MESSAGE": message, "__REALTIME_TIMESTAMP": "{}588698".format(at), "_BOOT_ID": "x", **more})


def test_an_address_has_its_newest_reason_and_moment() -> None:
    lines = [
        entry(DROPPED.format("203.0.113.9", "failed authentication"), AT + 60),
        entry(DROPPED.format("203.0.113.9", IDLE)),
        entry(ACTIVATED.format("2001:db8::9/128", IDLE)),
        entry(NEW.format("198.51.100.0/24", "caused crash")),
    ]
    assert parse_penalised(lines) == [
        {"address": "203.0.113.9", "reason": "failed authentication", "count": 2, "last": "2026-11-26T20:41:06Z"},
        {"address": "2001:db8::9", "reason": IDLE, "count": 1, "last": "2026-11-26T20:40:06Z"},
        {"address": "198.51.100.0/24", "reason": "caused crash", "count": 1, "last": "2026-11-26T20:40:06Z"},
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        entry(None),
        entry([100, 114, 111, 112]),  # what is not UTF-8 comes as numbers
        entry(DEFERRED.format("203.0.113.9", IDLE)),
        entry("drop connection #10 from [203.0.113.9]:1 on [192.0.2.1]:22 past MaxStartups"),
        entry("Invalid user " + DROPPED.format("203.0.113.9", IDLE)),
        entry(DROPPED.format("203.0.113.9", IDLE) + "\n"),
        entry(DROPPED.format("203.0.113.9", IDLE) + " from 203.0.113.8"),
        entry(DROPPED.format("203.0.113.999", IDLE)),
        entry(DROPPED.format("::ffff", "<script>")),
        entry(NEW.format("198.51.100.7/24", IDLE)),  # sshd writes no host bits
        entry(NEW.format("198.51.100.0/33", IDLE)),
        entry(DROPPED.format("203.0.113.9", IDLE), __REALTIME_TIMESTAMP="soon"),
        entry(DROPPED.format("203.0.113.9", IDLE), __REALTIME_TIMESTAMP="9" * 40),
    ],
)
def test_what_is_not_sshds_sentence_is_nobody(line: str) -> None:
    assert parse_penalised([line]) == []


def test_a_flood_of_addresses_is_told_in_part() -> None:
    lines = [entry(DROPPED.format("2001:db8::{:x}".format(number), IDLE)) for number in range(1, 151)]
    told = parse_penalised([*lines, lines[0]])
    assert (len(told), told[0]["address"], told[0]["count"]) == (100, "2001:db8::1", 2)


class Journal:
    """A journal that is asked, or refuses."""

    def __init__(self, text: str, rc: int = 0) -> None:
        self.asked: list[list[str]] = []
        self._answer = (rc, text, "")

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        self.asked.append(argv)
        return self._answer


KNOWN = {"persourcepenalties": ["authfail:5 min:15"], "persourcepenaltyexemptlist": ["192.0.2.7,2001:db8::/64"]}


def test_only_roots_own_sshd_is_believed_and_only_of_late() -> None:
    journal = Journal(entry(DROPPED.format("203.0.113.9", IDLE)) + "\n")
    told = info._penalties(journal, KNOWN)
    assert [row["address"] for row in told["penalised"]] == ["203.0.113.9"]
    assert (told["known"], told["enabled"], told["exempt"]) == (True, True, ["192.0.2.7", "2001:db8::/64"])
    [argv] = journal.asked
    assert {"_UID=0", "_COMM=sshd", "_COMM=sshd-session", "--since=-10min", "--reverse"} <= set(argv)
    assert argv[0] == "timeout" and any(word.startswith("--lines=") for word in argv)


def test_without_penalties_or_a_journal_nobody_is_told() -> None:
    journal = Journal("")
    assert info._penalties(journal, {})["penalised"] == []
    assert journal.asked == []  # before OpenSSH 9.8 there is nothing to look for
    assert info._penalties(Journal("Failed to open the journal", rc=1), KNOWN)["penalised"] == []
