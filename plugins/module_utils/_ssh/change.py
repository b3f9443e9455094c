# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of sshd's configuration replaced, read by the daemon and verified; the old ones come back otherwise.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import MAIN
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.files import Write
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.ports import GENERATOR

_REEXEC_SECONDS = 3.0
_UNITS = "/etc/systemd/"
_PROBES = 6


@dataclass(frozen=True)
class Change:
    """What files hold and shall hold, and what sshd has to make of all files then."""

    run: host.Run
    sshd: host.Sshd
    writes: tuple[Write, ...]
    effective: dict[str, list[str]]
    listener: host.Listener

    def apply(self) -> None:
        """Put the files in place and have the daemon read them; undone if that or the verification fails."""
        self.undone_by(self._restore, about=[files.status(write.path) for write in self.writes])

    def undone_by(
        self, undo: Callable[..., object], *, still: Callable[..., object] | None = None, **arguments: Any
    ) -> None:
        """The same, where something else than this knows how to go back; ``still`` raises if that has happened."""
        names = ", ".join(write.path for write in self.writes)
        try:
            for write in self.writes:
                if write.after is not None:
                    os.makedirs(os.path.dirname(write.path), exist_ok=True)
                replace(write.path, write.after, mode=write.mode)
                if write.after is None and write.path.startswith(_UNITS):
                    with contextlib.suppress(OSError):
                        os.rmdir(os.path.dirname(write.path))
            self._reload()
            self.verify()
            if still is not None:
                still(**arguments)
        except Exception as error:
            try:
                undo(**arguments)
            except (OSError, StockadeError) as second:
                raise StockadeError(
                    "cannot apply {}: {}; and restoring it failed: {}".format(names, error, second)
                ) from error
            raise StockadeError(
                "cannot apply {}: {}; the previous configuration was restored".format(names, error)
            ) from error

    def verify(self) -> None:
        """The files say what was planned, and the daemon that answers offers it. Raises StockadeError."""
        effective = self.sshd.effective(MAIN)
        if effective != self.effective:
            every = set(effective) | set(self.effective)
            keys = sorted(key for key in every if effective.get(key) != self.effective.get(key))
            raise StockadeError("the effective configuration is not the planned one: {}".format(", ".join(keys)))
        if self.listener.mode == "none":
            return
        listener = host.find_listener(self.run) if self._about_units() else self.listener
        problem = ""
        for attempt in range(_PROBES):
            # A second apart: sshd counts every knock against the address that knocks.
            time.sleep(1.0 if attempt else 0.0)
            try:
                offers = [knock(listener, effective, port) for port in _numbers(listener, effective)]
                found = [text for offer in offers for text in wire.differences(offer, effective)]
            except StockadeError as error:
                problem = str(error)
                continue
            if not found:
                return
            problem = "; ".join(found)
        raise StockadeError(problem)

    def _about_units(self) -> bool:
        """Whether systemd has to read its units again: a socket's drop-in, or what is made of sshd's files."""
        generated = self.listener.socket is not None and os.path.exists(GENERATOR)
        return generated or any(write.path.startswith(_UNITS) for write in self.writes)

    def _restore(self, about: list[os.stat_result | None]) -> None:
        """The old files back, and a daemon that answers; whether it took a reload to get there does not matter."""
        for write, status in zip(self.writes, about):
            replace(write.path, write.before, mode=write.mode, like=status)
        try:
            self._reload(rescue=True)
        except StockadeError:
            time.sleep(1.0)
        if self.listener.mode != "none":
            knock(self.listener, self.sshd.effective(MAIN))

    def _reload(self, *, rescue: bool = False) -> None:
        """Have a running daemon read its files; ``rescue`` also starts one that did not survive.

        A socket without its service has nobody to tell yet. With a socket it takes a restart: a reloaded sshd starts
        itself anew without the sockets that systemd gave it, cannot bind the port that systemd holds, and dies. Nobody
        is turned away meanwhile, the socket queues.
        """
        service, socket = self.listener.service, self.listener.socket
        if socket is not None and self._about_units():
            self._restart_socket(socket.name)
            return
        if service is None and socket is not None:
            service = host.find_listener(self.run).service  # a knock, ours too, has started it since
        if service is None:
            return
        verb = "restart" if self.listener.mode == "socket" else "reload-or-restart" if rescue else "reload"
        if verb != "reload":
            # Starts count against a limit (5 in 10 s), and a service over it takes its socket down with it.
            self.run(["systemctl", "reset-failed", service.name])
        image = files.image(service.pid)
        rc, _out, err = self.run(["systemctl", verb, service.name])
        if rescue and socket is not None:
            rc = max(rc, self.run(["systemctl", "start", socket.name])[0])
        if rc != 0:
            raise StockadeError("cannot {} {}: {}".format(verb, service.name, " ".join(err.split())))
        # The signal is sent, not answered: sshd starts itself anew, and until then the old daemon would be asked.
        deadline = time.monotonic() + _REEXEC_SECONDS
        while image and files.image(service.pid) == image and time.monotonic() < deadline:
            time.sleep(0.05)

    def _restart_socket(self, socket: str) -> None:
        """Have systemd listen elsewhere. A socket does not start while its service runs; sessions go on without it."""
        service = socket.replace(".socket", ".service")
        self.run(["systemctl", "reset-failed", service, socket])
        for words in (["daemon-reload"], ["stop", service], ["restart", socket]):
            rc, _out, err = self.run(["systemctl", *words])
            if rc != 0:
                raise StockadeError("cannot {} {}: {}".format(words[0], socket, " ".join(err.split())))
        host.prepare_privsep_directory()  # it went with the service


def knock(listener: host.Listener, effective: dict[str, list[str]], port: int | None = None) -> wire.Offer:
    """What the daemon offers at the first address that answers, on one port or any. Raises StockadeError."""
    problem = "sshd listens on no address"
    for address, number in host.endpoints(listener, effective):
        if port in (None, number):
            try:
                return wire.probe(address, number)
            except StockadeError as error:
                problem = str(error)
    raise StockadeError(problem)


def _numbers(listener: host.Listener, effective: dict[str, list[str]]) -> list[int | None]:
    """Each port that has to answer; whichever does, where none is known."""
    return [*sorted({port for _address, port in host.endpoints(listener, effective)})] or [None]
