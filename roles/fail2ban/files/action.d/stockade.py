# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban action: hand each ban to the warden of this host. Managed by the Ansible role stockade.fleet.fail2ban.

fail2ban detects, the warden enforces: it keeps the ban in the kernel with a timeout of its own, over restarts of
fail2ban, and refuses to ban what is whitelisted. Runs inside fail2ban's process (1.0 and later), therefore:

* one request, one answer, everything within ``timeout`` seconds; a jail never waits longer for a ban;
* fail2ban's own socket is never used: an action that asks it waits for itself;
* ``flush`` and ``stop`` do nothing, so a restart of fail2ban leaves no gap; ``norestored`` because what fail2ban
  restores at its start the warden never lost;
* ``unban`` ends only the row ``fail2ban/<jail>``; a ban by someone else on the same address stays.
"""

from __future__ import annotations

import json
import math
import socket
import time
from typing import Any

from fail2ban.server.action import ActionBase

SOCKET = "/run/stockade/warden.sock"
TIMEOUT = 2.0
MAX_ANSWER = 1024 * 1024


class Action(ActionBase):
    """Bans and unbans of one jail, told to the warden."""

    #: fail2ban does not repeat restored bans to actions that say so.
    norestored = True

    def __init__(self, jail: Any, name: str, **options: Any) -> None:
        """:param options: ``path`` and ``timeout`` (seconds); port, protocol and others that jails pass are of no use
        here, because a ban by the warden refuses every port."""
        super().__init__(jail, name)
        self._jail_name = str(jail.name)
        self._configure(options)

    def _configure(self, options: dict[str, Any]) -> None:
        self._path = str(options.get("path") or SOCKET)
        self._timeout = float(options.get("timeout") or TIMEOUT)

    # Without these two a reload of the jail would drop the action and leave the jail without any.
    def clearAllParams(self) -> None:  # noqa: N802 (fail2ban's name)
        """Begin of a reload: nothing is accumulated here."""

    def reload(self, **options: Any) -> None:
        """Take over the options of the new configuration."""
        self._configure(options)

    def start(self) -> None:
        """Nothing to prepare: the warden is asked at the first ban."""

    def stop(self) -> None:
        """Nothing is taken back: bans end by their own time."""

    def flush(self) -> bool:
        """Tell fail2ban that all is flushed, so that it does not unban one by one at a stop."""
        return True

    @property
    def _prolongable(self) -> bool:
        """bantime.increment finds the longer time only after the first ban and tells it by ``prolong``."""
        return True

    def ban(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """Record the ban with the warden; a refusal or an unreachable warden is logged, never raised."""
        if aInfo["restored"]:
            return
        address = str(aInfo["ip"])
        entry = {
            "network": address,
            "source": self._source,
            "duration": _duration(bantime=int(aInfo["bantime"]), began=float(aInfo["time"]), now=time.time()),
            "reason": _reason(aInfo["failures"]),
        }
        # `skip`: a refusal comes back as the entry's state, with the reason, instead of as an error
        result = self._ask({"op": "ban", "bans": [entry], "on_refused": "skip"}, about="ban " + address)
        for told in (result or {}).get("results") or []:
            if told.get("state") == "refused":
                self._logSys.warning(
                    "[%s] the warden refused to ban %s: %s",
                    self._jail_name, address, _visible(told.get("message") or "no reason given"),
                )  # fmt: skip

    def prolong(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """A ban got longer: tell it again with the new end."""
        self.ban(aInfo)

    def unban(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """End this jail's own row of the address."""
        address = str(aInfo["ip"])
        self._ask({"op": "unban", "networks": [address], "source": self._source}, about="unban " + address)

    @property
    def _source(self) -> str:
        return "fail2ban/" + self._jail_name

    def _ask(self, request: dict[str, Any], *, about: str) -> dict[str, Any] | None:
        """Return the warden's result, or None after having logged why there is none."""
        try:
            answer = json.loads(_exchange(self._path, json.dumps({"v": 1, **request}), timeout=self._timeout))
            if answer.get("ok"):
                result = answer["result"]
                return result if isinstance(result, dict) else {}
            error = answer.get("error") or {}
            why = "%s: %s" % (error.get("code", "error"), error.get("message", "no reason given"))
        except socket.timeout:
            why = "no answer within %g s" % self._timeout
        except (OSError, ValueError, KeyError, AttributeError) as e:
            why = str(e) or type(e).__name__
        self._logSys.error("[%s] the warden did not %s: %s", self._jail_name, about, _visible(why))
        return None


def _exchange(path: str, line: str, *, timeout: float) -> str:
    """Send one line to the socket and return the answer's line; ``timeout`` seconds hold for all of it."""
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout)
        while True:
            try:
                link.connect(path)
                break
            except BlockingIOError:  # backlog full: the kernel says so at once instead of waiting
                time.sleep(min(0.02, _left(deadline)))
        link.settimeout(_left(deadline))
        link.sendall(line.encode() + b"\n")
        answer = bytearray()
        while not answer.endswith(b"\n"):
            link.settimeout(_left(deadline))
            part = link.recv(65536)
            if not part:
                raise ConnectionError("connection closed without an answer")
            answer += part
            if len(answer) > MAX_ANSWER:
                raise ConnectionError("answer longer than %d bytes" % MAX_ANSWER)
    return answer.decode()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("deadline passed")
    return left


def _duration(*, bantime: int, began: float, now: float) -> int | str:
    """Return what remains of a ban of ``bantime`` seconds that began at ``began``, so that both ends agree."""
    if bantime < 0:
        return "permanent"
    return max(1, math.ceil(min(began, now) + bantime - now))


def _reason(failures: Any) -> str:
    """Return why, without any text from the log (user names do not belong into reports)."""
    count = int(failures or 0)
    if count < 1:
        return "banned by hand in fail2ban"
    return "1 failure" if count == 1 else "%d failures" % count


def _visible(text: Any) -> str:
    """Return text fit for one line of fail2ban.log."""
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in str(text))[:500]
