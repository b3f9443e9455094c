# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban on the same host: banning by hand in a jail with its stock nftables action.

A server of its own, with its own configuration, socket, database and nftables table, so that the host's fail2ban is
not touched. Both ways of asking are timed until the kernel holds the last address: a loop of `fail2ban-client set JAIL
banip` as an administrator writes it, and one call with all addresses, the best that fail2ban can do.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from onhost.warden import run

DIRECTORY = Path("/var/tmp/stockade-bench-fail2ban")
TABLE = ("inet", "stockade-bench")
SET = "addr-set-bench"
DEADLINE = 600.0

MAIN = f"""[DEFAULT]
loglevel = INFO
logtarget = {DIRECTORY}/log
syslogsocket = auto
socket = {DIRECTORY}/socket
pidfile = {DIRECTORY}/pid
dbfile = {DIRECTORY}/database
dbpurgeage = 1d
dbmaxmatches = 10
[Definition]
[Thread]
"""
JAIL = f"""[DEFAULT]
[bench]
enabled = true
filter = sshd
backend = polling
logpath = {DIRECTORY}/watched
bantime = 2h
action = nftables-multiport[name=bench, port=ssh, protocol=tcp, table={TABLE[1]}]
"""
CLIENT = ("fail2ban-client", "-c", str(DIRECTORY), "-s", f"{DIRECTORY}/socket", "-p", f"{DIRECTORY}/pid")


@contextlib.contextmanager
def _server() -> Iterator[None]:
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(mode=0o700)
    (DIRECTORY / "fail2ban.conf").write_text(MAIN, encoding="utf-8")
    (DIRECTORY / "jail.conf").write_text(JAIL, encoding="utf-8")
    (DIRECTORY / "watched").touch()
    for name in ("action.d", "filter.d"):
        (DIRECTORY / name).symlink_to(f"/etc/fail2ban/{name}")
    try:
        run(*CLIENT, "start")
        yield
    finally:
        run(*CLIENT, "stop", check=False)
        run("nft", "delete", "table", *TABLE, check=False)
        shutil.rmtree(DIRECTORY, ignore_errors=True)


def _wait_held(address: str) -> None:
    until = time.monotonic() + DEADLINE
    while not run("nft", "get", "element", *TABLE, SET, f"{{ {address} }}", check=False):
        if time.monotonic() > until:
            raise RuntimeError(f"fail2ban has not banned {address} after {DEADLINE:.0f} s")
        time.sleep(0.02)


def measure(loops: list[list[str]], calls: list[list[str]]) -> dict[str, list[float]]:
    """Seconds for each of these lists of addresses: banned in a loop, banned by one call."""
    seconds: dict[str, list[float]] = {"loop": [], "call": []}
    with _server():
        for addresses in loops:
            script = f'for a in "$@"; do {" ".join(CLIENT)} set bench banip "$a" || exit 1; done'
            began = time.monotonic()
            run("sh", "-c", script, "sh", *addresses)
            _wait_held(addresses[-1])
            seconds["loop"].append(time.monotonic() - began)
        for addresses in calls:
            began = time.monotonic()
            run(*CLIENT, "set", "bench", "banip", *addresses)
            _wait_held(addresses[-1])
            seconds["call"].append(time.monotonic() - began)
    return seconds
