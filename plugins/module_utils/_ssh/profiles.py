# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The algorithm lists by OpenSSH version and the hardened values that go with them.

The lists follow the policies that ssh-audit ships for these versions, the values the CIS benchmarks' section 5.1.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version

PROFILES = ("modern", "pq_only", "intermediate", "fips", "policy", "none")

_KEX_POST_QUANTUM = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
)
_KEX_CURVE = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_KEX_FINITE_FIELD = (
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
)
_KEX_FIPS = ("ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", *_KEX_FINITE_FIELD[:2])
_CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-gcm@openssh.com",
    "aes128-ctr",
)
_MACS = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com")
_HOST_KEYS = (
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_HOST_KEYS_FIPS = (
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

# Which host keys a profile shows, in the order that ssh-audit's policies want: sshd offers them as its files name them.
_ELLIPTIC_AND_RSA = ("ed25519", "rsa")
HOST_KEY_KINDS = {
    "modern": _ELLIPTIC_AND_RSA,
    "pq_only": _ELLIPTIC_AND_RSA,
    "intermediate": _ELLIPTIC_AND_RSA,
    "fips": ("ecdsa", "rsa"),
}

# keyword -> kind that `ssh -Q` lists
QUERIES = {"KexAlgorithms": "kex", "Ciphers": "cipher", "MACs": "mac", "HostKeyAlgorithms": "HostKeyAlgorithms"}

# What every profile but `none` sets beside algorithms. AllowTcpForwarding is left alone (jump hosts need it), and so
# are PerSourcePenalties: their defaults are good, and harder ones shut out the controller.
BASELINE = {
    "PubkeyAuthentication": "yes",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PermitEmptyPasswords": "no",
    "HostbasedAuthentication": "no",
    "GSSAPIAuthentication": "no",
    "IgnoreRhosts": "yes",
    "StrictModes": "yes",
    "UsePAM": "yes",
    "LoginGraceTime": "60",
    "MaxAuthTries": "4",
    "MaxSessions": "10",
    "MaxStartups": "10:30:60",
    "ClientAliveInterval": "300",
    "ClientAliveCountMax": "3",
    "RequiredRSASize": "3072",
    "LogLevel": "VERBOSE",
    "UseDNS": "no",
    "Compression": "no",
    "X11Forwarding": "no",
    "AllowAgentForwarding": "no",
    "PermitTunnel": "no",
    "PermitUserEnvironment": "no",
}


# Rules of the CIS benchmarks' section 5.1 that the baseline does not meet by itself, and why; ssh_info reports them.
WAIVED = {
    "5.1.1": "modes of the distribution's files are not changed; nothing in them is secret, ours have mode 0600",
    "5.1.4": "who may log in is the site's to say: allow_users or allow_groups",
    "5.1.5": "what it says is the site's to say: banner",
    "5.1.8": "jump hosts and tunnels need it: forwarding: none",
    "5.1.15": "its check refuses umac-128-etm@openssh.com, which ssh-audit's policies ask for",
}

_LABELS = {
    "kexalgorithms": "key exchange",
    "ciphers": "cipher",
    "macs": "message authentication",
    "hostkeyalgorithms": "host key type",
}


def algorithms(*, profile: str, version: Version, supported: dict[str, list[str]]) -> dict[str, str]:
    """The lists of a profile as far as the host has them; keyword to comma-separated names.

    ``supported`` is keyword to the names the host knows. Raises StockadeError when nothing of a list is left:
    an empty list would be a fatal error for sshd, a made-up one a lockout.
    """
    lists = {}
    for keyword, names in _wanted(profile, version).items():
        # The same names sign for a host and for a user; `ssh -Q` is asked once.
        have = supported.get("HostKeyAlgorithms" if keyword == "PubkeyAcceptedAlgorithms" else keyword, [])
        known = [name for name in names if name in have]
        if not known:
            other = "intermediate" if profile in ("modern", "pq_only") and keyword == "KexAlgorithms" else "none"
            raise StockadeError(
                "cannot use profile {}: {} has none of its {} ({}); use profile: {}".format(
                    profile, version.text, keyword, ", ".join(names), other
                )
            )
        lists[keyword] = ",".join(known)
    return lists


def baseline(*, profile: str, known: dict[str, list[str]], operator_is_root: bool) -> dict[str, str]:
    """The hardened values that the host's sshd knows (``known`` is what ``sshd -T`` prints)."""
    if profile == "none":
        return {}
    values = {keyword: value for keyword, value in BASELINE.items() if keyword.lower() in known}
    if profile == "policy":
        values.pop("RequiredRSASize", None)  # crypto-policies have their own
    values["PermitRootLogin"] = "prohibit-password" if operator_is_root else "no"
    return values


def common(lists: Mapping[str, str], client: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Keyword to the names that host and client share, in the host's order.

    ``lists`` is what the host will offer (comma-separated), ``client`` what the controller's ssh knows (``ssh -Q``) or
    offers (``ssh -G``, with comma-separated values). A keyword that one side does not name is left out.
    """
    asked = {
        keyword.lower(): [name for value in values for name in value.split(",")] for keyword, values in client.items()
    }
    shared = {}
    for keyword, names in lists.items():
        if keyword.lower() in _LABELS and keyword.lower() in asked:
            shared[keyword] = [name for name in names.split(",") if name in asked[keyword.lower()]]
    return shared


def nothing_common(lists: Mapping[str, str], client: Mapping[str, Sequence[str]], *, profile: str, program: str) -> str:
    """Why the controller could not connect any more, or nothing; ``program`` such as ``OpenSSH_8.0p1``."""
    reasons = []
    for keyword, names in common(lists, client).items():
        if not names:
            reasons.append(
                "no common {} with the controller's {}: the host would offer {}".format(
                    _LABELS[keyword.lower()], program, lists[keyword].replace(",", ", ")
                )
            )
    if not reasons:
        return ""
    softer = "intermediate" if profile in ("modern", "pq_only") else "none"
    return "{}; use profile: {}, or a newer OpenSSH on the controller".format("; ".join(reasons), softer)


def _wanted(profile: str, version: Version) -> dict[str, tuple[str, ...]]:
    """The lists in the order in which ssh-audit's policies compare them; nothing for `policy` and `none`."""
    if profile in ("policy", "none"):
        return {}
    if profile == "fips":
        return {
            "KexAlgorithms": _KEX_FIPS,
            "Ciphers": _CIPHERS[1:],
            "MACs": _MACS[:2],
            "HostKeyAlgorithms": _HOST_KEYS_FIPS,
            "PubkeyAcceptedAlgorithms": _HOST_KEYS_FIPS,
        }
    # Ubuntu 24.04 has an order of its own, the other policies for OpenSSH before 10.0 have the shorter hash first.
    ubuntu = "Ubuntu" in version.text and (9, 6) <= version.number < (10, 0)
    kex: tuple[str, ...] = _KEX_POST_QUANTUM
    if profile != "pq_only":
        kex += _KEX_CURVE
    if profile == "intermediate":
        kex += (_KEX_FINITE_FIELD[1:] + _KEX_FINITE_FIELD[:1]) if ubuntu else _KEX_FINITE_FIELD
    return {
        "KexAlgorithms": kex,
        "Ciphers": _CIPHERS,
        "MACs": _MACS if ubuntu or version.number >= (10, 0) else (_MACS[1], _MACS[0], _MACS[2]),
        "HostKeyAlgorithms": _HOST_KEYS,
    }
