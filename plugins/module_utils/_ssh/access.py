# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would this operator still get in? Answered from effective values and what the host knows of the user. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import ipaddress
import re
import struct
from dataclasses import dataclass, field

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?:,|$)')
_KEY_TYPE = re.compile(r"^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$")


@dataclass(frozen=True)
class Connection:
    """Who is connected and from where; empty where it is not known (then it cannot be matched against)."""

    user: str
    address: str = ""
    local_address: str = ""
    local_port: str = ""

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
class Key:
    """A line of authorized_keys: key type, bits of an RSA modulus (0 for others), and its options."""

    kind: str
    bits: int
    options: dict[str, str]


@dataclass(frozen=True)
class Account:
    """What the host knows of the operator. ``problems`` says why key files were left out."""

    name: str
    uid: int
    groups: tuple[str, ...]
    has_password: bool
    locked: bool
    keys: tuple[Key, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class Ways:
    """How the operator gets in, and why the other ways are closed."""

    open: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def parse_authorized_keys(text: str) -> list[Key]:
    """Read authorized_keys; lines that are no key are passed over, as sshd does."""
    keys = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        options = ""
        if not _KEY_TYPE.match(line.split(None, 1)[0]):
            options, line = _split_options(line)
        words = line.split()
        if len(words) >= 2 and _KEY_TYPE.match(words[0]):
            blob = _decode(words[1])
            if blob:
                keys.append(Key(words[0], _rsa_bits(blob) if words[0] == "ssh-rsa" else 0, _parse_options(options)))
    return keys


def ways_in(effective: dict[str, list[str]], account: Account, connection: Connection, *, today: str) -> Ways:
    """The ways that are open to the operator under these effective values.

    ``today`` is YYYYMMDD, compared with the keys' expiry-time. A way that cannot be judged from here (certificates,
    keys from a command) counts as open and says so.
    """
    ways = Ways()
    barred = _barred(effective, account, connection)
    if barred:
        ways.closed.append(barred)
        return ways
    _public_keys(ways, effective, account, connection, today)
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


def _public_keys(
    ways: Ways, effective: dict[str, list[str]], account: Account, connection: Connection, today: str
) -> None:
    if _first(effective, "pubkeyauthentication", "yes") != "yes":
        ways.closed.append("PubkeyAuthentication is off")
        return
    wanted = _first(effective, "authenticationmethods", "any")
    if wanted != "any" and "publickey" not in wanted.split():
        ways.closed.append("AuthenticationMethods {} asks for more than a key".format(wanted))
        return
    for keyword in ("authorizedkeyscommand", "trustedusercakeys"):
        if _first(effective, keyword, "none") != "none":
            ways.open.append("publickey ({} {})".format(keyword, _first(effective, keyword, "")))
    refused = [_key_refused(key, effective, connection, today) for key in account.keys]
    if "" in refused:
        ways.open.append("publickey ({} of {} authorized keys)".format(refused.count(""), len(refused)))
    else:
        reasons = sorted(set(refused)) + list(account.problems)
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


def _key_refused(key: Key, effective: dict[str, list[str]], connection: Connection, today: str) -> str:
    """Why sshd would not take this key, or nothing."""
    accepted = _first(effective, "pubkeyacceptedalgorithms", "").split(",")
    names = {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"} if key.kind == "ssh-rsa" else {key.kind}
    if accepted != [""] and not names.intersection(accepted):
        return "{} is not in PubkeyAcceptedAlgorithms".format(key.kind)
    least = _first(effective, "requiredrsasize", "0")
    if key.kind == "ssh-rsa" and least.isdigit() and key.bits < int(least):
        return "an RSA key has {} bits and RequiredRSASize is {}".format(key.bits, least)
    if "cert-authority" in key.options:
        return "a line names a certificate authority"
    expiry = key.options.get("expiry-time", "")
    if expiry and expiry[:8] < today:
        return "a key expired on {}".format(expiry[:8])
    origin = key.options.get("from", "")
    if origin and connection.address and not _host_matches(origin, connection.address):
        return "a key is only good from {}".format(origin)
    return ""


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
        negated = entry.startswith("!")
        if _one_host_matches(entry.lstrip("!"), address):
            if negated:
                return False
            matched = True
    return matched


def _one_host_matches(pattern: str, address: str) -> bool:
    if "/" in pattern:
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    return fnmatch.fnmatchcase(address, pattern)


def _split_options(line: str) -> tuple[str, str]:
    """Options end at the first blank outside of quotes."""
    quoted = False
    for position, character in enumerate(line):
        if character == '"' and line[position - 1 : position] != "\\":
            quoted = not quoted
        elif character in " \t" and not quoted:
            return line[:position], line[position:].strip()
    return line, ""


def _parse_options(text: str) -> dict[str, str]:
    return {found.group("name").lower(): found.group("value") or "" for found in _OPTION.finditer(text)}


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _rsa_bits(blob: bytes) -> int:
    """Bits of the modulus: the third string of the blob (type, exponent, modulus)."""
    fields: list[bytes] = []
    while len(blob) >= 4 and len(fields) < 3:
        (length,) = struct.unpack(">I", blob[:4])
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0


def _first(effective: dict[str, list[str]], keyword: str, default: str) -> str:
    values = effective.get(keyword)
    return values[0] if values else default


def _words(effective: dict[str, list[str]], keyword: str) -> list[str]:
    return [word for value in effective.get(keyword, []) for word in value.split()]
