# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command firewall: a program of the site bans and lifts, one network a call; what it did is kept in a ledger.

No shell; the network is one argument or stands inside one. A program cannot let a part of a network through, so a ban
around a whitelisted network is not given to it, and that is told as a failure.
"""

from __future__ import annotations

import fcntl
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from stockade.addresses import Network, NetworkIndex
from stockade.text import visible
from stockade.warden.config import PLACEHOLDER
from stockade.warden.firewall import FirewallError, Held, Remaining
from stockade.warden.ledger import End, Ledger

CALL_SECONDS = 10.0  # for one call of the program
TURN_SECONDS = 20.0  # for all calls of one change: the warden answers nobody meanwhile. The rest is done by the retry
REST_SECONDS = 4.0  # between two turns of work that is not done yet; enforcement tries again after five
SAME_END_SECONDS = 5
SAID_BYTES = 65536  # of a program's standard error; what it writes beyond fails with EPERM
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Command:
    """`ban` and `unban` are the arguments with `{network}` and `{seconds}` in them."""

    name = "command"
    subtracts = False

    def __init__(
        self,
        ledger: Ledger,
        *,
        ban: Sequence[str],
        unban: Sequence[str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._ban = tuple(ban)
        self._unban = tuple(unban)
        self._told_seconds = any("{seconds}" in word for word in ban)  # then the program ends a ban by itself
        self._clock = clock
        self._monotonic = monotonic
        self._call_seconds = call_seconds
        self._wanted: dict[Network, End] = dict(ledger.ends)
        self._whitelist = NetworkIndex(())
        self._next_end = math.inf  # monotonic
        self._failed: set[Network] = set()  # the last time: tried last, so that they keep no others from being done
        self._rest_until = -math.inf  # monotonic; until then the warden answers others instead of waiting for a program
        self._said = ""

    # Firewall

    def synchronise(self, *, whitelist: Iterable[Network], bans: Mapping[Network, Remaining]) -> None:
        """See Firewall."""
        self._whitelist = NetworkIndex(whitelist)
        self._wanted = self._ends(bans)
        self._settle({*self._wanted, *self._ledger.ends})

    def set_whitelist(self, whitelist: Iterable[Network]) -> None:
        """See Firewall. What now has a whitelisted part is lifted."""
        self._whitelist = NetworkIndex(whitelist)
        self._settle({*self._wanted, *self._ledger.ends})

    def apply(self, *, ban: Mapping[Network, Remaining], lift: Iterable[Network]) -> None:
        """See Firewall."""
        lifted = list(lift)
        for network in lifted:
            self._wanted.pop(network, None)
        self._wanted.update(self._ends(ban))
        self._settle({*ban, *lifted})

    def remove(self) -> None:
        """See Firewall."""
        self._wanted = {}
        self._rest_until = -math.inf
        self._settle(set(self._ledger.ends))

    def present(self) -> bool:
        """See Firewall."""
        return bool(self._ledger.ends)

    def disturbed(self) -> bool:
        """See Firewall. What others do behind the program's back cannot be seen from here."""
        return self._monotonic() >= self._next_end

    def held(self) -> Held:
        """See Firewall: what the program was told."""
        now = int(self._clock())
        ends = self._ledger.ends.items()
        return Held({net: None if end is None else end - now for net, end in ends if end is None or end > now})

    def packets(self, networks: Iterable[Network]) -> dict[Network, int]:
        """See Firewall: the program is not asked."""
        return {}

    # inside

    def _ends(self, bans: Mapping[Network, Remaining]) -> dict[Network, End]:
        now = int(self._clock())
        return {net: None if left is None else now + left for net, left in bans.items()}

    def _settle(self, networks: set[Network]) -> None:
        """Bring the program to what is wanted of these. One that fails does not keep the others from being tried."""
        if self._monotonic() < self._rest_until:
            raise FirewallError(self._said)
        deadline = self._monotonic() + TURN_SECONDS
        failures: list[str] = []
        order = sorted(networks, key=lambda net: (net in self._failed, net in self._wanted))  # lift first
        for done, network in enumerate(order):
            if self._monotonic() > deadline:
                failures.append(f"{len(networks) - done} of {len(networks)} networks are still to be done")
                self._rest_until = self._monotonic() + REST_SECONDS
                break
            try:
                self._bring(network)
            except _HoleError as error:
                failures.append(str(error))
            except _CallError as error:
                failures.append(f"{network}: {error}")
                self._failed.add(network)
                if error.hopeless:
                    self._rest_until = self._monotonic() + TURN_SECONDS
                    break
            else:
                self._failed.discard(network)
        self._look_ahead()
        if failures:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            self._said = f"command: {failures[0]}{more}"
            raise FirewallError(self._said)

    def _bring(self, network: Network) -> None:
        holes = self._whitelist.inside(network)
        wanted = network in self._wanted and not holes and self._whitelist.around(network) is None
        held = network in self._ledger.ends
        if wanted:
            end = self._wanted[network]
            if held and _same(self._ledger.ends[network], end):
                return
            if not held or self._told_seconds:
                self._call(self._ban, network, end)
            self._ledger.note(put={network: end})
        elif held:
            if not (self._told_seconds and self._is_over(network)):
                self._call(self._unban, network, None)
            self._ledger.note(put={}, gone=[network])
        if holes and network in self._wanted:
            raise _HoleError(f"{network} is NOT banned: a command cannot let {holes[0]} through, which is whitelisted")

    def _is_over(self, network: Network) -> bool:
        end = self._ledger.ends[network]
        return end is not None and end <= self._clock()

    def _look_ahead(self) -> None:
        now = self._clock()
        first = min((end - now for end in self._ledger.ends.values() if end is not None), default=math.inf)
        self._next_end = self._monotonic() + max(first, 0.0)

    def _call(self, template: Sequence[str], network: Network, end: End) -> None:
        """Run the program for one network. Raises _CallError with what it said."""
        seconds = 0 if end is None else max(int(end - self._clock()), 1)
        values = {"network": str(network), "seconds": str(seconds)}
        command = [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in template]
        environment = {"PATH": PATH, "LANG": "C.UTF-8"}
        if "CREDENTIALS_DIRECTORY" in os.environ:
            environment["CREDENTIALS_DIRECTORY"] = os.environ["CREDENTIALS_DIRECTORY"]
        # A file, not a pipe: a program that leaves something running with its standard error open holds nobody up.
        # It lies in memory, so that a full disk keeps nobody from banning, and cannot grow beyond what it has.
        with os.fdopen(os.memfd_create("said", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b") as said:
            said.truncate(SAID_BYTES)
            fcntl.fcntl(said, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise _CallError(f"{command[0]}: {error.strerror}", hopeless=True) from None
            try:
                code = process.wait(self._call_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise _CallError(f"{command[0]} took longer than {self._call_seconds:g} s", hopeless=True) from None
            if code != 0:
                said.seek(0)
                words = visible(said.read(2000).rstrip(b"\0").decode(errors="replace").strip())
                raise _CallError(f"{command[0]} ended with {code}" + (f": {words}" if words else ""))


class _CallError(Exception):
    """The program failed; `hopeless` if it would for the next network too."""

    def __init__(self, message: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless


class _HoleError(Exception):
    """A ban with a whitelisted part."""


def _same(held: End, wanted: End) -> bool:
    if held is None or wanted is None:
        return held is wanted
    return abs(held - wanted) <= SAME_END_SECONDS
