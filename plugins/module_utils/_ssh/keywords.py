# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keywords of sshd_config: their spelling, how values are written, which of them add up.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

# Only for spelling and for suggestions: whether a keyword exists is for the host's own sshd to say.
_NAMES = """
AcceptEnv AddressFamily AllowAgentForwarding AllowGroups AllowStreamLocalForwarding AllowTcpForwarding AllowUsers
AuthenticationMethods AuthorizedKeysCommand AuthorizedKeysCommandUser AuthorizedKeysFile AuthorizedPrincipalsCommand
AuthorizedPrincipalsCommandUser AuthorizedPrincipalsFile Banner CASignatureAlgorithms ChannelTimeout ChrootDirectory
Ciphers ClientAliveCountMax ClientAliveInterval Compression DebianBanner DenyGroups DenyUsers DisableForwarding
ExposeAuthInfo FingerprintHash ForceCommand GatewayPorts GSSAPIAuthentication GSSAPICleanupCredentials
GSSAPIKexAlgorithms GSSAPIKeyExchange GSSAPIStoreCredentialsOnRekey GSSAPIStrictAcceptorCheck
HostbasedAcceptedAlgorithms HostbasedAuthentication HostbasedUsesNameFromPacketOnly HostCertificate HostKey
HostKeyAgent HostKeyAlgorithms IgnoreRhosts IgnoreUserKnownHosts Include IPQoS KbdInteractiveAuthentication
KerberosAuthentication KerberosGetAFSToken KerberosOrLocalPasswd KerberosTicketCleanup KexAlgorithms ListenAddress
LoginGraceTime LogLevel LogVerbose MACs Match MaxAuthTries MaxSessions MaxStartups ModuliFile PAMServiceName
PasswordAuthentication PermitEmptyPasswords PermitListen PermitOpen PermitRootLogin PermitTTY PermitTunnel
PermitUserEnvironment PermitUserRC PerSourceMaxStartups PerSourceNetBlockSize PerSourcePenalties
PerSourcePenaltyExemptList PidFile Port PrintLastLog PrintMotd PubkeyAcceptedAlgorithms PubkeyAuthentication
PubkeyAuthOptions RDomain RefuseConnection RekeyLimit RequiredRSASize RevokedKeys SecurityKeyProvider SetEnv
StreamLocalBindMask StreamLocalBindUnlink StrictModes Subsystem SyslogFacility TCPKeepAlive TrustedUserCAKeys
UnusedConnectionTimeout UseDNS UsePAM VersionAddendum X11DisplayOffset X11Forwarding X11UseLocalhost XAuthLocation
"""

# Older names that sshd still reads; `sshd -T` prints the newer one.
ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
}

# For every other keyword sshd takes the first value it meets; these collect all of them (servconf.c).
ADDITIVE = frozenset(
    (
        "acceptenv",
        "allowgroups",
        "allowusers",
        "denygroups",
        "denyusers",
        "hostcertificate",
        "hostkey",
        "listenaddress",
        "port",
        "setenv",
    )
)
# Of these, more than we asked for is harmless or none of our business; a foreign AllowUsers is neither.
MAY_BE_MORE = ADDITIVE - {"allowgroups", "allowusers"}

# What a drop-in that comes first must not hold, and why.
REFUSED = {
    "include": "files are included by sshd_config itself",
    "match": "a Match block belongs in a file of its own that sorts last; the option match_blocks writes it",
    "persourcepenaltyexemptlist": "it has one writer, the module stockade.fleet.whitelist; add the addresses there",
    "port": "the option port moves the listener, and keeps the old port until somebody got in on the new one",
    "listenaddress": "this module does not move the listener",
}

# What sshd refuses in a Match block (tried with 9.2 and 10.0); the rest is for the host's own sshd to say.
_OUTSIDE = """
addressfamily ciphers compression debianbanner fingerprinthash gssapicleanupcredentials gssapikexalgorithms
gssapikeyexchange gssapistorecredentialsonrekey gssapistrictacceptorcheck hostcertificate hostkey hostkeyagent
hostkeyalgorithms ignoreuserknownhosts kerberosgetafstoken kerberosorlocalpasswd kerberosticketcleanup kexalgorithms
listenaddress logingracetime macs maxstartups modulifile permituserenvironment persourcemaxstartups
persourcenetblocksize persourcepenalties persourcepenaltyexemptlist pidfile port printlastlog printmotd
securitykeyprovider strictmodes syslogfacility tcpkeepalive usedns usepam versionaddendum xauthlocation
"""
NOT_IN_MATCH = frozenset(_OUTSIDE.split())

# Each value of these is a line of its own.
LINE_EACH = frozenset(("hostcertificate", "hostkey"))

# Where off is `none` and `no` would be the name of a file, a command or a user.
_WITH_NONE = """
authorizedkeyscommand authorizedkeysfile authorizedprincipalscommand authorizedprincipalsfile banner channeltimeout
chrootdirectory forcecommand hostkeyagent persourcemaxstartups pubkeyauthoptions revokedkeys trustedusercakeys
unusedconnectiontimeout versionaddendum
"""
_NONE = frozenset(_WITH_NONE.split())
_SPELLING = {name.lower(): name for name in _NAMES.split()}
_COMMA = frozenset(
    (
        "casignaturealgorithms",
        "ciphers",
        "gssapikexalgorithms",
        "hostbasedacceptedalgorithms",
        "hostkeyalgorithms",
        "kexalgorithms",
        "macs",
        "persourcepenaltyexemptlist",
        "pubkeyacceptedalgorithms",
    )
)
_KEYWORD = re.compile(r"^[A-Za-z][A-Za-z0-9]*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def canonical(keyword: str) -> str:
    """The name under which ``sshd -T`` prints a keyword."""
    lower = keyword.lower()
    return ALIASES.get(lower, lower)


def spelling(keyword: str) -> str:
    """A keyword as the manual spells it; unchanged if the manual does not have it."""
    return _SPELLING.get(keyword.lower(), keyword)


def suggestion(keyword: str) -> str:
    """`` (did you mean X?)`` for the nearest keyword, or nothing when none is near."""
    near = difflib.get_close_matches(keyword.lower(), list(_SPELLING), n=1, cutoff=0.6)
    return " (did you mean {}?)".format(_SPELLING[near[0]]) if near else ""


def check_keyword(keyword: str) -> str:
    """The keyword in its right spelling. Raises StockadeError for what cannot stand in our drop-in."""
    if not _KEYWORD.match(keyword):
        raise StockadeError("cannot set {!r}: not a keyword of sshd_config".format(keyword))
    reason = REFUSED.get(keyword.lower())
    if reason:
        raise StockadeError("cannot set {}: {}".format(spelling(keyword), reason))
    return spelling(keyword)


def render_value(keyword: str, value: Any) -> str:
    """A value as sshd reads it: YAML's booleans become yes and no (or none), lists are joined as the keyword wants it.

    Raises StockadeError for empty values, mappings and control characters.
    """
    if isinstance(value, bool):
        return _switch(keyword, value)
    if isinstance(value, int) and canonical(keyword) == "streamlocalbindmask":
        return "{:04o}".format(value)  # YAML has read 0177 as a number to the base 8
    if isinstance(value, int) and canonical(keyword) == "maxstartups" and value >= 3600:
        raise StockadeError(
            "cannot set MaxStartups to {}: YAML reads 2:30:2 as a number to the base 60, so put it in quotes".format(
                value
            )
        )
    if isinstance(value, (list, tuple)):
        parts = [render_value(keyword, item) for item in value]
        text = ("," if canonical(keyword) in _COMMA else " ").join(parts)
    elif isinstance(value, (str, int, float)):
        text = str(value).strip()
    else:
        raise StockadeError("cannot set {}: {} is not a value but a {}".format(keyword, value, type(value).__name__))
    if not text:
        raise StockadeError("cannot set {}: the value is empty".format(keyword))
    if _CONTROL.search(text):
        raise StockadeError("cannot set {} to {!r}: the value holds a control character".format(keyword, text))
    return text


def _switch(keyword: str, value: bool) -> str:
    """What YAML made of yes and no, on and off, true and false."""
    if canonical(keyword) not in _NONE:
        return "yes" if value else "no"
    if value:
        raise StockadeError("cannot set {} to true: it wants a value".format(spelling(keyword)))
    return "none"
