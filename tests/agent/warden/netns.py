# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of its own for one test, with this process inside it."""

from __future__ import annotations

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h


class NetworkNamespace:
    """Made and entered at once; `leave` takes the process back and removes it."""

    def __init__(self) -> None:
        self.name = f"stockade-test-{os.getpid()}"
        self._before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        _enter(inside)
        os.close(inside)

    def leave(self) -> None:
        _enter(self._before)
        os.close(self._before)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
