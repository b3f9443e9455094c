# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own fail2ban and its jails, asked through its socket."""

from __future__ import annotations

import contextlib
import io
import pickle
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

from onhost.warden import ask, run

SOCKET = "/run/fail2ban/fail2ban.sock"
UNIT = "fail2ban.service"
DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"
WATCHED = Path("/var/log/stockade-bench.log")  # what the bench's jails read; it stays empty
CONFIGURATION = Path("/etc/fail2ban")
PREFIX = "stockade-bench"  # by which the bench knows its own jails
BATCH = 250  # addresses in one request
PATIENCE = 120.0  # seconds, for anything but the return of thousands of bans
_END = b"<F2B_END_COMMAND>"


class _Answer(pickle.Unpickler):
    """Texts are texts, errors become an error of ours; nothing is imported."""

    def find_class(self, module: str, name: str) -> Any:
        return str if (module, name) == ("builtins", "str") else type(str(name), (Exception,), {})


def call(*command: str) -> Any:
    """What fail2ban answers. Raises OSError while nobody answers, RuntimeError if it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(PATIENCE)
        link.connect(SOCKET)
        link.sendall(pickle.dumps(list(command), 2) + _END)
        answer = b""
        while not answer.endswith(_END):
            part = link.recv(65536)
            if not part:
                raise ConnectionError("fail2ban closed its socket")
            answer += part
    code, result = _Answer(io.BytesIO(answer[: -len(_END)])).load()
    if code != 0:
        raise RuntimeError(f"fail2ban refuses {' '.join(command)[:100]}: {str(result)[:500]}")
    return result


def names() -> set[str]:
    """The jails that run; none while fail2ban does not answer."""
    with contextlib.suppress(OSError):
        return set(filter(None, dict(call("status"))["Jail list"].replace(",", " ").split()))
    return set()


def wait_running(jails: list[str]) -> float:
    """When fail2ban answered with all of these jails, by the kernel's clock. Raises RuntimeError after the deadline."""
    until = time.monotonic() + PATIENCE
    while not set(jails) <= names():
        if time.monotonic() > until:
            raise RuntimeError(f"fail2ban runs {sorted(names())} instead of {sorted(jails)}")
        time.sleep(0.02)
    return time.monotonic()


def count(jail: str) -> int:
    """How many bans the jail holds; 0 while it does not answer."""
    try:
        return int(call("status", jail, "stats")[2][0])
    except (OSError, RuntimeError):
        return 0


def enforced(jail: str) -> int:
    """How many of the jail's bans are in force: those of the warden, or the elements of fail2ban's own set."""
    if "stockade" in call("get", jail, "actions"):
        return len(ask("bans", source=f"fail2ban/{jail}", limit=200_000)["bans"])
    listed = run("nft", "list", "set", "inet", "f2b-table", f"addr-set-{jail}", check=False)
    return len(listed.partition("elements = {")[2].split(",")) if "elements" in listed else 0


def insist(jail: str, bans: int) -> None:
    """Raise RuntimeError unless the jail holds so many bans and all are in force."""
    found = count(jail), enforced(jail)
    if found != (bans, bans):
        raise RuntimeError(f"{jail}: {found[0]} bans are listed and {found[1]} in force, not {bans}")


def ban(jail: str, addresses: list[str]) -> None:
    """Ban them by hand, in few requests; afterwards they are in force and in fail2ban's database."""
    held = count(jail)
    for start in range(0, len(addresses), BATCH):
        call("set", jail, "banip", *addresses[start : start + BATCH])
    insist(jail, held + len(addresses))
    until = time.monotonic() + PATIENCE  # a thread of its own writes them down, later
    while (stored := _stored(jail)) < held + len(addresses):
        if time.monotonic() > until:
            raise RuntimeError(f"{jail}: fail2ban's database has {stored} of {held + len(addresses)} bans")
        time.sleep(0.1)


def _stored(jail: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True, timeout=10)) as database:
        return int(database.execute("SELECT count(*) FROM bips WHERE jail = ?", (jail,)).fetchone()[0])


def client_loop(jail: str, addresses: list[str]) -> dict[str, float]:
    """Seconds for banning them as a shell script does: one process of fail2ban-client each."""
    held = count(jail)
    script = 'jail=$1; shift; for a in "$@"; do fail2ban-client set "$jail" banip "$a" || exit 1; done'
    began = time.monotonic()
    run("sh", "-c", script, "sh", jail, *addresses)
    took = time.monotonic() - began
    insist(jail, held + len(addresses))
    return {"seconds": took}


def lift(jail: str) -> None:
    """Lift every ban of the jail, in fail2ban, in its database and at the warden. No such jail is all right."""
    if jail in names():
        run("fail2ban-client", "reload", "--unban", jail)  # flushes: not one command for each
        wait_running([jail])
    rows = ask("bans", source=f"fail2ban/{jail}", limit=200_000)["bans"]
    for start in range(0, len(rows), 1000):
        lifted = [row["network"] for row in rows[start : start + 1000]]
        ask("unban", networks=lifted, source=f"fail2ban/{jail}")


def from_nothing() -> None:
    """Take the files of the bench's jails away, whoever wrote them, and restart: quicker than stopping jail by jail."""
    for path in (CONFIGURATION / "jail.d").glob(f"*{PREFIX}*"):
        path.unlink()
    run("systemctl", "reset-failed", UNIT, check=False)  # its start limit counts the starts
    run("systemctl", "restart", UNIT)
    until = time.monotonic() + PATIENCE
    while not (found := names()) or any(name.startswith(PREFIX) for name in found):
        if time.monotonic() > until:
            raise RuntimeError(f"fail2ban runs {sorted(found)} after a restart")
        time.sleep(0.02)


def prepare() -> None:
    """Make the log that the jails read."""
    WATCHED.touch()


def leave(jails: list[str]) -> None:
    """Lift the bans of the bench's jails and remove those jails. Also after an interrupted run."""
    for jail in jails:
        lift(jail)
    if any(name.startswith(PREFIX) for name in names()) or any((CONFIGURATION / "jail.d").glob(f"*{PREFIX}*")):
        from_nothing()
    WATCHED.unlink(missing_ok=True)
