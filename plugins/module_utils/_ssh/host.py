# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host: its sshd, its listener, the operator who is connected. Reads only.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import stat
from dataclasses import dataclass
from typing import Callable, List, Tuple

from ansible_collections.stockade.fleet.plugins.module_utils._controller import inherited
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Account, Connection
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.keys import parse_authorized_keys
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import (
    Complaint,
    Unit,
    Version,
    parse_algorithms,
    parse_complaints,
    parse_effective,
    parse_units,
    parse_version,
    split_endpoint,
)

Run = Callable[[List[str]], Tuple[int, str, str]]

_UNITS = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"]
_PRIVSEP = "/run/sshd"


@dataclass(frozen=True)
class Listener:
    """Who holds the port: ``mode`` is service, socket or none; ``service`` is the unit to reload, if it runs."""

    mode: str
    service: Unit | None
    socket: Unit | None


class Sshd:
    """The host's sshd, asked through its own options. ``run`` is ``module.run_command``."""

    def __init__(self, run: Run, binary: str) -> None:
        self._run = run
        self._binary = binary

    def version(self) -> Version:
        _rc, out, err = self._run([self._binary, "-V"])
        return parse_version(out + err)

    def test(self, path: str) -> tuple[bool, list[Complaint]]:
        """``sshd -t``: whether the configuration is good, and every complaint (good ones have warnings)."""
        rc, _out, err = self._run([self._binary, "-t", "-f", path])
        return rc == 0, parse_complaints(err)

    def effective(self, path: str, connection: Connection | None = None) -> dict[str, list[str]]:
        """``sshd -T``: the values in force, outside of Match blocks or for one connection."""
        argv = [self._binary, "-T", "-f", path]
        if connection is not None:
            argv += ["-C", connection.spec]
        rc, out, err = self._run(argv)
        if rc != 0:
            raise StockadeError("cannot read the effective configuration: {}".format(err.strip() or "sshd -T failed"))
        return parse_effective(out)

    def supported(
        self, ssh: str | None, kinds: dict[str, str], effective: dict[str, list[str]]
    ) -> dict[str, list[str]]:
        """Keyword to the algorithms the host knows; without ssh(1), at least those in use are known."""
        known = {}
        for keyword, kind in kinds.items():
            known[keyword] = list(effective.get(keyword.lower(), [""])[0].split(","))
            if ssh is not None:
                rc, out, _err = self._run([ssh, "-Q", kind])
                if rc == 0:
                    known[keyword] = parse_algorithms(out)
        return known


def find_sshd(get_bin_path: Callable[..., str | None]) -> str:
    """Where sshd is; sshd itself insists on an absolute path. Raises StockadeError on a host without it."""
    path = get_bin_path("sshd", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if not path:
        raise StockadeError("no sshd on this host: install the package openssh-server first")
    return path


def require_root() -> None:
    """Host keys and other users' files are root's. Raises StockadeError."""
    if os.geteuid() != 0:
        raise StockadeError("needs root: add -b (become)")


def prepare_privsep_directory() -> None:
    """sshd does not even test a configuration without its empty directory, which the unit makes when it starts."""
    if os.path.isdir("/run") and not os.path.isdir(_PRIVSEP):
        os.mkdir(_PRIVSEP, 0o755)


def find_listener(run: Run) -> Listener:
    """Ask systemd who listens. On a host without systemd nobody is known to."""
    argv = ["systemctl", "show", "--property=Id,LoadState,ActiveState,MainPID,Listen", *_UNITS]
    rc, out, _err = run(argv) if shutil.which("systemctl", path="/usr/bin:/bin:/usr/sbin:/sbin") else (1, "", "")
    units = {unit.name: unit for unit in parse_units(out)} if rc == 0 else {}
    sockets = [units[name] for name in _UNITS[2:] if name in units and units[name].active]
    services = [units[name] for name in _UNITS[:2] if name in units and units[name].active]
    mode = "socket" if sockets else "service" if services else "none"
    return Listener(mode, services[0] if services else None, sockets[0] if sockets else None)


def endpoints(listener: Listener, effective: dict[str, list[str]]) -> list[tuple[str, int]]:
    """Addresses and ports that should answer, as seen from the host itself."""
    texts = list(listener.socket.listen) if listener.socket else effective.get("listenaddress", [])
    found = []
    for text in texts:
        address, port = split_endpoint(text)
        # Bound to every address, so loopback answers; `::` from a socket unit takes IPv4 as well.
        local = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1" if listener.socket else "::1"}.get(address, address)
        if (local, port) not in found:
            found.append((local, port))
    return found


def find_connection(user: str | None) -> Connection:
    """Who is connected and from where: the option, or what sudo, the login and the ancestors' environment say."""
    name = user or os.environ.get("SUDO_USER") or _login_user() or pwd.getpwuid(os.getuid()).pw_name
    words = inherited("SSH_CONNECTION").split()
    if len(words) != 4:
        return Connection(name)
    return Connection(name, address=words[0], local_address=words[2], local_port=words[3], port=words[1])


def find_account(name: str, effective: dict[str, list[str]]) -> Account:
    """What the host knows of a user. Raises StockadeError for a user it does not have."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StockadeError(
            "operator {!r} is no user of this host: give the user who logs in as `operator`".format(name)
        ) from None
    groups = []
    for gid in os.getgrouplist(name, entry.pw_gid):
        try:
            groups.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    hashed = _shadow_field(name)
    revoked, all_revoked = _revoked(effective.get("revokedkeys", ["none"])[0])
    keys = []
    problems = []
    for path in key_files(effective, entry):
        text, problem = _read_keys(path, entry, strict=effective.get("strictmodes", ["yes"])[0] == "yes")
        keys.extend(parse_authorized_keys(text, path))
        if problem:
            problems.append(problem)
    return Account(
        name=name,
        uid=entry.pw_uid,
        groups=tuple(groups),
        has_password=hashed is None or (hashed != "" and hashed[0] not in "!*"),
        locked=hashed is not None and hashed.startswith("!"),
        keys=tuple(keys),
        problems=tuple(problems),
        revoked=revoked,
        all_revoked=all_revoked,
    )


def key_files(effective: dict[str, list[str]], entry: pwd.struct_passwd) -> list[str]:
    """AuthorizedKeysFile for one user, with sshd's tokens resolved."""
    tokens = {"%%": "%", "%h": entry.pw_dir, "%u": entry.pw_name, "%U": str(entry.pw_uid)}
    paths = []
    for pattern in " ".join(effective.get("authorizedkeysfile", [])).split():
        if pattern != "none":
            path = re.sub(r"%[%huU]", lambda found: tokens[found.group(0)], pattern)
            paths.append(os.path.join(entry.pw_dir, path))
    return paths


def _read_keys(path: str, entry: pwd.struct_passwd, *, strict: bool) -> tuple[str, str]:
    """Text of a key file as sshd would take it, or why it would not."""
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return "", "{}: {}".format(path, error.strerror)
    place = os.path.realpath(path)
    home = os.path.realpath(entry.pw_dir)
    while strict:
        about = os.stat(place)
        if about.st_uid not in (0, entry.pw_uid) or stat.S_IMODE(about.st_mode) & 0o022:
            return "", "{} may be written by others, which StrictModes refuses".format(place)
        if place in (home, "/"):
            break
        place = os.path.dirname(place)
    return text, ""


def _revoked(path: str) -> tuple[frozenset[str], str]:
    """The fingerprints that a list of RevokedKeys names, or why every key is refused.

    A binary list (KRL) is not read here: the new login shows what it says.
    """
    if path == "none":
        return frozenset(), ""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        return frozenset(), "RevokedKeys {} cannot be read ({}), which refuses every key".format(path, error.strerror)
    return frozenset(key.fingerprint for key in parse_authorized_keys(content.decode("utf-8", "replace"), path)), ""


def _shadow_field(name: str) -> str | None:
    """The password field of /etc/shadow; None for users who are not in it (then it cannot be judged)."""
    try:
        with open("/etc/shadow", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                words = line.split(":")
                if words[0] == name and len(words) > 1:
                    return words[1]
    except OSError:
        pass
    return None


def _login_user() -> str:
    """The user of the login session, which su and doas leave alone; empty if the kernel does not say."""
    try:
        with open("/proc/self/loginuid", encoding="ascii") as stream:
            return pwd.getpwuid(int(stream.read())).pw_name
    except (OSError, ValueError, KeyError, OverflowError):
        return ""
