# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys by which the host shows who it is: which there are, which sshd shall show, and a longer RSA key.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Callable, Iterable, List, Sequence, Tuple

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys

Read = Callable[[str], "bytes | None"]
Make = Callable[[int], Tuple[bytes, bytes]]
Run = Callable[[List[str]], Tuple[int, str, str]]

# A key of ours beside those of the distribution, which stay as they are: going back is one line less.
OWN_RSA = "/etc/ssh/stockade_host_rsa_key"
KINDS = ("ed25519", "rsa", "ecdsa")
_USUAL = tuple("/etc/ssh/ssh_host_{}_key".format(kind) for kind in KINDS)


@dataclass(frozen=True)
class HostKey:
    """A host key by its public half; ``kind`` is one of KINDS or ssh's own name, ``bits`` 0 where the kind has one."""

    path: str
    kind: str
    bits: int
    fingerprint: str


def host_keys(paths: Iterable[str], read: Read) -> list[HostKey]:
    """What stands in the ``.pub`` files beside these private keys; keys without one are left out."""
    found = []
    for path in dict.fromkeys(paths):
        for key in parse_authorized_keys((read(path + ".pub") or b"").decode("utf-8", "replace"))[:1]:
            kind = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(key.kind, key.kind)
            kind = "ecdsa" if kind.startswith("ecdsa-") else kind
            found.append(HostKey(path, kind, key.bits, key.fingerprint))
    return found


def choose(
    kinds: Sequence[str], rsa_bits: int | None, *, lines: Sequence[str], read: Read, make: Make
) -> tuple[list[str], dict[str, bytes | None]]:
    """The paths for HostKey in the order of ``kinds``, and the files of our own RSA key (None: it is not wanted).

    The order counts: sshd offers its keys in the order in which it was given them. ``lines`` are the keys that other
    files name; without any, sshd has its usual ones. With ``rsa_bits`` a shorter RSA key gives way to one of ours, made
    once. There may be no key of these kinds, then there is no path either.
    """
    files: dict[str, bytes | None] = {OWN_RSA: None, OWN_RSA + ".pub": None}
    present = host_keys(lines or _USUAL, read)
    paths = []
    for kind in kinds:
        fit = [key.path for key in present if key.kind == kind and (kind != "rsa" or key.bits >= (rsa_bits or 0))]
        if kind == "rsa" and rsa_bits is not None and not fit:
            own = [key for key in host_keys([OWN_RSA], read) if key.bits >= rsa_bits]
            private, public = read(OWN_RSA), read(OWN_RSA + ".pub")
            if not own or private is None or public is None:
                private, public = make(rsa_bits)
            files = {OWN_RSA: private, OWN_RSA + ".pub": public}
            fit = [OWN_RSA]
        paths += fit
    return paths, files


def maker(run: Run, keygen: str | None) -> Make:
    """A function that makes an RSA key of so many bits: its private and its public file. Nothing stays on disk."""

    def make(bits: int) -> tuple[bytes, bytes]:
        if keygen is None:
            raise StockadeError("no ssh-keygen on this host: an RSA host key of {} bits cannot be made".format(bits))
        directory = tempfile.mkdtemp(prefix="stockade-ssh-")  # mode 0700
        try:
            path = os.path.join(directory, "key")
            comment = "root@" + os.uname().nodename
            rc, _out, err = run([keygen, "-q", "-t", "rsa", "-b", str(bits), "-N", "", "-C", comment, "-f", path])
            if rc != 0:
                raise StockadeError("cannot make an RSA host key: {}".format(" ".join(err.split())))
            with open(path, "rb") as private, open(path + ".pub", "rb") as public:
                return private.read(), public.read()
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    return make
