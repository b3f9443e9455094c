# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a host's sshd: by its values, its files, its keys and what it offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import findings, parse, profiles
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import DROPIN, ConfigTree, Directive
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.extras import BANNER
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.finding import Evidence
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hostkeys import HostKey
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.listening import parse_listening
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.pam import CodeModule

Recorded = Callable[[str, str], str]


def found(effective: dict[str, list[str]], offered: dict[str, list[str]], tree: ConfigTree) -> dict[str, str]:
    every = findings.findings(Evidence(effective=effective, offered=offered, tree=tree), complaints=[])
    return {finding["id"]: finding["severity"] for finding in every}


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
def test_findings_of_an_untouched_host(recorded: Recorded, distribution: str) -> None:
    effective = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    told = found(effective, {}, ConfigTree("/etc/ssh/sshd_config"))
    assert told["passwordauthentication"] == "high"
    assert told["permitrootlogin"] == "low"
    assert {"weak-kex", "weak-mac", "weak-host-key", "x11forwarding", "no-allow-list"} <= set(told)
    assert "weak-cipher" not in told


def hardened(recorded: Recorded) -> dict[str, list[str]]:
    effective = parse.parse_effective(recorded("debian13", "sshd-T.txt"))
    supported = {
        keyword: parse.parse_algorithms(recorded("debian13", "ssh-Q-{}.txt".format(kind)))
        for keyword, kind in profiles.QUERIES.items()
    }
    version = parse.Version(10, 0, "OpenSSH_10.0p2")
    names = profiles.algorithms(profile="modern", version=version, supported=supported)
    effective.update({keyword.lower(): [value] for keyword, value in {**profiles.BASELINE, **names}.items()})
    effective.update(permitrootlogin=["no"])
    return effective


def test_findings_of_a_hardened_host_are_the_rules_that_are_waived(recorded: Recorded) -> None:
    every = findings.findings(Evidence(hardened(recorded), ConfigTree("/etc/ssh/sshd_config")), complaints=[])
    assert {finding["severity"] for finding in every} == {"info"}
    assert {finding["cis"] for finding in every} <= set(profiles.WAIVED)
    effective = {**hardened(recorded), "allowusers": ["operator"], "banner": [BANNER]}
    assert found({**effective, "disableforwarding": ["yes"]}, {}, ConfigTree("/etc/ssh/sshd_config")) == {}


def test_findings_of_files_and_the_running_daemon() -> None:
    tree = ConfigTree("/etc/ssh/sshd_config")
    tree.directives = [
        Directive("allowusers", "operator", DROPIN, 3, ""),
        Directive("usedns", "no", DROPIN, 4, ""),
        Directive("allowusers", "bob", "/etc/ssh/sshd_config.d/50.conf", 1, ""),
        Directive("usedns", "yes", "/etc/ssh/sshd_config", 9, ""),
        Directive("usedns", "yes", "/etc/ssh/sshd_config", 12, "User bob"),
    ]
    effective = {"allowusers": ["operator", "bob"], "permitrootlogin": ["yes"], "passwordauthentication": ["yes"]}
    effective["ciphers"] = ["aes256-ctr"]
    told = found(effective, {"ciphers": ["aes128-cbc"]}, tree)
    assert told["foreign-allowusers"] == "medium"
    assert told["shadowed-usedns"] == "info"
    assert told["permitrootlogin"] == "high"
    assert told["weak-cipher"] == "medium"
    assert told["not-loaded-ciphers"] == "medium"


def test_findings_of_modes_and_broken_files() -> None:
    modes = {
        "/etc/ssh/ssh_host_rsa_key": 0o640,
        "/etc/ssh/ssh_host_rsa_key.pub": 0o666,
        "/etc/ssh/sshd_config": 0o644,
        "/etc/ssh/x.conf": 0o666,
        "/etc/ssh/y.conf": 0o600,
    }
    seen = Evidence({}, ConfigTree("/etc/ssh/sshd_config"), modes=modes, foreign=["/etc/ssh/y.conf"])
    every = findings.findings(seen, complaints=[parse.Complaint("/etc/ssh/x.conf", 2, "bad")])
    assert [(finding["id"], finding["cis"]) for finding in every] == [
        ("broken-configuration", ""),
        ("mode-ssh_host_rsa_key", "5.1.2"),
        ("mode-ssh_host_rsa_key.pub", "5.1.3"),
        ("mode-x.conf", "5.1.1"),
        ("owner-y.conf", "5.1.1"),
        ("readable-sshd_config", "5.1.1"),
    ]


# A value that breaks a rule of section 5.1 by itself. The rules about files are looked at above, and who may log in is
# 5.1.4 as long as nobody says so.
BROKEN = [
    ("5.1.5", "banner", "none"),
    ("5.1.6", "ciphers", "aes256-ctr,aes128-cbc"),
    ("5.1.7", "clientaliveinterval", "0"),
    ("5.1.7", "clientalivecountmax", "0"),
    ("5.1.8", "allowtcpforwarding", "local"),
    ("5.1.8", "allowstreamlocalforwarding", "yes"),
    ("5.1.8", "allowagentforwarding", "yes"),
    ("5.1.8", "x11forwarding", "yes"),
    ("5.1.8", "permittunnel", "point-to-point"),
    ("5.1.9", "gssapiauthentication", "yes"),
    ("5.1.10", "hostbasedauthentication", "yes"),
    ("5.1.11", "ignorerhosts", "no"),
    ("5.1.12", "kexalgorithms", "mlkem768x25519-sha256,diffie-hellman-group14-sha1"),
    ("5.1.13", "logingracetime", "0"),
    ("5.1.13", "logingracetime", "61"),
    ("5.1.14", "loglevel", "QUIET"),
    ("5.1.15", "macs", "hmac-md5-96"),
    ("5.1.16", "maxauthtries", "5"),
    ("5.1.17", "maxsessions", "11"),
    ("5.1.18", "maxstartups", "10:30:100"),
    ("5.1.19", "permitemptypasswords", "yes"),
    ("5.1.20", "permitrootlogin", "prohibit-password"),
    ("5.1.21", "permituserenvironment", "LANG"),
    ("5.1.22", "usepam", "no"),
]


@pytest.mark.parametrize(("rule", "keyword", "value"), BROKEN)
def test_every_rule_of_the_benchmark_is_looked_for(recorded: Recorded, rule: str, keyword: str, value: str) -> None:
    good = {**hardened(recorded), "allowusers": ["operator"], "banner": ["/etc/issue.net"], keyword: [value]}
    good.update({name: ["no"] for name in ("allowtcpforwarding", "allowstreamlocalforwarding") if name != keyword})
    every = findings.findings(Evidence(good, ConfigTree("/etc/ssh/sshd_config")), complaints=[])
    assert [finding["cis"] for finding in every] == [rule]


def test_references_stand_by_themselves(recorded: Recorded) -> None:
    effective = parse.parse_effective(recorded("debian12", "sshd-T.txt"))
    every = findings.findings(Evidence(effective, ConfigTree("/etc/ssh/sshd_config")), complaints=[])
    by_id = {finding["id"]: finding for finding in every}
    assert (by_id["weak-kex"]["cis"], by_id["weak-kex"]["ssh_audit"]) == ("5.1.12", "kex")
    assert (by_id["x11forwarding"]["cis"], by_id["x11forwarding"]["ssh_audit"]) == ("5.1.8", "")


def ids(**seen: Any) -> dict[str, str]:
    seen.setdefault("tree", ConfigTree("/etc/ssh/sshd_config"))
    every = findings.findings(Evidence(**{"effective": {}, **seen}), complaints=[])
    return {finding["id"]: finding["evidence"] for finding in every}


def test_eh8_short_primes_and_none_at_all() -> None:
    used = {"kexalgorithms": ["curve25519-sha256,diffie-hellman-group-exchange-sha256"]}
    assert ids(effective=used, moduli={2048: 60, 3072: 1})["short-moduli"] == "/etc/ssh/moduli: 60 of 2048 bits"
    assert "no-moduli" in ids(effective=used, moduli={})
    assert not {"no-moduli", "short-moduli"} & set(ids(effective=used, moduli={3072: 1}))
    assert "no-moduli" not in ids(effective={"kexalgorithms": ["curve25519-sha256"]}, moduli={})


def test_eh21_no_post_quantum_key_exchange_is_told() -> None:
    assert "no-post-quantum-kex" in ids(offered={"kexalgorithms": ["curve25519-sha256"]})
    offered = {"kexalgorithms": ["mlkem768x25519-sha256", "curve25519-sha256"]}
    assert "no-post-quantum-kex" not in ids(offered=offered)


def test_short_host_keys() -> None:
    keys = [HostKey("/etc/ssh/a", "rsa", 2048, "x"), HostKey("/etc/ssh/b", "rsa", 3072, "x")]
    every = findings.findings(Evidence({}, ConfigTree("/x"), host_keys=keys), complaints=[])
    severities = {finding["id"]: finding["severity"] for finding in every}
    assert (severities["short-host-key-a"], severities["short-host-key-b"]) == ("medium", "info")


def test_eh4_a_code_that_is_never_asked_for() -> None:
    code = CodeModule("pam_google_authenticator.so", "/etc/pam.d/sshd", 3, optional=False)
    assert "/etc/pam.d/sshd:3" in ids(effective={"kbdinteractiveauthentication": ["no"]}, code=code)["code-never-asked"]
    both = {
        "kbdinteractiveauthentication": ["yes"],
        "authenticationmethods": ["publickey,keyboard-interactive"],
    }
    assert not {"kbdinteractiveauthentication", "code-never-asked", "code-without-module"} & set(
        ids(effective=both, code=code)
    )
    assert "code-without-module" in ids(effective=both)
    either = {**both, "authenticationmethods": ["publickey,keyboard-interactive keyboard-interactive"]}
    assert "kbdinteractiveauthentication" in ids(effective=either, code=code)


def test_eh9_users_without_a_secret() -> None:
    code = CodeModule("pam_oath.so", "/etc/pam.d/sshd", 3, optional=True)
    assert "code-optional" in ids(effective={"kbdinteractiveauthentication": ["yes"]}, code=code)


def test_eh22_ipv6_forgotten() -> None:
    tree = ConfigTree("/etc/ssh/sshd_config")
    assert "no-ipv6-listener" not in ids(effective={"listenaddress": ["0.0.0.0:22"]}, tree=tree)
    tree.directives = [Directive("listenaddress", "0.0.0.0", "/etc/ssh/sshd_config", 7, "")]
    told = ids(effective={"listenaddress": ["0.0.0.0:22"]}, tree=tree)["no-ipv6-listener"]
    assert "/etc/ssh/sshd_config:7" in told
    assert "no-ipv6-listener" not in ids(effective={"listenaddress": ["[::]:22", "0.0.0.0:22"]}, tree=tree)


def test_penalties_that_are_off_or_spare_everyone() -> None:
    assert "penalties-off" in ids(effective={"persourcepenalties": ["no"]})
    assert "penalties-exempt-everyone" in ids(effective={"persourcepenaltyexemptlist": ["192.0.2.1,::/0"]})
    assert not [name for name in ids(effective={"persourcepenalties": ["crash:90"]}) if "penalties" in name]


def test_eh5_match_blocks_that_take_back_what_holds_for_others() -> None:
    tree = ConfigTree("/etc/ssh/sshd_config")
    tree.directives = [
        Directive("passwordauthentication", "yes", "/etc/ssh/sshd_config", 9, "User bob"),
        Directive("x11forwarding", "no", "/etc/ssh/sshd_config", 10, "User bob"),
    ]
    told = ids(tree=tree)
    assert told["match-passwordauthentication"] == "Match User bob: PasswordAuthentication yes (/etc/ssh/sshd_config:9)"
    assert "match-x11forwarding" not in told


def test_eh3_eh6_e18_lines_that_do_not_count_are_named() -> None:
    tree = ConfigTree("/etc/ssh/sshd_config")
    included = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
    tree.directives = [
        Directive("passwordauthentication", "yes", included, 1, ""),
        Directive("passwordauthentication", "no", "/etc/ssh/sshd_config", 57, ""),
    ]
    [(winner, loser)] = findings.passed_over(tree)
    assert (winner.where, loser.where) == (included + ":1", "/etc/ssh/sshd_config:57")


def test_listeners_of_the_kernel() -> None:
    text = (
        'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("systemd",pid=1,fd=40),("sshd",pid=9,fd=3))\n'
        'LISTEN 0 128 [::]:2222 [::]:* users:(("systemd",pid=1,fd=41))\n'
        "LISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:*\n"
        "LISTEN 0 128 *:80 *:*\n\n"
    )
    assert [(one.address, one.port, one.program) for one in parse_listening(text)] == [
        ("0.0.0.0", 22, "sshd"),
        ("::", 2222, "systemd"),
        ("127.0.0.53", 53, ""),
        ("::", 80, ""),
    ]
