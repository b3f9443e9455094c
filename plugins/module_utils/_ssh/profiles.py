# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The algorithm lists by OpenSSH version and the hardened values that go with them.

The lists follow the policies that ssh-audit ships for these versions, the values the CIS benchmarks' section 5.1.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version

PROFILES = ("modern", "intermediate", "none")

_KEX_MODERN = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
)
_KEX_FINITE_FIELD = (
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
)
_CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-gcm@openssh.com",
    "aes128-ctr",
)
_MACS = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com")
# The policies for OpenSSH before 10.0 have the shorter hash first, and policies compare the order.
_MACS_BEFORE_10 = (_MACS[1], _MACS[0], _MACS[2])
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

# keyword -> kind that `ssh -Q` lists
QUERIES = {"KexAlgorithms": "kex", "Ciphers": "cipher", "MACs": "mac", "HostKeyAlgorithms": "HostKeyAlgorithms"}

# What both profiles set beside algorithms. AllowTcpForwarding is left alone (jump hosts need it), and so are
# PerSourcePenalties: their defaults are good, and harder ones shut out the controller.
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


def algorithms(*, profile: str, version: Version, supported: dict[str, list[str]]) -> dict[str, str]:
    """The lists of a profile as far as the host has them; keyword to comma-separated names.

    ``supported`` is keyword to the names the host knows. Raises StockadeError when nothing of a list is left:
    an empty list would be a fatal error for sshd, a made-up one a lockout.
    """
    if profile == "none":
        return {}
    wanted = {
        "KexAlgorithms": _KEX_MODERN + (_KEX_FINITE_FIELD if profile == "intermediate" else ()),
        "Ciphers": _CIPHERS,
        "MACs": _MACS if version.number >= (10, 0) else _MACS_BEFORE_10,
        "HostKeyAlgorithms": _HOST_KEYS,
    }
    lists = {}
    for keyword, names in wanted.items():
        known = [name for name in names if name in supported.get(keyword, [])]
        if not known:
            raise StockadeError(
                "cannot use profile {}: {} has none of its {} ({}); use profile: none".format(
                    profile, version.text, keyword, ", ".join(names)
                )
            )
        lists[keyword] = ",".join(known)
    return lists


def baseline(*, profile: str, known: dict[str, list[str]], operator_is_root: bool) -> dict[str, str]:
    """The hardened values that the host's sshd knows (``known`` is what ``sshd -T`` prints)."""
    if profile == "none":
        return {}
    values = {keyword: value for keyword, value in BASELINE.items() if keyword.lower() in known}
    values["PermitRootLogin"] = "prohibit-password" if operator_is_root else "no"
    return values
