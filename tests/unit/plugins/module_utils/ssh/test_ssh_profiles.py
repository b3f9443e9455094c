# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles against what ssh-audit's policies and the CIS benchmarks ask for, and against an old controller."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import extras, parse, plan, profiles

Recorded = Callable[[str, str], str]

# What the policies compare, in their order.
CIPHERS = [
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-gcm@openssh.com",
    "aes128-ctr",
]
MACS_512_FIRST = ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com"]
MACS_256_FIRST = [MACS_512_FIRST[1], MACS_512_FIRST[0], MACS_512_FIRST[2]]
HOST_KEYS = ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]
DEBIAN_13_VERSION_1 = {
    "KexAlgorithms": ["mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com"],
    "Ciphers": CIPHERS,
    "MACs": MACS_512_FIRST,
}
DEBIAN_12_VERSION_3 = {
    "KexAlgorithms": [
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
    ],
    "Ciphers": CIPHERS,
    "MACs": MACS_256_FIRST,
}
UBUNTU_24_VERSION_2 = {
    "KexAlgorithms": [
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
    ],
    "Ciphers": CIPHERS,
    "MACs": MACS_512_FIRST,
}


def supported(recorded: Recorded, distribution: str) -> dict[str, list[str]]:
    return {
        keyword: parse.parse_algorithms(recorded(distribution, "ssh-Q-{}.txt".format(kind)))
        for keyword, kind in profiles.QUERIES.items()
    }


def lists(recorded: Recorded, distribution: str, profile: str) -> dict[str, list[str]]:
    version = parse.parse_version(recorded(distribution, "sshd-V.txt"))
    found = profiles.algorithms(profile=profile, version=version, supported=supported(recorded, distribution))
    return {keyword: names.split(",") for keyword, names in found.items()}


@pytest.mark.parametrize(
    ("distribution", "profile", "policy"),
    [("debian13", "pq_only", DEBIAN_13_VERSION_1), ("debian12", "intermediate", DEBIAN_12_VERSION_3)],
)
def test_e15_eh21_the_order_is_that_of_ssh_audits_policy(
    recorded: Recorded, distribution: str, profile: str, policy: dict[str, list[str]]
) -> None:
    found = lists(recorded, distribution, profile)
    assert {keyword: found[keyword] for keyword in policy} == policy
    plain = [name for name in found["HostKeyAlgorithms"] if "cert" not in name and not name.startswith("sk-")]
    assert plain == HOST_KEYS
    assert profiles.HOST_KEY_KINDS[profile] == ("ed25519", "rsa")


def test_modern_by_version(recorded: Recorded) -> None:
    new, old = lists(recorded, "debian13", "modern"), lists(recorded, "debian12", "modern")
    assert new["KexAlgorithms"][0] == "mlkem768x25519-sha256"
    assert old["KexAlgorithms"] == new["KexAlgorithms"][1:]
    assert new["MACs"][0] == "hmac-sha2-512-etm@openssh.com"
    assert old["MACs"][0] == "hmac-sha2-256-etm@openssh.com"
    assert not [name for names in new.values() for name in names if "nistp" in name or "sha1" in name]


def test_ubuntu_24_has_an_order_of_its_own() -> None:
    every = {keyword: [*names, *HOST_KEYS] for keyword, names in UBUNTU_24_VERSION_2.items()}
    every["HostKeyAlgorithms"] = HOST_KEYS
    version = parse.parse_version("OpenSSH_9.6p1 Ubuntu-3ubuntu13, OpenSSL 3.0.13")
    found = profiles.algorithms(profile="intermediate", version=version, supported=every)
    assert {keyword: found[keyword].split(",") for keyword in UBUNTU_24_VERSION_2} == UBUNTU_24_VERSION_2


def test_eh21_modern_is_post_quantum_first_and_then_curves(recorded: Recorded) -> None:
    kex = lists(recorded, "debian13", "modern")["KexAlgorithms"]
    assert kex[:3] == DEBIAN_13_VERSION_1["KexAlgorithms"]
    assert kex[3:] == ["curve25519-sha256", "curve25519-sha256@libssh.org"]


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
@pytest.mark.parametrize("profile", ["modern", "pq_only", "intermediate", "fips", "policy"])
def test_a43_ah29_passwords_go_by_both_names(recorded: Recorded, distribution: str, profile: str) -> None:
    known = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    values = profiles.baseline(profile=profile, known=known, operator_is_root=False)
    assert values["PasswordAuthentication"] == values["KbdInteractiveAuthentication"] == "no"
    assert values["PubkeyAuthentication"] == "yes"


def test_fips_holds_what_is_approved_only(recorded: Recorded) -> None:
    found = lists(recorded, "debian13", "fips")
    names = [name for values in found.values() for name in values]
    assert not [name for name in names if re.search(r"25519|chacha20|umac|sha1$|md5|exchange", name)]
    assert found["PubkeyAcceptedAlgorithms"] == found["HostKeyAlgorithms"]
    assert profiles.HOST_KEY_KINDS["fips"] == ("ecdsa", "rsa")


def test_policy_leaves_the_lists_to_the_system_and_keeps_the_values(recorded: Recorded) -> None:
    assert lists(recorded, "debian13", "policy") == {}
    known = parse.parse_effective(recorded("debian13", "sshd-T.txt"))
    values = profiles.baseline(profile="policy", known=known, operator_is_root=False)
    assert set(profiles.BASELINE) - set(values) == {"RequiredRSASize"}
    assert "policy" not in profiles.HOST_KEY_KINDS


def test_a_host_without_post_quantum_is_told_of_the_softer_profile() -> None:
    old = parse.Version(8, 4, "OpenSSH_8.4p1")
    have = {"KexAlgorithms": ["curve25519-sha256"]}
    with pytest.raises(StockadeError, match="pq_only: OpenSSH_8.4p1 has none of its KexAlgorithms .* intermediate"):
        profiles.algorithms(profile="pq_only", version=old, supported=have)


OLD_CLIENT = {
    "kexalgorithms": ["curve25519-sha256,diffie-hellman-group14-sha256"],
    "ciphers": ["aes256-ctr", "aes128-cbc"],
    "macs": ["hmac-sha2-256"],
}


def test_common_is_in_the_hosts_order_whatever_the_client_says_it_in() -> None:
    host = {
        "KexAlgorithms": "x,diffie-hellman-group14-sha256,curve25519-sha256",
        "Ciphers": "aes256-ctr",
        "Banner": "x",
    }
    assert profiles.common({**host, "Banner": "x"}, OLD_CLIENT) == {
        "KexAlgorithms": ["diffie-hellman-group14-sha256", "curve25519-sha256"],
        "Ciphers": ["aes256-ctr"],
    }
    assert profiles.common(host, {}) == {}


def test_no_common_key_exchange_is_put_with_a_way_out() -> None:
    host = {"KexAlgorithms": "mlkem768x25519-sha256", "Ciphers": "aes256-ctr", "HostKeyAlgorithms": "ssh-ed25519"}
    said = profiles.nothing_common(host, OLD_CLIENT, profile="pq_only", program="OpenSSH_8.0p1")
    assert "no common key exchange with the controller's OpenSSH_8.0p1: the host would offer mlkem768x25519" in said
    assert "use profile: intermediate" in said
    said = profiles.nothing_common({"MACs": "umac-128"}, OLD_CLIENT, profile="intermediate", program="OpenSSH_8.0p1")
    assert "use profile: none" in said
    assert profiles.nothing_common({"Ciphers": "aes256-ctr"}, OLD_CLIENT, profile="modern", program="x") == ""


def between(least: int, most: int) -> Callable[[str], bool]:
    return lambda value: least <= int(value) <= most


def names_none_of(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.search(pattern, value) is None


def starts_within_limits(value: str) -> bool:
    return all(int(part) <= limit for part, limit in zip(value.split(":"), (10, 30, 60), strict=True))


# Rule of section 5.1 to what has to hold for values; the rules about modes of files are ssh_info's findings.
CIS: dict[str, dict[str, Callable[[str], bool]]] = {
    "5.1.4": {"AllowGroups": bool},
    "5.1.5": {"Banner": lambda value: value != "none"},
    "5.1.6": {"Ciphers": names_none_of("3des|-cbc|arcfour")},
    "5.1.7": {"ClientAliveInterval": between(1, 86400), "ClientAliveCountMax": between(1, 100)},
    "5.1.8": {"DisableForwarding": "yes".__eq__},
    "5.1.9": {"GSSAPIAuthentication": "no".__eq__},
    "5.1.10": {"HostbasedAuthentication": "no".__eq__},
    "5.1.11": {"IgnoreRhosts": "yes".__eq__},
    "5.1.12": {"KexAlgorithms": names_none_of("group1-sha1|group14-sha1|exchange-sha1")},
    "5.1.13": {"LoginGraceTime": between(1, 60)},
    "5.1.14": {"LogLevel": ("INFO", "VERBOSE").__contains__},
    "5.1.15": {"MACs": names_none_of("md5|ripemd|sha1-96|umac-64|umac-128-etm")},
    "5.1.16": {"MaxAuthTries": between(1, 4)},
    "5.1.17": {"MaxSessions": between(0, 10)},
    "5.1.18": {"MaxStartups": starts_within_limits},
    "5.1.19": {"PermitEmptyPasswords": "no".__eq__},
    "5.1.20": {"PermitRootLogin": "no".__eq__},
    "5.1.21": {"PermitUserEnvironment": "no".__eq__},
    "5.1.22": {"UsePAM": "yes".__eq__},
}
BY_MODE = {"5.1.1", "5.1.2", "5.1.3"}


def unmet(recorded: Recorded, distribution: str, wish: plan.Wish) -> set[str]:
    """The rules that the drop-in of a wish does not meet."""
    known = parse.parse_effective(recorded(distribution, "sshd-T.txt"))
    version = parse.parse_version(recorded(distribution, "sshd-V.txt"))
    values = profiles.baseline(profile=wish.profile, known=known, operator_is_root=False)
    values.update(
        profiles.algorithms(profile=wish.profile, version=version, supported=supported(recorded, distribution))
    )
    files: dict[str, bytes] = {}
    values.update(
        extras.extras(
            wish, version, extras.Facts(files.get, lambda bits: (b"", b""), {"sshusers": True}.get, known)
        ).settings
    )
    settings = plan.merge(values, plan.asked_for(wish))
    return {
        rule
        for rule, wanted in CIS.items()
        if not all(keyword in settings and good(settings[keyword]) for keyword, good in wanted.items())
    }


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
@pytest.mark.parametrize("profile", ["modern", "pq_only", "intermediate"])
def test_e16_every_cis_rule_is_met_or_waived_by_name(recorded: Recorded, distribution: str, profile: str) -> None:
    assert {"5.1.{}".format(number) for number in range(1, 23)} == set(CIS) | BY_MODE
    assert unmet(recorded, distribution, plan.Wish(profile=profile)) == set(profiles.WAIVED) - BY_MODE


@pytest.mark.parametrize("distribution", ["debian12", "debian13"])
def test_with_the_options_that_are_the_sites_only_5_1_15_is_left(recorded: Recorded, distribution: str) -> None:
    wish = plan.Wish(allow_groups=["sshusers"], banner="No trespassing.", forwarding="none")
    assert unmet(recorded, distribution, wish) == {"5.1.15"}
