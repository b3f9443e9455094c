# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A neighbour of this host, in a network namespace of its own at the other end of a veth pair.

It has 253 addresses and sends numbered UDP packets; a socket on the host takes those that the firewall lets through.
Sender, receiver and whoever asks for the ban are one process with one clock, so no time is spent on agreeing about it.
Everything is gone with the `with` block.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from onhost.warden import run

LINK, PEER = "stockade-bench", "stockade-peer"
HOST = "198.18.78.1"
ADDRESSES = [f"198.18.78.{number}" for number in range(2, 255)]  # the neighbour's
PORT = 9
INTERVAL = 0.00025  # seconds between two packets: the resolution of what is measured
GONE = 0.02  # a packet that has not arrived after these seconds was dropped: an arrival takes microseconds
_CLONE_NEWNET = 0x40000000
_NUMBER = struct.Struct("!QQ")  # which sender, which packet of it


@dataclass
class Stream:
    """Packets from one address: when each was sent, and which arrived."""

    sender: socket.socket
    sent: list[float] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    last: int = -1

    @property
    def first_missing(self) -> float | None:
        """When the first packet behind the last arrival was sent, None if there is none."""
        return self.sent[self.last + 1] if self.last + 1 < len(self.sent) else None

    def gone(self, seconds: float = GONE) -> bool:
        """Whether everything that was sent in the last `seconds` is missing."""
        return self.first_missing is not None and self.sent[-1] - self.first_missing > seconds

    def send(self, index: int) -> None:
        """One packet more; `index` tells the receiver that it is this stream's."""
        for _attempt in range(2):
            moment = time.monotonic()
            try:
                self.sender.send(_NUMBER.pack(index, len(self.sent)))
            except ConnectionRefusedError:  # a firewall rejected an earlier one and says so; this one was not sent
                continue
            break
        self.sent.append(moment)

    def passing(self, since: float) -> float:
        """Seconds after `since` in which packets arrived, each standing for the time until the next was sent."""
        ends = [*self.sent[1:], self.sent[-1]]
        return sum(max(0.0, ends[number] - max(self.sent[number], since)) for number in self.arrived)


class Rig:
    """The neighbour. `more` are addresses that it has beside ADDRESSES, from networks of its own."""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = more

    def __enter__(self) -> Rig:
        run("ip", "link", "delete", LINK, check=False)  # of an interrupted run
        self._keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run("ip", "link", "delete", LINK, check=False)
        self._keeper.kill()
        self._keeper.wait()

    def _build(self) -> None:
        space = f"/proc/{self._keeper.pid}/ns/net"
        until = time.monotonic() + 10
        while os.readlink(space) == os.readlink("/proc/self/ns/net"):
            if time.monotonic() > until:
                raise RuntimeError("cannot make a network namespace")
            time.sleep(0.01)
        run("ip", "link", "add", LINK, "type", "veth", "peer", "name", PEER, "netns", str(self._keeper.pid))
        run("ip", "address", "add", f"{HOST}/24", "dev", LINK)
        run("ip", "link", "set", LINK, "up")
        enter = ("nsenter", "--net=" + space, "ip")
        run(*enter, "-batch", "-", text="".join(f"address add {a}/24 dev {PEER}\n" for a in ADDRESSES))
        for address in self._more:
            run(*enter, "address", "add", f"{address}/32", "dev", PEER)
            run("ip", "route", "add", f"{address}/32", "dev", LINK)
        run(*enter, "link", "set", PEER, "up")
        with open(f"/sys/class/net/{LINK}/address", encoding="ascii") as file:
            run(*enter, "neighbour", "replace", HOST, "lladdr", file.read().strip(), "dev", PEER)
        self._space = space
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind((HOST, PORT))
        self.receiver.setblocking(False)

    def senders(self, addresses: Sequence[str]) -> list[socket.socket]:
        """A connected socket of the neighbour for each of its addresses."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        away = os.open(self._space, os.O_RDONLY)
        try:
            if libc.setns(away, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            made = []
            for address in addresses:
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sender.bind((address, 0))
                sender.connect((HOST, PORT))
                made.append(sender)
            return made
        finally:
            if libc.setns(home, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.close(home)
            os.close(away)

    def drain(self) -> int:
        """Throw away what has arrived; how many packets that were."""
        count = 0
        while True:
            try:
                self.receiver.recv(64)
            except BlockingIOError:
                return count
            count += 1

    def exchange(
        self, streams: Sequence[Stream], watched: Sequence[socket.socket] = (), *, interval: float = INTERVAL
    ) -> list[socket.socket]:
        """Send one packet of each stream, take what arrives within the interval; which `watched` became readable."""
        began = time.monotonic()
        for index, stream in enumerate(streams):
            stream.send(index)
        readable: list[socket.socket] = []
        while (left := began + interval - time.monotonic()) > 0 and not readable:
            found = select.select([self.receiver, *watched], [], [], left)[0]
            readable = [sock for sock in found if sock is not self.receiver]
            self._take(streams)
        self._take(streams)
        return readable

    def _take(self, streams: Sequence[Stream]) -> None:
        while True:
            try:
                index, number = _NUMBER.unpack(self.receiver.recv(64))
            except BlockingIOError:
                return
            streams[index].arrived.append(number)
            streams[index].last = max(streams[index].last, number)

    def dropped(self, addresses: Sequence[str]) -> bool:
        """Whether nothing gets through from any of these addresses now."""
        self.drain()
        for sender in self.senders(addresses):
            sender.send(_NUMBER.pack(0, 0))
            sender.close()
        select.select([self.receiver], [], [], GONE)
        return self.drain() == 0
