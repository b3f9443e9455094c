# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one option asks of several keywords or of files beside the drop-in."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import extras, hostkeys, parse, plan
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import ConfigTree, Directive
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.matchblocks import MATCH, render_match
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.moduli import moduli, sizes
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.penalties import parse_penalties, render_penalties

V9_2, V9_8, V10_0, V10_3 = (parse.Version(*n, "OpenSSH_{}.{}p1".format(*n)) for n in ((9, 2), (9, 8), (10, 0), (10, 3)))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtRcwyOPtNsQ0bY3vHMfkmZ3gk0vY9v6QZ0bXyVqU4h ca@example"
ED25519, ECDSA = ("/etc/ssh/ssh_host_{}_key".format(kind) for kind in ("ed25519", "ecdsa"))
RSA = "/etc/ssh/ssh_host_rsa_key"
KNOWN = {"modulifile": ["/etc/ssh/moduli"], "hostkey": [RSA, ECDSA, ED25519]}


def rsa(bits: int) -> bytes:
    """A public key of so many bits; no prime stands behind it."""

    def part(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    modulus = b"\x00" + (1 << (bits - 1)).to_bytes(bits // 8, "big")
    return b"ssh-rsa " + base64.b64encode(part(b"ssh-rsa") + part(b"\x01\x00\x01") + part(modulus)) + b" root@host\n"


def primes(*bits: int) -> bytes:
    lines = "".join("20240828044144 2 6 100 {} 5 C2CE9B\n".format(count - 1) for count in bits)
    return ("# Time Type Tests Tries Size Generator Modulus\n" + lines).encode()


HOST = {
    ED25519 + ".pub": b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@host\n",
    ECDSA + ".pub": b"ecdsa-sha2-nistp256 AAAAE2VjZHNh root@host\n",
    RSA + ".pub": rsa(3072),
    "/etc/ssh/moduli": primes(2048, 3072, 4096),
    "/etc/pam.d/sshd": b"@include common-auth\naccount required pam_nologin.so\n",
    "/etc/pam.d/common-auth": b"auth [success=1 default=ignore] pam_unix.so nullok\n",
}
CODES = {"/etc/pam.d/sshd": b"@include common-auth\nauth required pam_google_authenticator.so # codes\n"}


def refuse(bits: int) -> tuple[bytes, bytes]:
    raise AssertionError("an RSA key of {} bits was made".format(bits))


def made(
    wish: dict[str, Any],
    *,
    version: parse.Version = V10_0,
    files: dict[str, bytes] | None = None,
    make: Callable[[int], tuple[bytes, bytes]] = refuse,
    **host: Any,
) -> extras.Extras:
    host.setdefault("known", KNOWN)
    facts = extras.Facts({**HOST, **(files or {})}.get, make, {"sudo": True, "sshusers": False}.get, **host)
    return extras.extras(plan.Wish(**{"profile": "none", **wish}), version, facts)


def test_nothing_is_asked_for_and_nothing_is_there() -> None:
    found = made({})
    assert found.settings == {}
    assert set(found.files.values()) == {None}
    assert found.warnings == []


def test_files_that_are_no_longer_asked_for_go_and_absent_leaves_none() -> None:
    old = extras.PRINCIPALS + "bob"
    wish = {"banner": "Go away.", "user_ca_keys": [KEY], "principals": {"alice": ["ops"]}}
    assert made(wish, present=[old]).files[old] is None
    files = made({**wish, "state": "absent"}, present=[old]).files
    assert set(files.values()) == {None}
    assert {old, MATCH, extras.BANNER, extras.MODULI, hostkeys.OWN_RSA} <= set(files)


@pytest.mark.parametrize(
    ("banner", "value", "content"),
    [
        ("Private.\nGo away.\n", extras.BANNER, b"Private.\nGo away.\n"),
        ("/etc/issue.net", "/etc/issue.net", None),
        ("none", "none", None),
        ("/bin and /sbin are watched", extras.BANNER, b"/bin and /sbin are watched\n"),
    ],
)
def test_banner_is_a_text_or_a_path(banner: str, value: str, content: bytes | None) -> None:
    found = made({"banner": banner}, files={"/etc/issue.net": b"x"})
    assert found.settings == {"Banner": value}
    assert found.files[extras.BANNER] == content


def test_banners_that_nobody_would_see() -> None:
    with pytest.raises(StockadeError, match="there is no such file"):
        made({"banner": "/etc/none"})
    with pytest.raises(StockadeError, match="control character"):
        made({"banner": "a\x1b[2Jb"})


def test_e14_eh7_groups_that_nobody_is_in_are_warned_of() -> None:
    assert made({"allow_groups": ["sudo", "ops-*"]}).warnings == []
    missing, empty = made({"allow_groups": ["gone", "sudo", "sshusers"]}).warnings
    assert missing == "AllowGroups names gone: there is no such group on this host"
    assert empty == "AllowGroups names sshusers: nobody is in it on this host"
    assert (extras.has_members("no such group"), extras.has_members("root")) == (None, True)


def test_e15_forwarding() -> None:
    none = made({"forwarding": "none"}).settings
    assert none == {
        "DisableForwarding": "yes",
        "AllowTcpForwarding": "no",
        "AllowStreamLocalForwarding": "no",
        "AllowAgentForwarding": "no",
        "X11Forwarding": "no",
        "PermitTunnel": "no",
        "GatewayPorts": "no",
    }
    assert made({"forwarding": "jump"}).settings["AllowTcpForwarding"] == "local"
    assert made({"forwarding": "all"}).settings["AllowAgentForwarding"] == "yes"


def test_e20_moduli_lose_what_is_short_and_keep_their_comments() -> None:
    before = primes(2048, 3072, 4096, 2048)
    after = moduli(before)
    assert after == primes(3072, 4096)
    assert moduli(after) == after
    assert sizes(before) == {2048: 2, 3072: 1, 4096: 1}
    assert moduli(b"not a prime\n" + primes(3072)) == primes(3072)


@pytest.mark.parametrize("before", [b"", b"# only a comment\n", primes(2048), b"garbage 1 2 3 4095\n"])
def test_e20_eh8_moduli_are_never_empty(before: bytes) -> None:
    with pytest.raises(StockadeError, match="nothing would be left"):
        moduli(before)


def test_e20_moduli_are_a_file_of_ours_that_sshd_is_told_of() -> None:
    found = made({"profile": "intermediate"})
    assert found.settings["ModuliFile"] == extras.MODULI
    assert found.files[extras.MODULI] == primes(3072, 4096)
    assert "/etc/ssh/moduli" not in found.files
    for other in ({"profile": "modern"}, {"profile": "intermediate", "moduli": False}):
        assert "ModuliFile" not in made(other).settings
    assert "ModuliFile" in made({"moduli": True}).settings


def test_e20_moduli_without_a_file_or_without_a_short_one_or_without_the_keyword() -> None:
    facts = extras.Facts({}.get, refuse, {}.get, KNOWN)
    assert extras.extras(plan.Wish(profile="none", moduli=True), V10_0, facts).settings == {}
    assert made({"moduli": True}, files={"/etc/ssh/moduli": primes(3072)}).settings == {}
    with pytest.raises(StockadeError, match="nothing would be left"):
        made({"moduli": True}, files={"/etc/ssh/moduli": primes(2048)})
    found = made({"moduli": True}, known={})
    assert (found.settings, len(found.warnings)) == ({}, 1)


def test_e15_host_keys_in_the_order_in_which_they_are_to_be_offered() -> None:
    assert made({"profile": "modern"}).settings["HostKey"] == "{} {}".format(ED25519, RSA)
    assert made({"profile": "fips"}).settings["HostKey"] == "{} {}".format(ECDSA, RSA)
    assert "HostKey" not in made({"profile": "policy"}).settings
    assert made({"host_keys": ["rsa"]}).settings["HostKey"] == RSA
    assert "HostKey" not in made({"profile": "modern", "settings": {"hostkeyalgorithms": "ssh-rsa"}}).settings


def test_host_keys_of_the_sites_own_files_are_those_that_count() -> None:
    found = made({"profile": "modern"}, files={"/srv/k.pub": HOST[ED25519 + ".pub"]}, host_key_lines=["/srv/k"])
    assert found.settings["HostKey"] == "/srv/k"
    tree = ConfigTree("/etc/ssh/sshd_config", directives=[Directive("hostkey", "/srv/k", "/x", 1, "")])
    assert extras.facts(lambda argv: (1, "", ""), {}, tree).host_key_lines == ["/srv/k"]


def test_host_keys_that_are_not_there() -> None:
    only = dict.fromkeys((ED25519 + ".pub", RSA + ".pub"), b"")
    assert "HostKey" not in made({"profile": "modern"}, files=only).settings
    with pytest.raises(StockadeError, match="no key of the kind ed25519"):
        made({"host_keys": ["ed25519"]}, files=only)


def test_a_short_rsa_key_gives_way_to_one_of_ours_that_is_made_once() -> None:
    wish = {"profile": "intermediate", "host_key_rsa_bits": 4096}
    found = made(wish, make=lambda bits: (b"private", rsa(bits)))
    assert found.settings["HostKey"] == "{} {}".format(ED25519, hostkeys.OWN_RSA)
    assert found.files[hostkeys.OWN_RSA] == b"private"
    assert (extras.mode(hostkeys.OWN_RSA), extras.secret(hostkeys.OWN_RSA)) == (0o600, True)
    again = {hostkeys.OWN_RSA: b"private", hostkeys.OWN_RSA + ".pub": rsa(4096)}
    assert made(wish, files=again).files == found.files
    assert made({**wish, "host_key_rsa_bits": 3072}).settings["HostKey"] == "{} {}".format(ED25519, RSA)


def test_a_longer_rsa_key_takes_no_other_kind_away() -> None:
    wish: dict[str, Any] = {"host_key_rsa_bits": 4096}
    for profile in ("none", "policy"):
        found = made({**wish, "profile": profile}, make=lambda bits: (b"private", rsa(bits)))
        assert found.settings["HostKey"].split() == [ED25519, hostkeys.OWN_RSA, ECDSA]
    with pytest.raises(StockadeError, match="name another kind beside rsa"):
        made({**wish, "host_keys": ["rsa"]}, make=lambda bits: (b"private", rsa(bits)))


def test_diffs_hold_no_secret_and_no_half_megabyte() -> None:
    assert extras.shown(hostkeys.OWN_RSA, b"private") == "(secret)\n"
    assert extras.shown(extras.MODULI, primes(3072, 4096, 4096)) == "1 primes of 3072 bits\n2 primes of 4096 bits\n"
    assert (extras.shown(extras.BANNER, b"x\n"), extras.shown(extras.BANNER, None)) == ("x\n", "")


def test_rsa_keys_are_made_by_ssh_keygen_and_leave_nothing_behind() -> None:
    seen: list[str] = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        path = Path(argv[argv.index("-f") + 1])
        seen.append(str(path))
        path.write_bytes(b"private")
        path.with_suffix(".pub").write_bytes(b"public")
        return 0, "", ""

    assert hostkeys.maker(run, "/usr/bin/ssh-keygen")(4096) == (b"private", b"public")
    assert not Path(seen[0]).parent.exists()
    with pytest.raises(StockadeError, match="cannot make an RSA host key: no entropy"):
        hostkeys.maker(lambda argv: (1, "", "no  entropy\n"), "/usr/bin/ssh-keygen")(4096)
    with pytest.raises(StockadeError, match="no ssh-keygen"):
        hostkeys.maker(run, None)(4096)


def test_eh5_match_blocks_stand_in_a_file_that_sorts_last() -> None:
    blocks = [
        {"match": "Group sftponly", "settings": {"forcecommand": "internal-sftp", "AllowTcpForwarding": False}},
        {"match": "User root Address 192.0.2.0/24", "settings": {"PermitRootLogin": True}},
    ]
    content = made({"match_blocks": blocks}).files[MATCH]
    assert content is not None
    assert content.decode().splitlines()[2:] == [
        "Match Group sftponly",
        "    ForceCommand internal-sftp",
        "    AllowTcpForwarding no",
        "Match User root Address 192.0.2.0/24",
        "    PermitRootLogin yes",
    ]
    assert Path(MATCH).name.startswith("99-")


@pytest.mark.parametrize(
    ("match", "settings", "reason"),
    [
        ("User x", {"Ciphers": ["a"]}, "cannot set Ciphers in Match User x: sshd takes it only outside"),
        ("User x", {"PerSourcePenalties": False}, "only outside"),
        ("User x", {"Match": "User y"}, "option match_blocks"),
        ("User x", {"Include": "/x"}, "included by sshd_config itself"),
        ("User x", {"PermitTTY": 1, "permittty": 0}, "given twice"),
        ("User x", {}, "it sets nothing"),
        ("", {"PermitTTY": False}, "value is empty"),
        ("User x\nPort 1", {"PermitTTY": False}, "control character"),
    ],
)
def test_blocks_that_cannot_be(match: str, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(StockadeError, match=reason):
        render_match([{"match": match, "settings": settings}])


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"authfail": 10, "crash": "1m30s"}, "crash:1m30s authfail:10s"),
        ({"noauth": False, "grace_exceeded": "0"}, "noauth:0s grace-exceeded:0s"),
        ({"overflow": "deny-all", "max-sources4": 1000}, "max-sources4:1000 overflow:deny-all"),
        ({}, ""),
    ],
)
def test_penalties_as_sshd_reads_them(given: dict[str, Any], value: str) -> None:
    assert render_penalties(given, V10_0) == (value, [])


def test_penalties_by_version() -> None:
    given = {"invaliduser": 5, "refuseconnection": 10, "authfail": 5}
    assert render_penalties(given, V10_3)[0] == "authfail:5s invaliduser:5s refuseconnection:10s"
    assert render_penalties(given, V10_0)[0] == "authfail:5s refuseconnection:10s"
    assert render_penalties(given, V9_8)[0] == "authfail:5s"
    assert render_penalties(given, V9_2) == ("", ["OpenSSH_9.2p1 has no PerSourcePenalties: left out"])
    assert "10.0p1 has no invaliduser" in render_penalties(given, V10_0)[1][0]
    assert made({"per_source_penalties": given}, version=V9_2).settings == {}


def test_penalties_that_shut_out_after_one_mistake_are_warned_of() -> None:
    assert "first mistake" in render_penalties({"noauth": "5m"}, V10_0)[1][0]
    assert render_penalties({"noauth": "5m", "min": "10m"}, V10_0)[1] == []


@pytest.mark.parametrize(
    "given", [{"authfail": "off"}, {"authfail": True}, {"x": 1}, {"overflow": 1}, {"max-sources4": 0}]
)
def test_penalties_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(StockadeError, match="PerSourcePenalties"):
        render_penalties(given, V10_0)


def test_penalties_in_force() -> None:
    told = parse_penalties("crash:90 grace-exceeded:10 max:600 overflow:permissive max-sources4:65536")
    assert told["values"]["crash"] == 90
    assert told["values"]["overflow"] == "permissive"
    assert parse_penalties("no") == {"enabled": False, "values": {}}


def test_certificate_authorities_and_principals() -> None:
    found = made({"user_ca_keys": [KEY + "\n"], "principals": {"alice": ["ops", "alice"]}})
    assert found.settings == {
        "TrustedUserCAKeys": extras.AUTHORITIES,
        "AuthorizedPrincipalsFile": "/etc/ssh/stockade-principals.%u",
    }
    assert found.files[extras.AUTHORITIES] == KEY.encode() + b"\n"
    assert found.files["/etc/ssh/stockade-principals.alice"] == b"ops\nalice\n"
    one = made({"user_ca_keys": [KEY], "principals": {"alice": "ops"}})  # one name is a list of one, not of letters
    assert one.files["/etc/ssh/stockade-principals.alice"] == b"ops\n"
    # sshd reads it as the user who logs in.
    assert extras.mode("/etc/ssh/stockade-principals.alice") == 0o644
    assert "AuthorizedPrincipalsFile" not in made({"user_ca_keys": [KEY]}).settings


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"user_ca_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "no public key in one line"),
        ({"user_ca_keys": ["cert-authority " + KEY]}, "no public key in one line"),
        ({"user_ca_keys": [KEY + "\n" + KEY]}, "no public key in one line"),
        ({"principals": {"alice": ["ops"]}}, "principals without user_ca_keys"),
        ({"user_ca_keys": [KEY], "principals": {"../x": ["ops"]}}, "no name of a user"),
        ({"user_ca_keys": [KEY], "principals": {"alice": ["a b"]}}, "not one word"),
        ({"user_ca_keys": [KEY], "principals": {"alice": None}}, "principals of alice: None is no list of names"),
        ({"user_ca_keys": [KEY], "principals": {"alice": {"ops": 1}}}, "is no list of names"),
    ],
)
def test_authorities_that_cannot_be(wish: dict[str, Any], reason: str) -> None:
    with pytest.raises(StockadeError, match=reason):
        made(wish)


def test_e21_eh4_key_and_code_with_the_dialogue_switched_on() -> None:
    found = made({"two_factor": True, "two_factor_exempt": ["ansible", "backup"]}, files=CODES)
    assert found.settings["AuthenticationMethods"] == "publickey,keyboard-interactive"
    assert found.settings["KbdInteractiveAuthentication"] == "yes"
    content = found.files[MATCH]
    assert content is not None
    assert content.decode().splitlines()[2:] == ["Match User ansible,backup", "    AuthenticationMethods publickey"]
    assert found.warnings == []


def test_e21_a_code_that_nobody_would_ask_for_is_refused() -> None:
    with pytest.raises(StockadeError, match="nobody would ask for a code"):
        made({"two_factor": True})
    with pytest.raises(StockadeError, match="no name of a user"):
        made({"two_factor": True, "two_factor_exempt": ["a,b"]}, files=CODES)


@pytest.mark.parametrize(
    "line", ["auth required pam_oath.so nullok", "auth optional pam_oath.so", "-auth required /lib/pam_oath.so nullok"]
)
def test_eh9_users_without_a_secret_are_warned_of(line: str) -> None:
    found = made({"two_factor": True}, files={"/etc/pam.d/common-auth": line.encode()})
    assert "/etc/pam.d/common-auth:1 lets users without a secret in" in found.warnings[0]
