# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about what stands around a login: penalties, the second factor, banner, forwarding, listeners. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.finding import CIS, Evidence, Finding, source

_MODULE = "{} of stockade.fleet.ssh_hardening"
_EVERYONE = ("0.0.0.0/0", "::/0")


def around(seen: Evidence) -> list[Finding]:
    """All of them."""
    return _penalties(seen) + _second_factor(seen) + _banner(seen) + _forwarding(seen) + _listeners(seen)


def _penalties(seen: Evidence) -> list[Finding]:
    found = []
    if seen.first("persourcepenalties") == "no":
        found.append(
            Finding(
                id="penalties-off",
                severity="medium",
                title="sshd does not slow down who guesses",
                evidence="PerSourcePenalties no" + source(seen.tree, "persourcepenalties"),
                reference="ssh-audit DHEat",
                remedy="remove the line: sshd's defaults are good",
            )
        )
    exempt = {entry for value in seen.effective.get("persourcepenaltyexemptlist", []) for entry in value.split(",")}
    if exempt.intersection(_EVERYONE):
        found.append(
            Finding(
                id="penalties-exempt-everyone",
                severity="medium",
                title="everyone is exempt from sshd's penalties",
                evidence=", ".join(sorted(exempt)) + source(seen.tree, "persourcepenaltyexemptlist"),
                reference="ssh-audit DHEat",
                remedy="name addresses, with stockade.fleet.whitelist",
            )
        )
    return found


def _second_factor(seen: Evidence) -> list[Finding]:
    """A code that is set up but never asked for, or asked for but never set up."""
    dialogue = seen.first("kbdinteractiveauthentication", "no") == "yes"
    required = "keyboard-interactive" in seen.first("authenticationmethods", "any")
    where = "{}:{}".format(seen.code.path, seen.code.line) if seen.code else ""
    found = []
    if seen.code and not dialogue:
        found.append(
            Finding(
                id="code-never-asked",
                severity="medium",
                title="PAM is set up to ask for a code, but sshd lets it ask nothing",
                evidence="{} ({}); KbdInteractiveAuthentication no{}".format(
                    seen.code.name, where, source(seen.tree, "kbdinteractiveauthentication")
                ),
                reference="sshd_config(5)",
                remedy=_MODULE.format("two_factor: true"),
            )
        )
    if seen.code and seen.code.optional:
        found.append(
            Finding(
                id="code-optional",
                severity="low",
                title="users without a secret are not asked for a code",
                evidence="{} ({})".format(seen.code.name, where),
                reference="pam.d(5)",
                remedy="remove nullok once everyone has a secret",
            )
        )
    if required and not seen.code:
        found.append(
            Finding(
                id="code-without-module",
                severity="medium",
                title="a second factor is required, but no PAM module for codes is set up",
                evidence="AuthenticationMethods {}".format(seen.first("authenticationmethods")),
                reference="pam.d(5)",
                remedy="set up pam_google_authenticator or pam_oath in /etc/pam.d/sshd",
            )
        )
    return found


def _banner(seen: Evidence) -> list[Finding]:
    if seen.first("banner", "x") != "none":
        return []
    evidence = "Banner none" + source(seen.tree, "banner")
    title = "nobody is told whose host it is before the login"
    return [Finding("no-banner", "info", title, evidence, CIS.format(5), _MODULE.format("banner"))]


def _forwarding(seen: Evidence) -> list[Finding]:
    """Of TCP connections and of sockets of the file system; the other kinds have a finding each."""
    keywords = {"allowtcpforwarding": "AllowTcpForwarding", "allowstreamlocalforwarding": "AllowStreamLocalForwarding"}
    is_open = [keyword for keyword in keywords if seen.first(keyword, "no") != "no"]
    if not is_open or seen.first("disableforwarding", "no") == "yes":
        return []
    evidence = ", ".join(
        "{} {}{}".format(keywords[keyword], seen.first(keyword), source(seen.tree, keyword)) for keyword in is_open
    )
    title = "connections may be forwarded, which only jump hosts need"
    return [Finding(is_open[0], "info", title, evidence, CIS.format(8), _MODULE.format("forwarding: none"))]


def _listeners(seen: Evidence) -> list[Finding]:
    """IPv6 forgotten: a firewall of the site that only looks at IPv4 has the same hole."""
    said = [d for d in seen.tree.directives if d.keyword == "listenaddress"]
    listening = seen.effective.get("listenaddress", [])
    if not said or not listening or any("[" in address for address in listening):
        return []
    return [
        Finding(
            id="no-ipv6-listener",
            severity="info",
            title="sshd does not listen on IPv6",
            evidence=", ".join("{} {} ({})".format("ListenAddress", d.value, d.where) for d in said),
            reference="sshd_config(5)",
            remedy="add ListenAddress [::] unless that is meant",
        )
    ]
