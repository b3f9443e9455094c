# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban action: hand each ban to the warden of this host. Managed by the Ansible role stockade.fleet.fail2ban.

fail2ban detects, the warden enforces: it keeps the ban in the kernel with a timeout of its own, over restarts of
fail2ban, and refuses to ban what is whitelisted. Runs inside fail2ban's process (1.0 and later), therefore:

* one request, one answer, everything within ``timeout`` seconds; a jail never waits longer for a ban;
* fail2ban's own socket is never used: an action that asks it waits for itself;
* ``flush`` and ``stop`` do nothing, so a restart of fail2ban leaves no gap;
* what fail2ban restores at its start is told again with the time that remains: another action may have enforced it
  until now. By its id it is the same ban: one the warden holds is unchanged, one an operator lifted stays lifted;
* a warden that does not answer is asked in vain once, then restored bans wait: none of them delays the start. What did
  not arrive goes with the next ban or unban that does;
* ``unban`` ends only the row ``fail2ban/<jail>``; a ban by someone else on the same address stays.
"""

from __future__ import annotations

import hashlib
import json
import math
import socket
import threading
import time
from typing import Any

from fail2ban.server.action import ActionBase

SOCKET = "/run/stockade/warden.sock"
TIMEOUT = 2.0
MAX_ANSWER = 1024 * 1024
#: Seconds for which nothing that can wait is tried, after the warden did not answer.
PAUSE = 5.0
#: Undelivered bans and unbans that are kept, the newest; so many go into one request.
MAX_UNDELIVERED = 10_000
CHUNK = 250


class Action(ActionBase):
    """Bans and unbans of one jail, told to the warden."""

    def __init__(self, jail: Any, name: str, **options: Any) -> None:
        """:param options: ``path`` and ``timeout`` (seconds); port, protocol and others that jails pass are of no use
        here, because a ban by the warden refuses every port."""
        super().__init__(jail, name)
        self._jail_name = str(jail.name)
        # fail2ban calls from several threads; bans and unbans of one address keep their order
        self._lock = threading.Lock()
        #: What the warden was not told yet: address -> the ban, or None for an unban.
        self._undelivered: dict[str, _Ban | None] = {}
        self._silent_since = -math.inf
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
        ban = _Ban(aInfo)
        if ban.restored and ban.over(time.time()):
            return
        with self._lock:
            self._tell(ban.address, ban, can_wait=ban.restored)

    def prolong(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """A ban got longer: tell it again with the new end."""
        self.ban(aInfo)

    def unban(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """End this jail's own row of the address."""
        ban = _Ban(aInfo)
        with self._lock:
            # a ban that is over has ended at the warden by itself
            self._tell(ban.address, None, can_wait=ban.over(time.time()))

    @property
    def _source(self) -> str:
        return "fail2ban/" + self._jail_name

    def _tell(self, address: str, ban: _Ban | None, *, can_wait: bool) -> None:
        """Deliver a ban, or with None an unban, and then what was not delivered before."""
        self._undelivered.pop(address, None)
        if can_wait and time.monotonic() - self._silent_since < PAUSE:
            self._keep(address, ban)
            return
        try:
            self._deliver({address: ban})
        except _Silent as e:
            self._silent_since = time.monotonic()
            self._keep(address, ban)
            what = ("ban " if ban else "unban ") + address
            self._logSys.error(
                "[%s] the warden did not %s: %s; it is told again with the next ban or unban",
                self._jail_name, what, _visible(e),
            )  # fmt: skip
            return
        self._silent_since = -math.inf
        self._catch_up()

    def _keep(self, address: str, ban: _Ban | None) -> None:
        self._undelivered[address] = ban
        if len(self._undelivered) > MAX_UNDELIVERED:
            oldest = next(iter(self._undelivered))
            del self._undelivered[oldest]
            self._logSys.error("[%s] the warden will not hear of %s: too much is undelivered", self._jail_name, oldest)

    def _catch_up(self) -> None:
        """Deliver what was kept, for no longer than one deadline; the rest goes with the next ban or unban."""
        deadline = time.monotonic() + self._timeout
        count = len(self._undelivered)
        try:
            while self._undelivered and time.monotonic() < deadline:
                chunk = dict(list(self._undelivered.items())[:CHUNK])
                now = time.time()
                self._deliver({address: ban for address, ban in chunk.items() if not (ban and ban.over(now))})
                for address in chunk:
                    del self._undelivered[address]
        except _Silent as e:
            self._silent_since = time.monotonic()
            self._logSys.error("[%s] the warden does not answer any more: %s", self._jail_name, _visible(e))
        if count:
            self._logSys.info("[%s] told the warden of %d earlier bans and unbans, %d are left",
                              self._jail_name, count - len(self._undelivered), len(self._undelivered))  # fmt: skip

    def _deliver(self, told: dict[str, _Ban | None]) -> None:
        """Tell bans and unbans; raises _Silent when nobody took them."""
        bans = [ban for ban in told.values() if ban]
        again = self._ask_bans(bans, with_id=True) if bans else []
        if again:
            self._ask_bans(again, with_id=False)
        for address in (address for address, ban in told.items() if not ban):
            self._ask({"op": "unban", "networks": [address], "source": self._source}, about="unban " + address)

    def _ask_bans(self, bans: list[_Ban], *, with_id: bool) -> list[_Ban]:
        """Return the bans that are new although the warden takes them for lifted: banned twice within a second."""
        by_address = {ban.address: ban for ban in bans}
        entries = [ban.entry(self._source, now=time.time(), with_id=with_id) for ban in bans]
        # `skip`: a refusal comes back as the entry's state, with the reason, instead of as an error
        request = {"op": "ban", "bans": entries, "on_refused": "skip"}
        result = self._ask(request, about="ban " + _some(list(by_address)))
        again: list[_Ban] = []
        if result is None and len(bans) > 1:  # one bad entry must not cost its neighbours
            for ban in bans:
                again += self._ask_bans([ban], with_id=with_id)
        for told in (result or {}).get("results") or []:
            address, message = str(told.get("network")), told.get("message")
            if told.get("state") == "refused":
                self._logSys.warning(
                    "[%s] the warden refused to ban %s: %s",
                    self._jail_name, _visible(address), _visible(message or "no reason given"),
                )  # fmt: skip
            elif told.get("state") == "unchanged" and message and address in by_address:
                again += [by_address[address]] if with_id and not by_address[address].restored else []
        return again

    def _ask(self, request: dict[str, Any], *, about: str) -> dict[str, Any] | None:
        """Return the warden's result, or None after having logged why it said no.

        Raises _Silent when there is no answer, or one that may be another next time.
        """
        try:
            answer = json.loads(_exchange(self._path, json.dumps({"v": 1, **request}), timeout=self._timeout))
            if answer.get("ok"):
                result = answer["result"]
                return result if isinstance(result, dict) else {}
            error = answer.get("error") or {}
            why = "%s: %s" % (error.get("code", "error"), error.get("message", "no reason given"))
        except socket.timeout:
            raise _Silent("no answer within %g s" % self._timeout) from None
        except (OSError, ValueError, KeyError, AttributeError) as e:
            raise _Silent(str(e) or type(e).__name__) from None
        if error.get("code") in ("unavailable", "internal"):
            raise _Silent(why)
        self._logSys.error("[%s] the warden did not %s: %s", self._jail_name, about, _visible(why))
        return None


class _Silent(Exception):
    """The warden did not take a request; the text says why."""


class _Ban:
    """What is kept of a ban; fail2ban's own ticket goes on changing."""

    def __init__(self, info: Any) -> None:
        self.address = str(info["ip"])
        self.began = float(info["time"])
        self.bantime = int(info["bantime"])
        self.restored = bool(info["restored"])
        self._reason = _reason(info["failures"])

    def over(self, now: float) -> bool:
        """Return whether its time has passed."""
        return self.bantime >= 0 and self.began + self.bantime <= now

    def entry(self, source: str, *, now: float, with_id: bool) -> dict[str, Any]:
        """Return it as the warden's protocol has it, with the time that remains."""
        entry: dict[str, Any] = {
            "network": self.address,
            "source": source,
            "duration": _duration(bantime=self.bantime, began=self.began, now=now),
            "reason": self._reason,
        }
        if with_id:
            # whole seconds: so fail2ban keeps it in its database, and the restored ban is the same one
            made = "%s %s %d %d" % (source, self.address, round(self.began), self.bantime)
            entry["id"] = hashlib.sha256(made.encode()).hexdigest()[:32]
        return entry


def _some(addresses: list[str]) -> str:
    """Return addresses for one line of a log."""
    return addresses[0] if len(addresses) == 1 else "%s and %d more" % (addresses[0], len(addresses) - 1)


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
