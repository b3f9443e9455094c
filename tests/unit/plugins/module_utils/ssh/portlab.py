# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose sshd listens where its files or its socket say: read here anew, not by the code that is tested."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import config, files, host, planned, ports
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.parse import Unit
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.plan import Wish

MARK = b"#stockade-ssh# "
SOCKET = ("0.0.0.0:22", "[::]:22")  # what the distribution's listens on
NOBODY = host.Listener("none", None, None)
SERVICE = host.Listener("service", Unit("ssh.service", loaded=True, active=True, pid=1, listen=()), None)
# As sshd reads a line: up to the newline, keyword in any case, value bare or in quotes, a comment behind it.
_SAID = re.compile(rb'^[ \t]*(port|listenaddress)(?:[ \t]*=[ \t]*|[ \t]+)"?([^"\s#]+)"?[ \t\r\f]*(?:#.*)?$', re.I)


class PortLab:
    """``main`` and ``dropins`` are the files of others; ``socket`` are the addresses it names without our drop-in."""

    def __init__(
        self,
        place: Path,
        patch: pytest.MonkeyPatch,
        *,
        main: bytes = b"",
        dropins: dict[str, bytes] | None = None,
        socket: tuple[str, ...] = (),
    ) -> None:
        self.place, self._socket = place, socket
        self.written: set[files.Write] = set()  # by the last step
        self.foreseen: set[files.Write] = set()  # what a second one would write
        self.stopped = False  # neither service nor socket is active
        self.main, self.drops = place / "sshd_config", place / "sshd_config.d"
        self.ours = self.drops / "00-stockade.conf"
        self.socket_dropin = place / "ssh.socket.d" / "zz-stockade.conf"
        self.generator = place / "generator"
        self.drops.mkdir()
        self.main.write_bytes(b"Include sshd_config.d/*.conf\n" + main)
        for name, content in (dropins or {}).items():
            (self.drops / name).write_bytes(content)
        for module in (config, planned, ports):
            patch.setattr(module, "DROPIN", str(self.ours))
        patch.setattr(ports, "_SOCKET_DROPIN", str(place / "{}.d" / "zz-stockade.conf"))
        patch.setattr(ports, "GENERATOR", str(self.generator))

    def others(self) -> dict[str, bytes]:
        """The files of others, byte for byte."""
        found = [self.main, *self.drops.iterdir()]
        return {path.name: path.read_bytes() for path in found if path != self.ours}

    def said(self, keyword: bytes = b"port") -> list[str]:
        """The values of a keyword in all files, as sshd adds them up."""
        lines = [line for path in [*sorted(self.drops.iterdir()), self.main] for line in path.read_bytes().split(b"\n")]
        found = [match for match in map(_SAID.match, lines) if match]
        return [match.group(2).decode() for match in found if match.group(1).lower() == keyword]

    @property
    def listener(self) -> host.Listener:
        if self.stopped:
            return NOBODY
        if not self._socket:
            return SERVICE
        listen = self._socket
        if self.socket_dropin.exists():
            lines = self.socket_dropin.read_text().splitlines()
            listen = tuple(line.split("=")[1] for line in lines if line.startswith("ListenStream=") and line[-1] != "=")
        elif self.generator.exists() and self.said():
            listen = tuple("[::]:" + port for port in self.said())
        return host.Listener("socket", None, Unit("ssh.socket", loaded=True, active=True, pid=0, listen=listen))

    def answering(self) -> set[int]:
        """The ports that answer, of the socket or of sshd."""
        if self._socket:
            assert self.listener.socket is not None
            return {int(address.rpartition(":")[2]) for address in self.listener.socket.listen}
        return {int(port) for port in self.said()} or {22}

    def effective(self) -> dict[str, list[str]]:
        """What ``sshd -T`` says of it."""
        return {"port": self.said() or ["22"]}

    def plan(self, wanted: int | None = None, *, absent: bool = False) -> ports.Listening:
        """What a step would write, and nothing written."""
        listener = self.listener
        return ports.arrange(
            wanted,
            absent=absent,
            now=ports.listening(listener, self.effective()),
            own=ports.own_ports(files.content(str(self.ours))),
            tree=config.load(str(self.main)),
            listener=listener,
        )

    def step(self, wanted: int | None = None, *, absent: bool = False) -> tuple[ports.Listening, bool]:
        """One step, put in place as the module does; the plan, and whether there was anything to write."""
        plan = self.plan(wanted, absent=absent)
        before = files.content(str(self.ours))
        after = ((before or b"") if plan.more else None) if absent else b"# ours\nUseDNS no\n"
        after = ports.with_ports(after, plan.own) if after is not None else None
        writes = (*plan.writes, files.Write(str(self.ours), before, after))
        self.written = {write for write in writes if write.before != write.after}
        if plan.more:
            wish = Wish(state="absent" if absent else "present", port=wanted)
            tree = config.load(str(self.main))
            self.foreseen = {*planned.second_step(wish, tree, self.listener, writes, plan, {})}
        for write in writes:
            assert files.content(write.path) == write.before, "a file is replaced that is not as it was read"
            if write.after is None:
                Path(write.path).unlink(missing_ok=True)
            else:
                Path(write.path).parent.mkdir(exist_ok=True)
                Path(write.path).write_bytes(write.after)
        return plan, bool(plan.writes) or before != after


Made = Callable[..., PortLab]
