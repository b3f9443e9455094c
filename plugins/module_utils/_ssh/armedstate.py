# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state directory of an armed host: its files, who stands in them, and the lock.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Holder:
    """The run that has the host armed, by the host's clock."""

    run: str
    controller: str
    since: int
    seconds: int

    @property
    def until(self) -> int:
        return self.since + self.seconds

    @property
    def text(self) -> str:
        """Whose and how long, for messages."""
        return "run {} of {} has armed this host since {} and is over by {}".format(
            self.run, self.controller, clock(self.since), clock(self.until)
        )


class State:
    """One state directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def record(self, name: str) -> Holder | None:
        """Who stands in one of the files, None if it is not there."""
        text = self.read(name)
        if text is None:
            return None
        known = dict(line.partition(" ")[::2] for line in text.splitlines())
        since, seconds = known.get("since", ""), known.get("seconds", "")
        return Holder(
            known.get("run", "unknown"),
            known.get("controller", "unknown"),
            int(since) if since.isdigit() else 0,
            int(seconds) if seconds.isdigit() else 0,
        )

    def read(self, name: str) -> str | None:
        """The text of a file, None if it is not there."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StockadeError("cannot read {}: {}".format(self.path(name), error.strerror)) from error

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time prepares or cleans up. The kernel lets go of it when we die."""
        try:
            handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise StockadeError("nothing is armed on this host: {} is not there".format(self.directory)) from None
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StockadeError("{} is in use by another run".format(self.directory)) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)


def clock(seconds: int) -> str:
    """A time as messages say it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
