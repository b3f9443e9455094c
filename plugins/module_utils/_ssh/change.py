# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of sshd's configuration replaced, read by the daemon and verified; the old file comes back otherwise.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace
from ansible_collections.stockade.fleet.plugins.module_utils._ssh import files, host, wire
from ansible_collections.stockade.fleet.plugins.module_utils._ssh.config import MAIN

_REEXEC_SECONDS = 3.0
_PROBES = 6


@dataclass(frozen=True)
class Change:
    """What ``path`` holds, what it shall hold (None for no file), and what sshd has to make of all files then."""

    run: host.Run
    sshd: host.Sshd
    path: str
    before: bytes | None
    after: bytes | None
    effective: dict[str, list[str]]
    listener: host.Listener

    def apply(self) -> None:
        """Put the file in place and have the daemon read it; undone if that or the verification fails."""
        about = files.status(self.path)
        try:
            replace(self.path, self.after, mode=files.MODE)
            self._reload()
            self.verify()
        except Exception as error:
            try:
                self._restore(about)
            except (OSError, StockadeError) as second:
                raise StockadeError(
                    "cannot apply {}: {}; and restoring it failed: {}".format(self.path, error, second)
                ) from error
            raise StockadeError(
                "cannot apply {}: {}; the previous configuration was restored".format(self.path, error)
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
        problem = ""
        for attempt in range(_PROBES):
            # A second apart: sshd counts every knock against the address that knocks.
            time.sleep(1.0 if attempt else 0.0)
            try:
                found = wire.differences(knock(self.listener, effective), effective)
            except StockadeError as error:
                problem = str(error)
                continue
            if not found:
                return
            problem = "; ".join(found)
        raise StockadeError(problem)

    def _restore(self, about: os.stat_result | None) -> None:
        """The old file back, and a daemon that answers; whether it took a reload to get there does not matter."""
        replace(self.path, self.before, mode=files.MODE, like=about)
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


def knock(listener: host.Listener, effective: dict[str, list[str]]) -> wire.Offer:
    """What the daemon offers at the first address that answers. Raises StockadeError when none does."""
    problem = "sshd listens on no address"
    for address, port in host.endpoints(listener, effective):
        try:
            return wire.probe(address, port)
        except StockadeError as error:
            problem = str(error)
    raise StockadeError(problem)
