# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about algorithms, primes and host keys: what ssh-audit looks at from outside. Pure.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from ansible_collections.stockade.fleet.plugins.module_utils._ssh.finding import AUDIT, CIS, Evidence, Finding
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.moduli import SHORTEST

_PROFILE = "profile: modern of stockade.fleet.ssh_hardening"
_GROUP_EXCHANGE = "diffie-hellman-group-exchange-sha256"
_POLICY_RSA_BITS = 4096

_WEAK = (
    (
        "kexalgorithms",
        "weak-kex",
        "weak key exchange",
        re.compile(r"(group1-|group14-|exchange-)sha1|ecdh-sha2-nistp|group14-sha256"),
        CIS.format(12) + "; " + AUDIT.format("kex"),
    ),
    (
        "ciphers",
        "weak-cipher",
        "weak ciphers",
        re.compile(r"3des|-cbc|arcfour|blowfish|cast128"),
        CIS.format(6) + "; " + AUDIT.format("enc"),
    ),
    (
        "macs",
        "weak-mac",
        "weak message authentication",
        re.compile(r"md5|ripemd|sha1|umac-64|^hmac-sha2-\d+$|^umac-128@"),
        CIS.format(15) + "; " + AUDIT.format("mac"),
    ),
    (
        "hostkeyalgorithms",
        "weak-host-key",
        "weak host key algorithms",
        re.compile(r"^ssh-rsa|^ssh-dss|^ecdsa-"),
        AUDIT.format("key"),
    ),
)


def crypto(seen: Evidence) -> list[Finding]:
    """Algorithms as they come over the wire, else as configured, and the keys and primes they use."""
    return _algorithms(seen) + _post_quantum(seen) + _moduli(seen) + _host_keys(seen)


def _algorithms(seen: Evidence) -> list[Finding]:
    found = []
    for keyword, name, title, pattern, reference in _WEAK:
        configured = seen.first(keyword).split(",")
        names = seen.offered.get(keyword, configured)
        weak = [algorithm for algorithm in names if pattern.search(algorithm)]
        if weak:
            how = "offered on the wire" if keyword in seen.offered else "configured"
            evidence = "{}: {}".format(how, ", ".join(weak))
            found.append(Finding(name, "medium", title, evidence, reference, _PROFILE))
        if keyword in seen.offered and keyword != "hostkeyalgorithms" and names != configured:
            found.append(
                Finding(
                    id="not-loaded-" + keyword,
                    severity="medium",
                    title="the running daemon has not loaded the files",
                    evidence="offered {}; configured {}".format(",".join(names), ",".join(configured)),
                    reference="",
                    remedy="reload the ssh service",
                )
            )
    return found


def _kex(seen: Evidence) -> list[str]:
    names = seen.offered.get("kexalgorithms") or seen.first("kexalgorithms").split(",")
    return [name for name in names if name]


def _post_quantum(seen: Evidence) -> list[Finding]:
    names = _kex(seen)
    if not names or any(name.startswith(("mlkem", "sntrup")) for name in names):
        return []
    title = "no post-quantum key exchange: what is recorded today may be read later"
    return [Finding("no-post-quantum-kex", "low", title, ", ".join(names), AUDIT.format("kex"), _PROFILE)]


def _moduli(seen: Evidence) -> list[Finding]:
    if seen.moduli is None or _GROUP_EXCHANGE not in _kex(seen):
        return []
    path = seen.first("modulifile", "/etc/ssh/moduli")
    short = {bits: count for bits, count in seen.moduli.items() if bits < SHORTEST}
    if not seen.moduli:
        evidence = "{} holds none".format(path)
    elif short:
        evidence = "{}: {}".format(path, ", ".join("{} of {} bits".format(n, bits) for bits, n in short.items()))
    else:
        return []
    title = "primes for group exchange are short" if short else "no primes for group exchange"
    remedy = "moduli: true of stockade.fleet.ssh_hardening"
    return [Finding("short-moduli" if short else "no-moduli", "medium", title, evidence, AUDIT.format("dh"), remedy)]


def _host_keys(seen: Evidence) -> list[Finding]:
    found = []
    for key in seen.host_keys:
        if key.kind == "rsa" and key.bits < _POLICY_RSA_BITS:
            found.append(
                Finding(
                    id="short-host-key-" + key.path.rpartition("/")[2],
                    severity="medium" if key.bits < SHORTEST else "info",
                    title="the RSA host key is shorter than ssh-audit's policies want it",
                    evidence="{}: {} bits".format(key.path, key.bits),
                    reference=AUDIT.format("key"),
                    remedy="host_key_rsa_bits: {} of stockade.fleet.ssh_hardening".format(_POLICY_RSA_BITS),
                )
            )
    return found
