# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.1 of the CIS benchmarks, rule by rule, on a host that has what the role's README says a site adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Operator
from lockouthosts import Host

# What a site says itself: the table in the role's README. The mode of the distribution's file is the site's as well.
SITE: dict[str, Any] = {
    "allow_groups": ["sshusers"],
    "banner": "This host is private. What you do here is recorded.",
    "forwarding": "none",
}
_PREPARE = "groupadd sshusers && usermod -aG sshusers operator && chmod 0600 /etc/ssh/sshd_config"
_UNDO = "chmod 0644 /etc/ssh/sshd_config; groupdel sshusers"

WAIVED = {"5.1.15": "its check refuses umac-128-etm@openssh.com, which ssh-audit's policies ask for"}


@dataclass(frozen=True)
class Seen:
    """``effective`` is what sshd -T prints, keyword to values; ``files`` path to mode and owner."""

    effective: dict[str, list[str]]
    files: dict[str, tuple[int, str]]

    def one(self, keyword: str) -> str:
        """The only value of a keyword."""
        [value] = self.effective[keyword]
        return value

    def number(self, keyword: str) -> int:
        """The only value of a keyword, as a number."""
        return int(self.one(keyword))

    def modes(self, pattern: str, forbidden: int) -> bool:
        """Whether there are such files, they are root's, and no mode has a forbidden bit."""
        found = [about for path, about in self.files.items() if re.fullmatch(pattern, path)]
        return bool(found) and all(owner == "root:root" and not mode & forbidden for mode, owner in found)


def says(keyword: str, *values: str) -> Callable[[Seen], bool]:
    """A rule that wants one of some values."""
    return lambda seen: seen.one(keyword) in values


def within(keyword: str, least: int, most: int) -> Callable[[Seen], bool]:
    """A rule that wants a number between two others, these included."""
    return lambda seen: least <= seen.number(keyword) <= most


def names_none(keyword: str, pattern: str) -> Callable[[Seen], bool]:
    """A rule that forbids algorithms. That there are others is sshd's to see to."""
    return lambda seen: not [name for name in seen.one(keyword).split(",") if re.search(pattern, name)]


RULES: list[tuple[str, Callable[[Seen], bool]]] = [
    ("5.1.1", lambda seen: seen.modes(r"/etc/ssh/sshd_config(\.d/.*\.conf)?", 0o177)),
    ("5.1.2", lambda seen: seen.modes(r"/etc/ssh/.*_key", 0o177)),
    ("5.1.3", lambda seen: seen.modes(r"/etc/ssh/.*_key\.pub", 0o133)),
    ("5.1.4", lambda seen: bool({"allowusers", "allowgroups", "denyusers", "denygroups"} & set(seen.effective))),
    ("5.1.5", lambda seen: seen.one("banner").startswith("/")),
    ("5.1.6", names_none("ciphers", r"^3des|-cbc(@|$)|^arcfour|^blowfish|^cast128")),
    ("5.1.7", lambda seen: seen.number("clientaliveinterval") > 0 and seen.number("clientalivecountmax") > 0),
    ("5.1.8", says("disableforwarding", "yes")),
    ("5.1.9", says("gssapiauthentication", "no")),
    ("5.1.10", says("hostbasedauthentication", "no")),
    ("5.1.11", says("ignorerhosts", "yes")),
    ("5.1.12", names_none("kexalgorithms", r"^diffie-hellman-group(1|14|-exchange)-sha1$")),
    ("5.1.13", within("logingracetime", 1, 60)),
    ("5.1.14", says("loglevel", "INFO", "VERBOSE")),
    ("5.1.15", names_none("macs", r"md5|ripemd|sha1-96|^umac-64|^umac-128-etm|^hmac-sha1")),
    ("5.1.16", within("maxauthtries", 1, 4)),
    ("5.1.17", within("maxsessions", 0, 10)),
    (
        "5.1.18",
        lambda seen: all(
            int(value) <= most for value, most in zip(seen.one("maxstartups").split(":"), (10, 30, 60), strict=True)
        ),
    ),
    ("5.1.19", says("permitemptypasswords", "no")),
    ("5.1.20", says("permitrootlogin", "no")),
    ("5.1.21", says("permituserenvironment", "no")),
    ("5.1.22", says("usepam", "yes")),
]


def look(host: Host) -> Seen:
    """What is in force on a host, by sshd and by the file system."""
    effective: dict[str, list[str]] = {}
    for line in host.shell("mkdir -p /run/sshd && sshd -T").splitlines():
        keyword, _space, value = line.partition(" ")
        effective.setdefault(keyword, []).append(value)
    listed = [line.split() for line in host.shell("find /etc/ssh -type f -printf '%p %m %u:%g\\n'").splitlines()]
    return Seen(effective, {path: (int(mode, 8), owner) for path, mode, owner in listed})


def unmet(host: Host) -> set[str]:
    """The rules that a host does not meet."""
    seen = look(host)
    return {rule for rule, holds in RULES if not holds(seen)}


@pytest.fixture
def site(host: Host) -> Iterator[None]:
    """A group of those who may log in, and the distribution's file for root's eyes only."""
    host.shell(_PREPARE)
    yield
    host.shell(_UNDO)


def test_every_rule_is_met_or_waived_by_name(site: None, guest: Host, operator: Operator) -> None:
    """E15, E16, A43, AH29: by the effective values; and ssh_info names no other rule either."""
    assert [rule for rule, _holds in RULES] == [f"5.1.{number}" for number in range(1, 23)]
    assert {"5.1.4", "5.1.5", "5.1.8", "5.1.16"} <= unmet(guest)

    done = guest.harden(**SITE)
    assert not done["failed"] and done["changed"], done
    assert unmet(guest) == set(WAIVED)
    effective = look(guest).effective
    assert effective["passwordauthentication"] == effective["kbdinteractiveauthentication"] == ["no"]

    told = operator.adhoc(guest.name, "ssh_info", {})
    assert not told["failed"], told
    findings = told["ssh"]["findings"]
    assert {finding["cis"] for finding in findings} - {""} <= set(WAIVED), findings


def test_ssh_info_names_the_rules_that_a_host_does_not_meet(guest: Host, operator: Operator) -> None:
    """E18, EH6: what this file finds by itself, ssh_info finds as well, on a host that nobody hardened."""
    told = operator.adhoc(guest.name, "ssh_info", {})
    assert unmet(guest) <= {finding["cis"] for finding in told["ssh"]["findings"]}
