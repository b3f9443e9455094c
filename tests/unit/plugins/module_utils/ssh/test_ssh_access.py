# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the operator still gets in."""

from __future__ import annotations

import base64
import os
import pwd
import struct
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import (
    Account,
    Connection,
    Proof,
    ways_in,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.host import find_account
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys

CONNECTION = Connection("operator", "198.51.100.7", "203.0.113.1", "22")
NOW = "20261120120000"


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(struct.pack(">I", len(field)) + field for field in fields)).decode()


def rsa(bits: int) -> str:
    modulus = (1 << (bits - 1)) | 1
    return "ssh-rsa " + blob(b"ssh-rsa", b"\x01\x00\x01", modulus.to_bytes(bits // 8 + 1, "big"))


ED25519 = "ssh-ed25519 " + blob(b"ssh-ed25519", bytes(32))


def closed(
    keys: str = ED25519,
    *,
    effective: dict[str, str] | None = None,
    name: str = "operator",
    uid: int = 1000,
    password: bool = False,
    locked: bool = False,
) -> str:
    """Why nothing is open, or "" if something is. Values are those of a hardened host unless given."""
    values = {"pubkeyauthentication": "yes", "passwordauthentication": "no", "kbdinteractiveauthentication": "no"}
    values.update({"usepam": "yes", "permitrootlogin": "no"}, **(effective or {}))
    account = Account(name, uid, ("operator", "sudo"), password, locked, tuple(parse_authorized_keys(keys)))
    ways = ways_in({k: [v] for k, v in values.items()}, account, CONNECTION, now=NOW)
    return "" if ways.open else "; ".join(ways.closed)


def test_a_key_gets_in() -> None:
    assert closed() == ""


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("", "no usable authorized key; passwords are off"),
        ("# ssh-ed25519 AAAA\n\nnonsense\nssh-ed25519 ???", "no usable authorized key; passwords are off"),
        (rsa(2048), "2048 bits and RequiredRSASize is 3072"),
        ('from="203.0.113.0/24" ' + ED25519, "only good from 203.0.113.0/24"),
        ('from="!198.51.100.7,*" ' + ED25519, "only good from"),
        ('expiry-time="20261119" ' + ED25519, "expired on 20261119"),
        ('expiry-time="20261120" ' + ED25519, "expired on 20261120"),  # at its first second
        ('expiry-time="202611201159" ' + ED25519, "expired on 20261120"),
        ('from="198.51.100.7/24" ' + ED25519, "only good from"),  # host bits: sshd takes the whole list for none
        ('from="198.51.100.*,192.0.2.1/24" ' + ED25519, "only good from"),
        ("cert-authority,no-pty " + ED25519, "certificate authority"),
        ("command=\"echo 'Please login as x';echo;exit 142\" " + ED25519, "forced command"),
        ('restrict,command="rrsync -ro \\"/a b\\"" ' + ED25519, "forced command"),
        ('command="true" ' + ED25519 + "\n" + ED25519, "forced command"),
    ],
)
def test_a50_e13_keys_that_do_not_count(keys: str, reason: str) -> None:
    assert reason in closed(keys, effective={"requiredrsasize": "3072"})


@pytest.mark.parametrize(
    "keys",
    [
        rsa(3072),
        'environment="A=\\"command b\\"",no-pty ' + ED25519 + " comment with words",
        'from="198.51.100.*" ' + ED25519,
        'expiry-time="20261121" ' + ED25519,
        'expiry-time="20261120120001" ' + ED25519,
        'expiry-time="202611201201Z" ' + ED25519,
        'from="192.0.2.0/24,198.51.100.0/24" ' + ED25519,
        rsa(1024) + "\n" + ED25519,
    ],
)
def test_keys_that_count(keys: str) -> None:
    assert closed(keys, effective={"requiredrsasize": "3072"}) == ""


def test_addresses_are_compared_by_what_they_are() -> None:
    """sshd reads an address where it can, so it may be written in any way."""
    effective = {"pubkeyauthentication": ["yes"], "passwordauthentication": ["no"]}
    account = Account("operator", 1000, (), False, False, tuple(parse_authorized_keys(ED25519)))
    for pattern, opens in (("2001:DB8:0::7", True), ("2001:db8::8", False), ("2001:db8::/48", True)):
        wanted = dict(effective, allowusers=["operator@" + pattern])
        ways = ways_in(wanted, account, Connection("operator", "2001:db8::7"), now=NOW)
        assert bool(ways.open) is opens, pattern


def test_key_type_not_accepted() -> None:
    assert "not in PubkeyAccepted" in closed(effective={"pubkeyacceptedalgorithms": "rsa-sha2-512"})
    assert closed(rsa(3072), effective={"pubkeyacceptedalgorithms": "rsa-sha2-512"}) == ""
    # OpenSSH before 8.5 has the older name
    assert "not in PubkeyAccepted" in closed(effective={"pubkeyacceptedkeytypes": "rsa-sha2-512"})


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("allowusers", "bob alice", "AllowUsers bob alice leaves operator out"),
        ("allowusers", "operator@203.0.113.*", "leaves operator out"),
        ("denyusers", "oper*", "DenyUsers oper* names operator"),
        ("allowgroups", "wheel", "AllowGroups wheel holds no group"),
        ("denygroups", "sudo", "DenyGroups sudo names a group"),
        ("authenticationmethods", "publickey,password", "asks for more than a key"),
        ("pubkeyauthentication", "no", "PubkeyAuthentication is off"),
        ("forcecommand", "internal-sftp", "ForceCommand 'internal-sftp' runs instead"),
    ],
)
def test_e14_eh7_shut_out(keyword: str, value: str, reason: str) -> None:
    assert reason in closed(effective={keyword: value})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("allowusers", "bob oper?tor"),
        ("allowusers", "operator@198.51.100.0/24"),
        ("allowgroups", "wheel s*"),
        ("denyusers", "operator@203.0.113.*"),
        ("authenticationmethods", "publickey keyboard-interactive"),
    ],
)
def test_let_in(keyword: str, value: str) -> None:
    assert closed(effective={keyword: value}) == ""


@pytest.mark.parametrize(
    ("permit", "reason"),
    [("no", "shuts out root"), ("forced-commands-only", "shuts out root"), ("without-password", ""), ("yes", "")],
)
def test_root(permit: str, reason: str) -> None:
    found = closed(name="root", uid=0, effective={"permitrootlogin": permit})
    assert reason in found
    assert bool(reason) == bool(found)


def test_passwords() -> None:
    on = {"passwordauthentication": "yes"}
    assert closed("", effective=on, password=True) == ""
    assert "operator has no password" in closed("", effective=on)
    keys_only = {**on, "permitrootlogin": "without-password"}
    assert "root may not use a password" in closed("", name="root", uid=0, password=True, effective=keys_only)
    assert closed("", effective={"kbdinteractiveauthentication": "yes"}, password=True) == ""


def test_a_locked_password_without_pam_refuses_keys_too() -> None:
    assert "is locked" in closed(locked=True, effective={"usepam": "no"})
    assert closed(locked=True) == ""


def test_connection_spec() -> None:
    assert CONNECTION.spec == "user=operator,host=198.51.100.7,addr=198.51.100.7,laddr=203.0.113.1,lport=22"
    assert Connection("operator").spec == "user=operator"


def test_a_forced_command_that_this_run_came_through_is_no_obstacle() -> None:
    keys = tuple(parse_authorized_keys('command="audit-shell" ' + ED25519))
    account = Account("operator", 1000, (), False, False, keys)
    values = {"pubkeyauthentication": ["yes"], "passwordauthentication": ["no"], "forcecommand": ["wrap"]}
    proof = Proof(keys[0].fingerprint, "wrap")
    assert ways_in(values, account, CONNECTION, now=NOW, proof=proof).usable == list(keys)
    assert not ways_in(values, account, CONNECTION, now=NOW, proof=Proof("SHA256:x", "wrap")).open
    assert not ways_in(values, account, CONNECTION, now=NOW, proof=Proof(keys[0].fingerprint, "other")).open


def revoking(**more: object) -> str:
    account = Account("operator", 1000, (), False, False, tuple(parse_authorized_keys(ED25519)), **more)
    ways = ways_in({"pubkeyauthentication": ["yes"], "passwordauthentication": ["no"]}, account, CONNECTION, now=NOW)
    return "" if ways.open else "; ".join(ways.closed)


def test_revoked_keys_count_no_more() -> None:
    fingerprint = parse_authorized_keys(ED25519)[0].fingerprint
    assert revoking(revoked=frozenset([fingerprint])).startswith("no usable authorized key: RevokedKeys names it")
    assert revoking(revoked=frozenset(["SHA256:another"])) == ""


def test_a_list_of_revoked_keys_that_cannot_be_read_refuses_all() -> None:
    assert revoking(all_revoked="RevokedKeys /x cannot be read").startswith("RevokedKeys /x cannot be read")


def test_what_the_host_knows_of_revoked_keys(tmp_path: Path) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    revoked = tmp_path / "revoked"

    def known(value: str) -> Account:
        return find_account(name, {"revokedkeys": [value], "authorizedkeysfile": ["none"]})

    assert known("none") == find_account(name, {"authorizedkeysfile": ["none"]})
    assert (
        known(str(revoked)).all_revoked
        == f"RevokedKeys {revoked} cannot be read (No such file or directory), which refuses every key"
    )
    revoked.write_text("# gone\n" + ED25519 + " laptop\n")
    assert known(str(revoked)).revoked == {parse_authorized_keys(ED25519)[0].fingerprint}
    assert not known(str(revoked)).all_revoked
    revoked.write_bytes(b"SSHKRL\n\x00" + bytes(40))
    assert not known(str(revoked)).revoked and not known(str(revoked)).all_revoked
