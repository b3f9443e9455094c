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
* what a silent warden did not take waits here, and a thread that exists only meanwhile delivers it when the warden is
  back. Whatever comes in between waits as well, at once: a jail loses one deadline to a silent warden, not one a ban;
* the newest wish for an address is the one that is told; bans whose time is over are told to nobody;
* ``stop`` gives what waits one last deadline; what fail2ban still holds comes again with its next start;
* ``unban`` ends only the row ``fail2ban/<jail>``; a ban by someone else on the same address stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import socket
import threading
import time
from typing import Any, Callable

from fail2ban.server.action import ActionBase

SOCKET = "/run/stockade/warden.sock"
TIMEOUT = 2.0
MAX_ANSWER = 1024 * 1024
#: Seconds between two attempts to reach a silent warden: the first and the longest.
PAUSE, LONGEST_PAUSE = 0.5, 5.0
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
        self._configure(options)
        self._courier = _Courier(self._deliver, self._logSys, self._jail_name)

    def _configure(self, options: dict[str, Any]) -> None:
        self._path = str(options.get("path") or SOCKET)
        self._timeout = float(options.get("timeout") or TIMEOUT)

    # Without these two a reload of the jail would drop the action and leave the jail without any.
    def clearAllParams(self) -> None:  # noqa: N802 (fail2ban's name)
        """Begin of a reload: nothing is accumulated here but what waits for the warden, and that stays."""

    def reload(self, **options: Any) -> None:
        """Take over the options of the new configuration."""
        self._configure(options)

    def start(self) -> None:
        """Nothing to prepare: the warden is asked at the first ban."""

    def stop(self) -> None:
        """Nothing is taken back: bans end by their own time. What waits is tried once more."""
        self._courier.close(self._timeout)

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
        if not (ban.restored and ban.over(time.time())):
            self._courier.tell(ban.address, ban, self._timeout)

    def prolong(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """A ban got longer: tell it again with the new end."""
        self.ban(aInfo)

    def unban(self, aInfo: Any) -> None:  # noqa: N803 (fail2ban's name)
        """End this jail's own row of the address."""
        self._courier.tell(str(aInfo["ip"]), None, self._timeout)

    @property
    def _source(self) -> str:
        return "fail2ban/" + self._jail_name

    def _deliver(self, told: dict[str, _Ban | None], deadline: float) -> None:
        """Tell bans and unbans; raises _Silent when nobody took them in time."""
        now = time.time()
        bans = [ban for ban in told.values() if ban and not ban.over(now)]
        again = self._ask_bans(bans, deadline, with_id=True) if bans else []
        if again:
            self._ask_bans(again, deadline, with_id=False)
        self._ask_unbans([address for address, ban in told.items() if not ban], deadline)

    def _ask_unbans(self, addresses: list[str], deadline: float) -> None:
        request = {"op": "unban", "networks": addresses, "source": self._source}
        if addresses and self._ask(request, deadline, about="unban " + _some(addresses)) is None and len(addresses) > 1:
            for address in addresses:  # one bad entry must not cost its neighbours
                self._ask_unbans([address], deadline)

    def _ask_bans(self, bans: list[_Ban], deadline: float, *, with_id: bool) -> list[_Ban]:
        """Return the bans that are new although the warden takes them for lifted: banned twice within a second."""
        by_address = {ban.address: ban for ban in bans}
        entries = [ban.entry(self._source, now=time.time(), with_id=with_id) for ban in bans]
        # `skip`: a refusal comes back as the entry's state, with the reason, instead of as an error
        request = {"op": "ban", "bans": entries, "on_refused": "skip"}
        result = self._ask(request, deadline, about="ban " + _some(list(by_address)))
        again: list[_Ban] = []
        if result is None and len(bans) > 1:  # one bad entry must not cost its neighbours
            for ban in bans:
                again += self._ask_bans([ban], deadline, with_id=with_id)
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

    def _ask(self, request: dict[str, Any], deadline: float, *, about: str) -> dict[str, Any] | None:
        """Return the warden's result, or None after having logged why it said no.

        Raises _Silent when there is no answer, or one that may be another next time.
        """
        timeout = min(self._timeout, deadline - time.monotonic())
        if timeout <= 0:
            raise _Silent("no time is left")
        try:
            answer = json.loads(_exchange(self._path, json.dumps({"v": 1, **request}), timeout=timeout))
            if answer.get("ok"):
                result = answer["result"]
                return result if isinstance(result, dict) else {}
            error = answer.get("error") or {}
            why = "%s: %s" % (error.get("code", "error"), error.get("message", "no reason given"))
        except socket.timeout:
            raise _Silent("no answer within %g s" % round(timeout, 1)) from None
        except (OSError, ValueError, KeyError, AttributeError) as e:
            raise _Silent(str(e) or type(e).__name__) from None
        if error.get("code") in ("unavailable", "internal"):
            raise _Silent(why)
        self._logSys.error("[%s] the warden did not %s: %s", self._jail_name, about, _visible(why))
        return None


class _Courier:
    """What the warden is to be told, and the thread that goes on trying while it is silent.

    A caller hands its wish over and delivers what is there, unless the thread is at it. No lock that a caller needs is
    held while the warden is asked, so nobody waits for longer than his own deadline.
    """

    def __init__(self, deliver: Callable[[dict[str, _Ban | None], float], None], log: Any, jail: str) -> None:
        """:param deliver: tells address -> ban, or None for an unban, until a deadline; raises _Silent if that fails"""
        self._deliver, self._log, self._jail = deliver, log, jail
        self._lock = threading.Lock()  # of what follows
        self._waiting: dict[str, _Ban | None] = {}
        self._thread: threading.Thread | None = None
        self._lost = 0
        self._turn = threading.Lock()  # of whoever asks the warden: one address keeps its order
        self._closing = threading.Event()

    def tell(self, address: str, ban: _Ban | None, seconds: float) -> None:
        """Have a ban, or with None an unban, told: now, within ``seconds``, or as soon as the warden is back."""
        deadline = time.monotonic() + seconds
        with self._lock:
            self._waiting.pop(address, None)
            self._waiting[address] = ban
            self._shed()
            if self._thread is not None:
                return
        if not self._turn.acquire(timeout=seconds):
            self._go_on("another ban is still being told")
            return
        try:
            if not self._empty(deadline):
                self._go_on("there is much to tell")
        except _Silent as e:
            self._go_on(str(e), error="ban" if ban else "unban", address=address)
        finally:
            self._turn.release()

    def close(self, seconds: float) -> None:
        """Try for ``seconds`` to deliver what waits, and forget the rest."""
        deadline = time.monotonic() + seconds
        with self._lock:
            self._closing.set()  # the thread ends
            self._closing, self._thread = threading.Event(), None
        if self._waiting and self._turn.acquire(timeout=seconds):
            with contextlib.suppress(_Silent):
                self._empty(deadline)
            self._turn.release()
        with self._lock:
            left, self._waiting = len(self._waiting), {}
        if left:
            self._log.warning("[%s] the warden was not told of %d bans and unbans", self._jail, left)

    def _empty(self, deadline: float) -> bool:
        """Deliver what waits, some at a time; False if there was no time for all. Raises _Silent."""
        while True:
            with self._lock:
                chunk = dict(itertools.islice(self._waiting.items(), CHUNK))
            if not chunk:
                return True
            if time.monotonic() >= deadline:
                return False
            self._deliver(chunk, deadline)
            with self._lock:
                for address, ban in chunk.items():
                    if self._waiting.get(address, chunk) is ban:  # else there is a newer wish
                        del self._waiting[address]

    def _go_on(self, why: str, *, error: str = "", address: str = "") -> None:
        """Start the thread, unless it is there."""
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(
                target=self._keep_trying, args=(self._closing,), name="stockade/" + self._jail, daemon=True
            )
            self._thread.start()
        if error:
            self._log.error(
                "[%s] the warden did not %s %s: %s; it is told as soon as the warden is back",
                self._jail, error, address, _visible(why),
            )  # fmt: skip

    def _keep_trying(self, closing: threading.Event) -> None:
        pause, count = PAUSE, 0
        while not closing.wait(pause):
            pause = min(2 * pause, LONGEST_PAUSE)
            with self._turn:
                with self._lock:
                    count = max(count, len(self._waiting))
                try:
                    self._empty(math.inf)
                except _Silent:
                    continue
                except Exception:  # a defect must not end the delivery
                    self._log.exception("[%s] telling the warden failed", self._jail)
                    continue
            with self._lock:
                if closing.is_set() or self._waiting:
                    continue
                self._thread = None
            self._log.info("[%s] the warden is back and was told of %d bans and unbans", self._jail, count)
            return

    def _shed(self) -> None:
        """Drop the oldest wish if there are too many; said once for each thousand."""
        if len(self._waiting) <= MAX_UNDELIVERED:
            return
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        if self._lost % 1000 == 0:
            self._log.error("[%s] the warden will not hear of %s: too much is undelivered", self._jail, oldest)
        self._lost += 1


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
