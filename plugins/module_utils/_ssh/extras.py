# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one option asks of several keywords, or of a file beside the drop-in: banner, forwarding, authorities and so on.

The files are ours alone and have names of their own, so that taking them away gives the host back what it had. Even the
moduli are a file of ours that `ModuliFile` names: the distribution's own is left for its updates.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import pwd
import re
import shutil
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import ConfigTree
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.hostkeys import (
    KINDS,
    OWN_RSA,
    Make,
    Read,
    Run,
    choose,
    maker,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keywords import canonical
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.matchblocks import MATCH, render_match
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.moduli import moduli, sizes
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.pam import find_code_module
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Version
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.penalties import KEYWORD, render_penalties
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import Wish
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.profiles import HOST_KEY_KINDS

BANNER = "/etc/ssh/stockade-banner"
AUTHORITIES = "/etc/ssh/stockade-user-ca.pub"
MODULI = "/etc/ssh/stockade-moduli"
PRINCIPALS = "/etc/ssh/stockade-principals."  # and the user's name
_FILES = (MATCH, BANNER, AUTHORITIES, MODULI, OWN_RSA, OWN_RSA + ".pub")
_DISTRIBUTIONS_MODULI = "/etc/ssh/moduli"

FORWARDING = {
    "none": {"DisableForwarding": "yes", "AllowTcpForwarding": "no", "AllowStreamLocalForwarding": "no"},
    "jump": {"DisableForwarding": "no", "AllowTcpForwarding": "local", "AllowStreamLocalForwarding": "no"},
    "all": {"DisableForwarding": "no", "AllowTcpForwarding": "yes", "AllowStreamLocalForwarding": "yes"},
}
_USER = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass
class Extras:
    """``settings`` come between the profile and what is asked for by name; ``files`` is every file of ours beside the
    drop-in, with None for those that shall not be there."""

    settings: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What has to be known of the host: ``known`` is what ``sshd -T`` prints, ``host_key_lines`` the keys that files of
    others name, ``present`` the files of ours on disk; ``read`` gives a file's content or None, ``make`` an RSA key,
    ``members`` whether a group has any (None: there is no such group)."""

    read: Read
    make: Make
    members: Callable[[str], bool | None]
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    host_key_lines: Sequence[str] = ()
    present: Iterable[str] = ()


def facts(run: Run, known: Mapping[str, Sequence[str]], tree: ConfigTree) -> Facts:
    """Facts of this host; ``tree`` is its configuration as it is."""
    return Facts(
        read=read_file,
        make=maker(run, shutil.which("ssh-keygen")),
        members=has_members,
        known=known,
        host_key_lines=[line.value for line in tree.foreign("HostKey", match=False)],
        present=[path for path in (*_FILES, *sorted(glob.glob(PRINCIPALS + "*"))) if os.path.lexists(path)],
    )


def extras(wish: Wish, version: Version, host: Facts) -> Extras:
    """Everything beside profile and plain settings; with state absent no file is left.

    Raises StockadeError for what cannot be.
    """
    found = Extras(files=dict.fromkeys([*_FILES, *host.present], None))
    if wish.state != "present":
        return found
    _groups(found, wish.allow_groups or [], host)
    blocks: list[Mapping[str, Any]] = list(wish.match_blocks or [])
    _forwarding(found, wish.forwarding)
    _banner(found, wish.banner, host.read)
    _moduli(found, wish, host)
    if wish.per_source_penalties:
        value, warnings = render_penalties(wish.per_source_penalties, version)
        found.settings.update({KEYWORD: value} if value else {})
        found.warnings += warnings
    _authorities(found, wish.user_ca_keys or [], wish.principals or {})
    if wish.two_factor:
        blocks = _two_factor(found, wish.two_factor_exempt or [], host) + blocks
    _host_keys(found, wish, host)
    found.files[MATCH] = render_match(blocks) if blocks else None
    return found


def mode(path: str) -> int:
    """The permission bits of a file of ours. What sshd reads as somebody else has to be readable."""
    return 0o644 if path in (BANNER, AUTHORITIES, MODULI, OWN_RSA + ".pub") or path.startswith(PRINCIPALS) else 0o600


def secret(path: str) -> bool:
    """Whether the content must stay out of diffs and results."""
    return path == OWN_RSA


def shown(path: str, content: bytes | None) -> str:
    """The content for a diff; a line about it where it is secret or half a megabyte of primes."""
    if content is None:
        return ""
    if secret(path):
        return "(secret)\n"
    if path == MODULI:
        return "".join("{} primes of {} bits\n".format(count, bits) for bits, count in sizes(content).items())
    return content.decode("utf-8", "replace")


def read_file(path: str) -> bytes | None:
    """The content of a file; None if it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return stream.read()
    return None


def has_members(name: str) -> bool | None:
    """Whether somebody is in a group, by its list or as the primary group; None if there is no such group."""
    try:
        group = grp.getgrnam(name)
    except KeyError:
        return None
    return bool(group.gr_mem) or any(user.pw_gid == group.gr_gid for user in pwd.getpwall())


def _groups(found: Extras, names: Sequence[str], host: Facts) -> None:
    """sshd is content with a group that nobody is in. Whether the operator is in one is asked elsewhere."""
    for name in names:
        inhabited = True if set("*?!") & set(name) else host.members(name)
        if not inhabited:
            what = "there is no such group" if inhabited is None else "nobody is in it"
            found.warnings.append("AllowGroups names {}: {} on this host".format(name, what))


def _forwarding(found: Extras, forwarding: str | None) -> None:
    if forwarding is None:
        return
    found.settings.update(FORWARDING[forwarding])
    switch = "yes" if forwarding == "all" else "no"
    found.settings.update({"AllowAgentForwarding": switch, "X11Forwarding": switch})
    found.settings.update({"PermitTunnel": "no", "GatewayPorts": "no"})


def _banner(found: Extras, banner: str | None, read: Read) -> None:
    text = (banner or "").strip()
    if not text:
        return
    if _CONTROL.search(text):
        raise StockadeError("cannot set Banner: the text holds a control character")
    if text.lower() in ("none", "false"):
        found.settings["Banner"] = "none"
    elif text.startswith("/") and len(text.split()) == 1:
        if read(text) is None:
            raise StockadeError("cannot set Banner to {}: there is no such file, and nobody would see it".format(text))
        found.settings["Banner"] = text
    else:
        found.settings["Banner"] = BANNER
        found.files[BANNER] = text.encode("utf-8", "surrogateescape") + b"\n"


def _host_keys(found: Extras, wish: Wish, host: Facts) -> None:
    """Keys in the order of the profile; who names keys or their algorithms in settings is not second-guessed."""
    asked = bool(wish.host_keys) or wish.host_key_rsa_bits is not None
    named = {"hostkey", "hostkeyalgorithms"} & {canonical(str(keyword)) for keyword in wish.settings}
    kinds = list(wish.host_keys or [])
    if not kinds and (asked or not named):
        kinds = list(HOST_KEY_KINDS.get(wish.profile, KINDS if asked else ()))
    paths, files = choose(kinds, wish.host_key_rsa_bits, lines=host.host_key_lines, read=host.read, make=host.make)
    if wish.host_keys and not paths:
        raise StockadeError("host_keys: this host has no key of the kind {}".format(" or ".join(kinds)))
    if paths == [OWN_RSA] and host.read(OWN_RSA) is None:
        raise StockadeError(
            "host_keys: the only host key would be one that is yet to be made, and sshd cannot be asked about a"
            " configuration without any; name another kind beside rsa"
        )
    found.settings.update({"HostKey": " ".join(paths)} if paths else {})
    found.files.update(files)


def _moduli(found: Extras, wish: Wish, host: Facts) -> None:
    wanted = wish.profile == "intermediate" if wish.moduli is None else wish.moduli
    before = host.read(_DISTRIBUTIONS_MODULI) if wanted else None
    if before is None:
        return
    after = moduli(before)
    if after == before:
        return
    if "modulifile" in host.known:
        found.settings["ModuliFile"] = MODULI
        found.files[MODULI] = after
    else:
        found.warnings.append("this sshd has no ModuliFile: its primes under 3072 bits stay")


def _authorities(found: Extras, authorities: Sequence[str], principals: Mapping[str, Sequence[str]]) -> None:
    if principals and not authorities:
        raise StockadeError("principals without user_ca_keys: only a certificate of an authority has any")
    if not authorities:
        return
    for line in authorities:
        keys = parse_authorized_keys(line)
        if len(keys) != 1 or keys[0].options or len(line.strip().splitlines()) != 1:
            raise StockadeError("user_ca_keys: {!r} is no public key in one line".format(line[:40]))
    found.settings["TrustedUserCAKeys"] = AUTHORITIES
    found.files[AUTHORITIES] = "".join(line.strip() + "\n" for line in authorities).encode("utf-8")
    if principals:
        found.settings["AuthorizedPrincipalsFile"] = PRINCIPALS + "%u"
    for user, names in principals.items():
        if not _USER.match(str(user)):
            raise StockadeError("principals: {!r} is no name of a user".format(user))
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list):
            raise StockadeError("principals of {}: {!r} is no list of names".format(user, names))
        for name in names:
            if len(str(name).split()) != 1 or str(name).startswith("#") or _CONTROL.search(str(name)):
                raise StockadeError("principals of {}: {!r} is not one word".format(user, name))
        found.files[PRINCIPALS + str(user)] = "".join("{}\n".format(name) for name in names).encode("utf-8")


def _two_factor(found: Extras, exempt: Sequence[str], host: Facts) -> list[Mapping[str, Any]]:
    """Key and code for everyone; the blocks that ask only a key of those who have nobody to type a code."""
    service = (list(host.known.get("pamservicename", [])) or ["sshd"])[0]
    module = find_code_module(host.read, service)
    if module is None:
        raise StockadeError(
            "two_factor: no pam_google_authenticator or pam_oath is among the auth lines of /etc/pam.d/{}, so nobody"
            " would ask for a code; set that up first, it is the site's own".format(service)
        )
    if module.optional:
        found.warnings.append(
            "{}:{} lets users without a secret in without a code ({} with nullok or optional)".format(
                module.path, module.line, module.name
            )
        )
    found.settings.update(
        {
            "AuthenticationMethods": "publickey,keyboard-interactive",
            "KbdInteractiveAuthentication": "yes",
            "PubkeyAuthentication": "yes",
            "UsePAM": "yes",
        }
    )
    for name in exempt:
        if not _USER.match(str(name)):
            raise StockadeError("two_factor_exempt: {!r} is no name of a user".format(name))
    if not exempt:
        return []
    return [{"match": "User " + ",".join(exempt), "settings": {"AuthenticationMethods": "publickey"}}]
