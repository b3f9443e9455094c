# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where sshd listens, changed in two steps: the new port beside the old ones, and once somebody logged in there, alone.

sshd adds up `Port` lines of all files, so those of others have to go in the end: they are commented out with a mark,
and come back with the drop-in's removal. With a socket of systemd it is the socket that listens, by a drop-in of its
own; the `Port` lines are written all the same, for whoever switches to the service later.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import socket
import stat
from dataclasses import dataclass
from typing import Callable, Iterable

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.access import Connection
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import (
    DROPIN,
    MAIN,
    ConfigTree,
    lines_of,
    split_line,
)
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.listening import programs
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import split_endpoint

GENERATOR = "/usr/lib/systemd/system-generators/sshd-socket-generator"
_DEFAULT = 22
_MARK = "#stockade-ssh# "
# Sorts behind the drop-ins of others: what listens is what the last one says.
_SOCKET_DROPIN = "/etc/systemd/system/{}.d/zz-stockade.conf"
_SOCKET_HEADER = "# Managed by stockade.fleet, module ssh_hardening; changes made here are overwritten.\n"
_BEFORE = "# Ports before: "
_ANY = ("", "*", "0.0.0.0", "::")
_PORT = re.compile(r"^\s*port\s*[= \t]", re.IGNORECASE)


@dataclass(frozen=True)
class Listening:
    """``ports`` that shall answer after this step, ``login`` the one to come by from then on (None: it does not move).

    ``more``: another step has to follow, over a login there.

    ``own`` is what the drop-in says, ``writes`` are files of others and the socket's drop-in.
    """

    ports: tuple[int, ...]
    own: tuple[int, ...]
    login: int | None = None
    more: bool = False
    writes: tuple[files.Write, ...] = ()


def arrange(
    wanted: int | None, *, absent: bool, now: list[int], own: list[int], tree: ConfigTree, listener: host.Listener
) -> Listening:
    """What this step has to write. ``now`` are the ports that answer, ``own`` those of our drop-in as it is.

    Raises StockadeError for a host whose files or socket name addresses with ports: these win over `Port`.
    """
    foreign = _ports(directive.value for directive in tree.foreign("Port", match=False))
    if absent:
        return _back(now, own, foreign, tree, listener)
    if wanted is None:
        return Listening(tuple(now), tuple(own))
    _refuse_addresses(tree, listener)
    if wanted in now:
        login = None if now == [wanted] else wanted
        return Listening((wanted,), (wanted,), login, writes=_silenced(tree) + _socket(listener, (wanted,)))
    ports = tuple(sorted({*now, wanted}))
    mine = tuple(port for port in ports if port not in foreign)
    return Listening(ports, mine, wanted, more=True, writes=_socket(listener, ports))


def _back(now: list[int], own: list[int], foreign: list[int], tree: ConfigTree, listener: host.Listener) -> Listening:
    """The way back to where sshd listened before there was a drop-in, in two steps as well."""
    marked = _marked(tree)
    if not own and not marked:
        return Listening(tuple(now), (), writes=_socket(listener, ()))
    files_say = set(marked) | set(foreign) or {_DEFAULT}
    target = set(_socket_before(listener)) or files_say
    writes = _restored(tree)
    if listener.mode == "none":  # nobody could come by a port in between
        return Listening(tuple(sorted(target)), (), writes=writes)
    if target & set(now):
        login = None if target == set(now) else min(target & set(now))
        return Listening(tuple(sorted(target)), (), login, writes=writes + _socket(listener, ()))
    ports = tuple(sorted(target | set(now)))
    mine = tuple(port for port in ports if port not in set(marked) | set(foreign))
    return Listening(ports, mine, min(target), more=True, writes=writes + _socket(listener, ports))


def own_ports(content: bytes | None) -> list[int]:
    """The ports that a drop-in names."""
    said = [split_line(line) for line in lines_of((content or b"").decode("utf-8", "surrogateescape"))]
    return _ports(value for keyword, value in filter(None, said) if keyword == "port")


def with_ports(content: bytes, ports: tuple[int, ...]) -> bytes:
    """A drop-in that names these ports and no others."""
    lines = [line for line in lines_of(content.decode("utf-8")) if not _PORT.match(line)]
    return "".join(line + "\n" for line in [*lines, *("Port {}".format(port) for port in ports)]).encode("utf-8")


def in_use(run: host.Run, port: int) -> str:
    """Which program has a TCP port that sshd shall get; empty if none has, or there is no ss(8) to ask."""
    program = shutil.which("ss", path="/usr/sbin:/usr/bin:/sbin:/bin")
    rc, out, _err = run([program, "-Hltnp", "sport", "=", ":{}".format(port)]) if program else (1, "", "")
    if rc != 0 or not out.strip():
        return ""
    return "port {} is in use by {}".format(port, ", ".join(sorted(set(programs(out)))) or "another program")


def listening(listener: host.Listener, effective: dict[str, list[str]]) -> list[int]:
    """The ports that answer now: those of the socket, or of the files."""
    texts = effective.get("listenaddress", []) if listener.socket is None else list(listener.socket.listen)
    return sorted({split_endpoint(text)[1] for text in texts} or set(map(int, effective.get("port", []))))


def answering(run: host.Run, sshd: str | None) -> list[int]:
    """On which ports a host's sshd listens, by its socket or its files; none without sshd. Raises StockadeError."""
    if not sshd:
        return []
    listener = host.find_listener(run)
    if listener.socket is not None:
        return listening(listener, {})
    host.prepare_privsep_directory()
    return listening(listener, host.Sshd(run, sshd).effective(MAIN))


def deaf(listener: host.Listener, effective: dict[str, list[str]], connection: Connection) -> str:
    """Why nobody would listen any more at the address by which the operator came, or nothing.

    A socket unit listens whatever sshd's own files say.
    """
    texts = effective.get("listenaddress", []) if listener.socket is None else []
    if not texts or not connection.local_address:
        return ""
    came = ipaddress.ip_address(connection.local_address.partition("%")[0])
    bound = [ipaddress.ip_address(split_endpoint(text)[0]) for text in texts]
    if any(one.version == came.version and (one.is_unspecified or one == came) for one in bound):
        return ""
    return "sshd would listen on {} only, and {} came by {}; see AddressFamily and ListenAddress".format(
        ", ".join(sorted({str(one) for one in bound})), connection.user, came
    )


def _refuse_addresses(tree: ConfigTree, listener: host.Listener) -> None:
    for directive in tree.foreign("ListenAddress", match=False):
        address = directive.value.split(" ")[0]
        if "]:" in address or address.count(":") == 1:
            raise StockadeError(
                "refused, nothing was changed: {} says ListenAddress {}, which wins over the port: take the port out "
                "there".format(directive.where, directive.value)
            )
    for text in listener.socket.listen if listener.socket else ():
        if split_endpoint(text)[0] not in _ANY:
            raise StockadeError(
                "refused, nothing was changed: the socket listens on {} only, and would on all addresses with "
                "another port".format(text)
            )


def _ports(values: Iterable[str]) -> list[int]:
    """The numbers that stand as values of `Port`, in quotes, before a comment or by the name of a service."""
    found = []
    for value in values:
        word = value.partition("#")[0].strip().strip('"')
        with contextlib.suppress(ValueError, OSError):
            found.append(int(word) if word.isdigit() else socket.getservbyname(word, "tcp"))
    return found


def _socket_before(listener: host.Listener) -> list[int]:
    """The ports of the socket without our drop-in, which remembers them."""
    if listener.socket is None:
        return []
    content = files.content(_SOCKET_DROPIN.format(listener.socket.name)) or b""
    lines = [line for line in content.decode("utf-8").split("\n") if line.startswith(_BEFORE)]
    return [int(word) for line in lines for word in line[len(_BEFORE) :].split()]


def _marked(tree: ConfigTree) -> list[int]:
    """The ports of lines of others that are commented out."""
    lines = [line[len(_MARK) :] for file in tree.files.values() for line in file.lines if line.startswith(_MARK)]
    return own_ports("\n".join(lines).encode("utf-8", "surrogateescape"))


def _silenced(tree: ConfigTree) -> tuple[files.Write, ...]:
    """Files of others without their `Port` lines."""
    lines = {(d.path, d.line) for d in tree.foreign("Port", match=False)}
    return _edited(tree, lambda path, number, line: _MARK + line if (path, number) in lines else line)


def _restored(tree: ConfigTree) -> tuple[files.Write, ...]:
    return _edited(tree, lambda _path, _number, line: line[len(_MARK) :] if line.startswith(_MARK) else line)


def _edited(tree: ConfigTree, edit: Callable[[str, int, str], str]) -> tuple[files.Write, ...]:
    found = []
    for path in tree.files:
        if path == DROPIN:
            continue
        before, about = files.content(path) or b"", files.status(path)
        # At newlines only: what else Python takes for the end of a line may stand in a comment.
        lines = before.decode("utf-8", "surrogateescape").split("\n")
        after = "\n".join(edit(path, number, line) for number, line in enumerate(lines, start=1))
        if after.encode("utf-8", "surrogateescape") != before:
            if about and stat.S_ISLNK(about.st_mode):  # its mode is no mode of a file, and it would not come back
                raise StockadeError(
                    "refused, nothing was changed: {} is a link and is not written to: take the Port lines out of "
                    "{}".format(path, os.path.realpath(path))
                )
            mode = about.st_mode & 0o7777 if about else files.MODE
            found.append(files.Write(path, before, after.encode("utf-8", "surrogateescape"), mode=mode))
    return tuple(found)


def _socket(listener: host.Listener, ports: tuple[int, ...]) -> tuple[files.Write, ...]:
    """The socket's drop-in; none where sshd listens itself or a generator reads sshd's own files."""
    if listener.socket is None or os.path.exists(GENERATOR):
        return ()
    path = _SOCKET_DROPIN.format(listener.socket.name)
    before = files.content(path)
    remembered = _socket_before(listener) or sorted({split_endpoint(text)[1] for text in listener.socket.listen})
    lines = [_BEFORE + " ".join(map(str, remembered)), "[Socket]", "ListenStream="]
    ipv6 = any(split_endpoint(text)[0] != "0.0.0.0" for text in listener.socket.listen)
    for port in ports:
        lines.append("ListenStream=0.0.0.0:{}".format(port))
        if ipv6 and os.path.exists("/proc/net/if_inet6"):
            lines.append("ListenStream=[::]:{}".format(port))
    lines.append("BindIPv6Only=ipv6-only")  # or the second line would be refused, being the first one's address too
    after = (_SOCKET_HEADER + "".join(line + "\n" for line in lines)).encode("utf-8") if ports else None
    return () if before == after else (files.Write(path, before, after, mode=0o644),)
