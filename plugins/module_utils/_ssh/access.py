# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would this operator still get in? Answered from effective values and what the host knows of the user. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from dataclasses import dataclass, field

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import Key


@dataclass(frozen=True)
class Connection:
    """Who is connected and from where; empty where it is not known (then it cannot be matched against)."""

    user: str
    address: str = ""
    local_address: str = ""
    local_port: str = ""
    port: str = ""

    @property
    def spec(self) -> str:
        """What ``sshd -T -C`` wants."""
        parts = ["user=" + self.user]
        if self.address:
            parts += ["host=" + self.address, "addr=" + self.address]
        if self.local_address:
            parts.append("laddr=" + self.local_address)
        if self.local_port:
            parts.append("lport=" + self.local_port)
        return ",".join(parts)


@dataclass(frozen=True)
class Account:
    """What the host knows of the operator.

    ``problems`` says why key files were left out, ``revoked`` which fingerprints RevokedKeys names, ``all_revoked`` why
    it refuses every key ("" if it does not).
    """

    name: str
    uid: int
    groups: tuple[str, ...]
    has_password: bool
    locked: bool
    keys: tuple[Key, ...] = ()
    problems: tuple[str, ...] = ()
    revoked: frozenset[str] = frozenset()
    all_revoked: str = ""


@dataclass
class Ways:
    """How the operator gets in, and why the other ways are closed.

    ``usable`` are the keys that sshd takes, ``refused`` the others with reason and keyword ("" if no keyword is to
    blame), ``no_keys`` why none is taken at all, ``unjudged`` the open ways that this host cannot judge.
    """

    open: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    usable: list[Key] = field(default_factory=list)
    refused: list[tuple[Key, str, str]] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    no_keys: str = ""


@dataclass(frozen=True)
class Proof:
    """Forced commands that are no obstacle, because this very run came through them: of a key, and ForceCommand."""

    fingerprint: str = ""
    command: str = ""


def ways_in(
    effective: dict[str, list[str]],
    account: Account,
    connection: Connection,
    *,
    now: str,
    proof: Proof = Proof(),
) -> Ways:
    """The ways that are open to the operator under these effective values.

    ``now`` is YYYYMMDDHHMMSS, compared with the keys' expiry-time. A way that cannot be judged from here (certificates,
    keys from a command) counts as open and says so. A forced command is no way in, except with ``proof``.
    """
    ways = Ways()
    barred = _barred(effective, account, connection) or _forced(effective, proof)
    if barred:
        ways.no_keys = barred
        ways.closed.append(barred)
        return ways
    _public_keys(ways, effective, account, connection, now, proof)
    _passwords(ways, effective, account)
    return ways


def _barred(effective: dict[str, list[str]], account: Account, connection: Connection) -> str:
    """Why sshd would not let this account in whatever it presents, in the order in which sshd looks."""
    name = account.name
    if account.locked and _first(effective, "usepam", "no") == "no":
        return "the password of {} is locked, which refuses every login with UsePAM no".format(name)
    for pattern in _words(effective, "denyusers"):
        if _user_matches(pattern, connection):
            return "DenyUsers {} names {}".format(pattern, name)
    allowed = _words(effective, "allowusers")
    if allowed and not any(_user_matches(pattern, connection) for pattern in allowed):
        return "AllowUsers {} leaves {} out".format(" ".join(allowed), name)
    for pattern in _words(effective, "denygroups"):
        if any(fnmatch.fnmatchcase(group, pattern) for group in account.groups):
            return "DenyGroups {} names a group of {}".format(pattern, name)
    groups = _words(effective, "allowgroups")
    if groups and not any(fnmatch.fnmatchcase(group, pattern) for group in account.groups for pattern in groups):
        return "AllowGroups {} holds no group of {}".format(" ".join(groups), name)
    if account.uid == 0 and _first(effective, "permitrootlogin", "") in ("no", "forced-commands-only"):
        return "PermitRootLogin {} shuts out root, who is connected".format(_first(effective, "permitrootlogin", ""))
    return ""


def _forced(effective: dict[str, list[str]], proof: Proof) -> str:
    command = _first(effective, "forcecommand", "none")
    if command in ("none", proof.command):
        return ""
    return "ForceCommand {} runs instead of a shell".format(ascii(command))


def _public_keys(
    ways: Ways,
    effective: dict[str, list[str]],
    account: Account,
    connection: Connection,
    now: str,
    proof: Proof,
) -> None:
    wanted = _first(effective, "authenticationmethods", "any")
    if _first(effective, "pubkeyauthentication", "yes") != "yes":
        ways.no_keys = "PubkeyAuthentication is off"
    elif wanted != "any" and "publickey" not in wanted.split():
        ways.no_keys = "AuthenticationMethods {} asks for more than a key".format(wanted)
    elif account.all_revoked:
        ways.no_keys = account.all_revoked
    if ways.no_keys:
        ways.closed.append(ways.no_keys)
        return
    for keyword in ("authorizedkeyscommand", "trustedusercakeys"):
        if _first(effective, keyword, "none") != "none":
            ways.unjudged.append("publickey ({} {})".format(keyword, _first(effective, keyword, "")))
    ways.open += ways.unjudged
    forced = set()
    for key in account.keys:
        reason, keyword = _key_refused(key, effective, connection, now)
        if key.fingerprint in account.revoked:
            reason, keyword = "RevokedKeys names it", "RevokedKeys"
        # The first line that fits is the one sshd takes, so a line after a forced command does not help.
        if not reason and key.fingerprint != proof.fingerprint and "command" in key.options:
            forced.add(key.fingerprint)
        if not reason and key.fingerprint in forced:
            reason = "a key runs a forced command (command=) and nothing else"
        if reason:
            ways.refused.append((key, reason, keyword))
        else:
            ways.usable.append(key)
    if ways.usable:
        ways.open.append("publickey ({} of {} authorized keys)".format(len(ways.usable), len(account.keys)))
    else:
        reasons = sorted({reason for _key, reason, _keyword in ways.refused}) + list(account.problems)
        ways.closed.append("no usable authorized key" + (": " + "; ".join(reasons) if reasons else ""))


def _passwords(ways: Ways, effective: dict[str, list[str]], account: Account) -> None:
    interactive = _first(effective, "kbdinteractiveauthentication", "no") == "yes"
    if not interactive and _first(effective, "passwordauthentication", "yes") != "yes":
        ways.closed.append("passwords are off")
    elif not account.has_password:
        ways.closed.append("{} has no password".format(account.name))
    elif account.uid == 0 and _first(effective, "permitrootlogin", "") != "yes":
        ways.closed.append("root may not use a password")
    elif _first(effective, "authenticationmethods", "any") not in ("any", "password", "keyboard-interactive"):
        ways.closed.append("AuthenticationMethods asks for more than a password")
    else:
        ways.open.append("password")


def _key_refused(key: Key, effective: dict[str, list[str]], connection: Connection, now: str) -> tuple[str, str]:
    """Why sshd would not take this key and the keyword to blame, or nothing."""
    older = _first(effective, "pubkeyacceptedkeytypes", "")  # its name before OpenSSH 8.5
    accepted = _first(effective, "pubkeyacceptedalgorithms", older).split(",")
    names = {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"} if key.kind == "ssh-rsa" else {key.kind}
    if accepted != [""] and not names.intersection(accepted):
        return "{} is not in PubkeyAcceptedAlgorithms".format(key.kind), "PubkeyAcceptedAlgorithms"
    least = _first(effective, "requiredrsasize", "0")
    if key.kind == "ssh-rsa" and least.isdigit() and key.bits < int(least):
        return "an RSA key has {} bits and RequiredRSASize is {}".format(key.bits, least), "RequiredRSASize"
    if "cert-authority" in key.options:
        return "a line names a certificate authority", ""
    expiry = key.options.get("expiry-time", "")
    if expiry and expiry.rstrip("Zz").ljust(14, "0") <= now:  # a day alone is its first second
        return "a key expired on {}".format(expiry[:8]), ""
    origin = key.options.get("from", "")
    if origin and connection.address and not _host_matches(origin, connection.address):
        return "a key is only good from {}".format(origin), ""
    return "", ""


def _user_matches(pattern: str, connection: Connection) -> bool:
    user, at, host = pattern.rpartition("@")
    if not at:
        return fnmatch.fnmatchcase(connection.user, pattern)
    if not fnmatch.fnmatchcase(connection.user, user):
        return False
    # Without a known address the pattern cannot be judged; taking it as a match would promise too much.
    return bool(connection.address) and _host_matches(host, connection.address)


def _host_matches(patterns: str, address: str) -> bool:
    """sshd's pattern list: names, wildcards, CIDR, ``!`` in front negates and wins."""
    matched = False
    for entry in patterns.split(","):
        negated, pattern = entry.startswith("!"), entry.lstrip("!")
        try:
            fits = ipaddress.ip_address(address) in ipaddress.ip_network(pattern)
        except ValueError:
            if "/" in pattern:
                return False  # bits behind the prefix: sshd takes nothing of such a list
            fits = fnmatch.fnmatchcase(address, pattern)
        if fits and negated:
            return False
        matched = matched or fits
    return matched


def _first(effective: dict[str, list[str]], keyword: str, default: str) -> str:
    values = effective.get(keyword)
    return values[0] if values else default


def _words(effective: dict[str, list[str]], keyword: str) -> list[str]:
    return [word for value in effective.get(keyword, []) for word in value.split()]
