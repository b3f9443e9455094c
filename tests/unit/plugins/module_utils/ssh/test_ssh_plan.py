# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in holds, by version and wish, and how refusals by sshd are put."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import keywords, parse, plan, profiles
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN, ConfigTree, Directive
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.matchblocks import MATCH

Recorded = Callable[[str, str], str]
V10 = parse.Version(10, 0, "OpenSSH_10.0p2")
SUPPORTED = {
    "KexAlgorithms": ["curve25519-sha256"],
    "Ciphers": ["aes256-ctr"],
    "MACs": ["hmac-sha1"],
    "HostKeyAlgorithms": ["ssh-ed25519"],
}
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNh root@host"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@host"


def test_a_list_never_comes_out_empty() -> None:
    with pytest.raises(StockadeError, match="none of its MACs"):
        profiles.algorithms(profile="modern", version=V10, supported=SUPPORTED)
    assert profiles.algorithms(profile="none", version=V10, supported={}) == {}


def test_baseline_holds_only_what_sshd_knows(recorded: Recorded) -> None:
    known = parse.parse_effective(recorded("debian12", "sshd-T.txt"))
    values = profiles.baseline(profile="modern", known=known, operator_is_root=False)
    assert set(values) == set(profiles.BASELINE) | {"PermitRootLogin"}
    assert values["PermitRootLogin"] == "no"
    del known["requiredrsasize"]
    values = profiles.baseline(profile="modern", known=known, operator_is_root=True)
    assert "RequiredRSASize" not in values
    assert values["PermitRootLogin"] == "prohibit-password"


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("X11Forwarding", False, "no"),
        ("x11forwarding", True, "yes"),
        ("MaxAuthTries", 3, "3"),
        ("Ciphers", ["a", "b"], "a,b"),
        ("AllowUsers", ["a", "b"], "a b"),
        ("Banner", " /etc/issue.net ", "/etc/issue.net"),
        ("Banner", False, "none"),
        ("trustedusercakeys", False, "none"),
        ("Compression", "delayed", "delayed"),
        ("PerSourcePenalties", False, "no"),
        ("StreamLocalBindMask", 0o177, "0177"),
        ("MaxStartups", "2:30:2", "2:30:2"),
        ("RekeyLimit", ["1G", "1h"], "1G 1h"),
    ],
)
def test_render_value(keyword: str, value: Any, expected: str) -> None:
    assert keywords.render_value(keyword, value) == expected


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"settings": {"Match": "User x"}}, "file of its own that sorts last"),
        ({"settings": {"port": 2222}}, "cannot set Port: the option port moves"),
        ({"settings": {"Banner x": 1}}, "not a keyword"),
        ({"settings": {"Banner": "a\nPermitRootLogin yes"}}, "control character"),
        ({"settings": {"Banner": ""}}, "value is empty"),
        ({"settings": {"Banner": []}}, "value is empty"),
        ({"settings": {"Banner": {"a": 1}}}, "not a value but a dict"),
        ({"settings": {"Banner": True}}, "it wants a value"),
        ({"settings": {"MaxStartups": 9002}}, "number to the base 60"),
        ({"settings": {"maxauthtries": 1, "MaxAuthTries": 2}}, "given twice"),
        ({"settings": {"PermitRootLogin": True}, "permit_root_login": "no"}, "given twice"),
        ({"settings": {"ChallengeResponseAuthentication": 1, "KbdInteractiveAuthentication": 1}}, "given twice"),
        ({"allow_users": ["a b"]}, "one name an entry"),
    ],
)
def test_wishes_that_cannot_be(wish: dict[str, Any], reason: str) -> None:
    with pytest.raises(StockadeError, match=reason):
        plan.asked_for(plan.Wish(**wish))


def test_asked_wins_over_the_profile_and_null_leaves_it_to_the_host() -> None:
    wish = plan.Wish(settings={"maxauthtries": 2, "UseDNS": None}, password_authentication=True, allow_users=[])
    merged = plan.merge(
        {"MaxAuthTries": "4", "UseDNS": "no", "PasswordAuthentication": "no", "Compression": "no"}, plan.asked_for(wish)
    )
    assert merged == {"Compression": "no", "MaxAuthTries": "2", "PasswordAuthentication": "yes"}
    lines = plan.render(merged).decode().splitlines()
    assert lines[2:] == ["Compression no", "MaxAuthTries 2", "PasswordAuthentication yes"]


def test_explain() -> None:
    content = plan.render({"MaxAuthTris": "3", "RSAAuthentication": "yes", "KexAlgorithms": "foo"})
    complaints = [
        parse.Complaint(DROPIN, 3, "Bad configuration option: MaxAuthTris"),
        parse.Complaint(DROPIN, 4, "Deprecated option RSAAuthentication"),
        parse.Complaint("", 0, 'Unsupported KEX algorithm "foo"'),
        parse.Complaint(DROPIN, 5, "Bad SSH2 KexAlgorithms 'foo'."),
        parse.Complaint("/etc/ssh/sshd_config", 115, "Subsystem 'sftp' already defined."),
    ]
    assert plan.explain(complaints, content=content, version=V10).split("; ") == [
        "OpenSSH_10.0p2 does not know the keyword MaxAuthTris (did you mean MaxAuthTries?)",
        "OpenSSH_10.0p2 ignores the keyword RSAAuthentication",
        "cannot set KexAlgorithms to 'foo': Bad SSH2 KexAlgorithms 'foo'. (Unsupported KEX algorithm \"foo\")",
        "/etc/ssh/sshd_config:115: Subsystem 'sftp' already defined.",
    ]


def test_a_host_is_never_left_without_a_host_key() -> None:
    settings = {"HostKeyAlgorithms": "ssh-ed25519,rsa-sha2-512", "RequiredRSASize": "3072", "UseDNS": "no"}
    assert plan.without_host_keys(settings, [ECDSA, ED25519]) == (settings, [])
    left, [reason] = plan.without_host_keys(settings, [ECDSA])
    assert left == {"UseDNS": "no"}
    assert "ecdsa-sha2-nistp256" in reason


def test_host_keys_are_a_line_each_and_keep_their_order() -> None:
    rendered = plan.render({"HostKey": "/etc/ssh/b /etc/ssh/a", "UseDNS": "no"}).decode().splitlines()
    assert rendered[2:] == ["HostKey /etc/ssh/b", "HostKey /etc/ssh/a", "UseDNS no"]


def test_eh1_a_keyword_of_the_client_is_refused_by_name() -> None:
    wish = plan.Wish(settings={"HashKnownHosts": True})
    content = plan.render(plan.merge({}, plan.asked_for(wish)))
    said = plan.explain(
        [parse.Complaint(DROPIN, 3, "Bad configuration option: HashKnownHosts")], content=content, version=V10
    )
    assert said.startswith("OpenSSH_10.0p2 does not know the keyword HashKnownHosts")


def test_e15_e16_what_the_guides_set_is_written_as_sshd_reads_it() -> None:
    settings = {
        "Subsystem": "sftp internal-sftp -f AUTHPRIV -l INFO",
        "AllowStreamLocalForwarding": False,
        "GatewayPorts": False,
        "UseDNS": True,
        "TCPKeepAlive": False,
        "ClientAliveInterval": 15,
        "LoginGraceTime": 30,
        "MaxAuthTries": 2,
        "MaxStartups": 2,
        "HostKey": ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key"],
    }
    lines = plan.render(plan.merge({}, plan.asked_for(plan.Wish(settings=settings)))).decode().splitlines()[2:]
    assert lines == [
        "AllowStreamLocalForwarding no",
        "ClientAliveInterval 15",
        "GatewayPorts no",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "HostKey /etc/ssh/ssh_host_rsa_key",
        "LoginGraceTime 30",
        "MaxAuthTries 2",
        "MaxStartups 2",
        "Subsystem sftp internal-sftp -f AUTHPRIV -l INFO",
        "TCPKeepAlive no",
        "UseDNS yes",
    ]


def test_eh2_a_second_subsystem_is_explained_by_version() -> None:
    content = plan.render({"Subsystem": "sftp internal-sftp"})
    complaint = parse.Complaint("/etc/ssh/sshd_config", 115, "Subsystem 'sftp' already defined.")
    said = plan.explain([complaint], content=content, version=V10)
    assert "/etc/ssh/sshd_config:115 sets sftp already" in said
    assert "before 9.5" in said


def test_a_match_block_of_ours_is_no_foreign_winner() -> None:
    tree = ConfigTree("/etc/ssh/sshd_config")
    tree.directives = [Directive("authenticationmethods", "publickey", MATCH, 4, "User ansible")]
    settings = {"AuthenticationMethods": "publickey,keyboard-interactive"}
    values: dict[str, Any] = {
        "wanted": {"authenticationmethods": ["publickey,keyboard-interactive"]},
        "effective": {"authenticationmethods": ["publickey"]},
        "match": True,
    }
    assert plan.shadowed(settings, tree=tree, **values) == []
    tree.directives.append(Directive("authenticationmethods", "any", "/etc/ssh/x.conf", 2, "All"))
    assert plan.shadowed(settings, tree=tree, **values) == []
    values["effective"] = {"authenticationmethods": ["any"]}
    assert "/etc/ssh/x.conf:2 (Match All)" in plan.shadowed(settings, tree=tree, **values)[0]


def test_host_keys_beside_those_of_others_are_no_conflict() -> None:
    settings = {"HostKey": "/etc/ssh/b /etc/ssh/a"}
    wanted = {"hostkey": ["/etc/ssh/b", "/etc/ssh/a", "/etc/ssh/c"]}
    values: dict[str, Any] = {"wanted": wanted, "tree": ConfigTree("/etc/ssh/sshd_config"), "match": False}
    assert plan.shadowed(settings, effective={"hostkey": ["/etc/ssh/b", "/etc/ssh/a"]}, **values) == []
    assert plan.shadowed(settings, effective={"hostkey": ["/etc/ssh/b"]}, **values)


@pytest.mark.parametrize("keyword", ["KbdInteractiveAuthentication", "ChallengeResponseAuthentication"])
def test_before_openssh_8_7_the_older_name_decides(keyword: str) -> None:
    """There it turns the newer one on, whatever that says: a drop-in with the newer one alone would do nothing."""
    old = {"challengeresponseauthentication": ["yes"], "kbdinteractiveauthentication": ["yes"]}
    new = {"kbdinteractiveauthentication": ["yes"]}
    asked: dict[str, str | None] = {keyword: "no", "UsePAM": "yes"}
    assert plan.merge({}, asked, known=old) == {"ChallengeResponseAuthentication": "no", "UsePAM": "yes"}
    assert plan.merge({}, asked, known=new) == {keyword: "no", "UsePAM": "yes"}
