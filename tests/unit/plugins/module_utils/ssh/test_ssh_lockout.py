# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes shut out the operator, and how the way in that is in use is found."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Account, Connection, ways_in
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.lockout import judge
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.used import Used, find_used

CONNECTION = Connection("operator", "198.51.100.7", "203.0.113.1", "22", "40022")
# ssh-keygen -lf said so.
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMADE/VsinGmylAqVioT/Ezmeq9RjDtFsbXEixHxhn/3 colleague"
PRINT = "SHA256:ihV/n4cTlOII0pArDimBrHlw4+IkDh2fOCkIzQyN3kg"
LINE = "Accepted publickey for operator from 198.51.100.7 port 40022 ssh2: ED25519 " + PRINT


def rsa(bits: int) -> str:
    fields = (b"ssh-rsa", b"\x01\x00\x01", ((1 << (bits - 1)) | 1).to_bytes(bits // 8 + 1, "big"))
    return "ssh-rsa " + base64.b64encode(b"".join(struct.pack(">I", len(f)) + f for f in fields)).decode()


RSA = rsa(2048) + " controller\x1b[2J"
RSA_PRINT = parse_authorized_keys(RSA)[0].fingerprint
ON = {"pubkeyauthentication": "yes", "passwordauthentication": "yes", "requiredrsasize": "1024"}
HARD = {**ON, "passwordauthentication": "no", "requiredrsasize": "3072"}


def judged(
    keys: str,
    used: Used | None,
    *,
    password: bool = False,
    now: dict[str, str] | None = None,
    then: dict[str, str] | None = None,
) -> tuple[str, list[str]]:
    now, then = now or ON, then or HARD
    parsed = tuple(parse_authorized_keys(keys, "/home/operator/.ssh/authorized_keys"))
    account = Account("operator", 1000, (), password, False, parsed)
    before, after = (
        ways_in({k: [v] for k, v in values.items()}, account, CONNECTION, now="20261120120000")
        for values in (now, then)
    )
    return judge(before, after, used, "operator", {k: [v] for k, v in then.items()})


def test_fingerprint() -> None:
    assert parse_authorized_keys(PUBLIC)[0].fingerprint == PRINT


@pytest.mark.parametrize("used", [Used("publickey", RSA_PRINT), None])
def test_the_key_in_use_or_perhaps_in_use_is_shut_out(used: Used | None) -> None:
    refusal, _warnings = judged("\n" + RSA + "\n" + PUBLIC, used)
    assert ("is logged in with would not work" in refusal) == (used is not None)
    assert "ssh-rsa (2048 bits, comment 'controller\\x1b[2J', SHA256:" in refusal
    assert "/home/operator/.ssh/authorized_keys:2): an RSA key has 2048 bits and RequiredRSASize is 3072" in refusal
    assert "settings: {RequiredRSASize: 2048}" in refusal
    assert PRINT not in refusal


def test_other_peoples_keys_are_a_warning() -> None:
    refusal, warnings = judged(RSA + "\n" + PUBLIC, Used("publickey", PRINT))
    assert refusal == ""
    assert len(warnings) == 1 and RSA_PRINT in warnings[0] and PRINT not in warnings[0]


@pytest.mark.parametrize("used", [Used("publickey", PRINT), None])
def test_one_good_key_goes_on(used: Used | None) -> None:
    assert judged(PUBLIC, used) == ("", [])


@pytest.mark.parametrize("used", [Used("password"), Used("publickey", PRINT), None])
def test_only_a_forced_command_is_left(used: Used | None) -> None:
    refusal, _warnings = judged('restrict,command="rrsync /srv" ' + PUBLIC, used, password=True)
    assert "operator would not get in again" in refusal and "forced command" in refusal
    assert PRINT + ", /home/operator/.ssh/authorized_keys:1)" in refusal and "add a key of operator" in refusal


def test_password_in_use() -> None:
    refusal, _warnings = judged(PUBLIC, Used("password"), password=True)
    assert "is logged in with a password" in refusal and "log in with the key once" in refusal
    assert judged(PUBLIC, Used("keyboard-interactive"), password=True, then={**HARD, **ON}) == ("", [])
    assert "passwords would go off" in judged(PUBLIC, None, password=True)[0]
    assert judged(PUBLIC, Used("publickey", PRINT), password=True) == ("", [])


def test_ways_that_cannot_be_judged() -> None:
    with_command = {**ON, "authorizedkeyscommand": "/usr/bin/keys"}
    used = Used("publickey", "SHA256:elsewhere")
    assert "authorizedkeyscommand" in judged(PUBLIC, used, now=with_command)[0]
    assert judged(PUBLIC, used, now=with_command, then=with_command) == ("", [])
    assert "gssapi-with-mic, which would go off" in judged(PUBLIC, Used("gssapi-with-mic"))[0]
    assert judged(PUBLIC, Used("gssapi-with-mic"), then={**HARD, "gssapiauthentication": "yes"}) == ("", [])


def test_keys_off_or_elsewhere_name_the_setting() -> None:
    off = {**ON, "pubkeyauthentication": "no"}
    assert "PubkeyAuthentication is off" in judged(PUBLIC, Used("password"), password=True, then=off)[0]
    sized = {**HARD, "pubkeyacceptedalgorithms": "rsa-sha2-512"}
    refusal = judged(PUBLIC + "\n" + rsa(4096), None, then=sized)[0]
    assert "settings: {PubkeyAcceptedAlgorithms: null}" in refusal


class Journal:
    """journalctl with one answer."""

    def __init__(self, rc: int, out: str) -> None:
        self.argv: list[str] = []
        self._answer = rc, out, ""

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        self.argv = argv
        return self._answer


@pytest.mark.parametrize(
    ("line", "used"),
    [
        (LINE, Used("publickey", PRINT)),
        (LINE.partition(":")[0].replace("publickey", "password"), Used("password")),
        (LINE.partition(":")[0].replace("publickey", "keyboard-interactive/pam"), Used("keyboard-interactive")),
        (LINE.replace("operator", "alice"), None),
        (LINE.replace("40022", "40023"), None),
        ("Failed password for " + LINE, None),
        ("", None),
    ],
)
def test_journal(line: str, used: Used | None) -> None:
    journal = Journal(0, line + "\n")
    assert find_used(journal, CONNECTION, logs=()) == used
    assert "--grep=^Accepted .* from 198\\.51\\.100\\.7 port 40022 " in journal.argv
    assert "_UID=0" in journal.argv and "--lines=1" in journal.argv and journal.argv[0] == "timeout"


def test_log_file_when_there_is_no_journal(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    logs = (str(tmp_path / "none"), str(log))
    log.write_text("Nov 20 10:00:00 gate sshd[7]: Invalid user x sshd[7]: " + LINE + "\n")
    assert find_used(Journal(1, ""), CONNECTION, logs=logs) is None
    log.write_text("2026-11-20T10:00:00.1+01:00 gate sshd-session[712]: " + LINE + "\nmore\n")
    assert find_used(Journal(127, ""), CONNECTION, logs=logs) == Used("publickey", PRINT)


def test_without_a_connection_nothing_is_asked() -> None:
    journal = Journal(0, LINE)
    assert find_used(journal, Connection("operator")) is None
    assert journal.argv == []
