# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the registry whatever happened to it: a copy before it grows, a rebuilt one if it is broken.

Bans of a broken registry come back from its last copy and from the kernel's own table, which knows what is in force and
for how long, but not why. A registry that cannot be written is read from a copy in memory, so that what it says holds.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stockade.addresses import Network, NetworkIndex, merged
from stockade.warden import schema
from stockade.warden.firewall import Firewall, FirewallError, Held, Remaining
from stockade.warden.policy import Surroundings
from stockade.warden.registry import Registry
from stockade.warden.rows import Ban, Change, WhitelistEntry

LOG = logging.getLogger("stockade.warden")
FILE, COPY = "registry.db", "registry.copy.db"
_SIDE_FILES = ("-wal", "-shm", "-journal")
RECOVERED = "recovered"  # the whitelist's list of what only the kernel still knew


@dataclass
class Opened:
    """A registry that can be used, and what an operator has to know about it."""

    registry: Registry
    warnings: tuple[str, ...] = ()


def open_registry(state: Path, firewall: Firewall, origin: str) -> Opened:
    """The registry in the directory `state`. Raises sqlite3.Error or OSError if there is no way to have one."""
    path = state / FILE
    lost = not path.exists() or not path.stat().st_size
    if lost and ((state / COPY).exists() or _held(firewall).bans):
        return _rebuilt(path, firewall, origin, "it is missing or empty")
    try:
        _copy_before_growth(path)
        registry = Registry(path)
    except sqlite3.OperationalError as error:  # the disk's fault, not the file's
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # another warden holds it
            raise
        return _unwritable(path, error)
    except sqlite3.DatabaseError as error:
        return _rebuilt(path, firewall, origin, str(error))
    with suppress(OSError):
        registry.copied_at = int((state / COPY).stat().st_mtime)
    if not registry.writable:
        return Opened(registry, ("the registry is of a newer agent: it is enforced, changes are refused",))
    return Opened(registry)


def keep_copy(registry: Registry, state: Path) -> None:
    """Renew the copy if anything changed since. Failing costs nothing but the age of the copy: it is logged."""
    if not registry.changed:
        return
    unfinished = state / (COPY + ".new")
    try:
        registry.copy_to(unfinished)
        os.replace(unfinished, state / COPY)
        registry.changed, registry.copied_at = False, int(time.time())
    except (sqlite3.Error, OSError) as error:
        LOG.warning("the registry could not be copied: %s", error)


def retry(registry: Registry, state: Path) -> None:
    """Where the disk could not be written: go on in the file on it as soon as that works again."""
    try:
        if not (state / FILE).exists():  # rebuilt in memory
            registry.copy_to(state / (FILE + ".new"))
            os.replace(state / (FILE + ".new"), state / FILE)
        fresh = Registry(state / FILE)
        fresh.remember_released(fresh.released)  # a write is what shows it
    except (sqlite3.Error, OSError):
        return
    registry.go_on_in(fresh)
    LOG.info("the registry can be written again")


def _copy_before_growth(path: Path) -> None:
    if not path.exists():
        return
    db = sqlite3.connect(path)
    try:
        found = schema.version(db)
        if found == 0 or found >= schema.VERSION:
            return
        if found < schema.OLDEST:
            raise sqlite3.DatabaseError(f"its layout {found} is from before the first release")
        copy = path.with_name(f"registry.v{found}.db")
        copy.unlink(missing_ok=True)  # one that was cut off is no database
        with sqlite3.connect(copy) as target:
            db.backup(target)
        target.close()
    finally:
        db.close()


def _rebuilt(path: Path, firewall: Firewall, origin: str, reason: str) -> Opened:
    now = int(time.time())
    broken = path.with_name(f"{FILE}.corrupt-{now}")
    for suffix in ("", *_SIDE_FILES):
        side = Path(f"{path}{suffix}")
        if side.exists():
            side.rename(f"{broken}{suffix}")
    copied_at, refusal = _from_copy(path), ""
    try:
        registry = Registry(path)
    except sqlite3.OperationalError as error:  # a full disk as well: in memory, until `retry` can write
        refusal = str(error)
        memory = _in_memory()
        with suppress(OSError):
            shutil.copyfile(path.with_name(COPY), memory)
        registry = Registry(memory)
    recovered = _add_what_is_in_force(registry, firewall, origin, now, since=copied_at)
    registry.refusal = refusal
    source = f"its copy of {_moment(copied_at)}" if copied_at else "nothing (there was no copy)"
    warning = f"the registry was lost ({reason}): rebuilt from {source} and {recovered} bans that the kernel held"
    warning += f"; the broken file is {broken}" if broken.exists() else ""
    LOG.error("%s", warning)
    return Opened(registry, (warning,))


def _held(firewall: Firewall) -> Held:
    try:
        return firewall.held()
    except FirewallError as error:
        LOG.warning("what is in force cannot be read: %s", error)
        return Held()


def _from_copy(path: Path) -> int:
    """Put the copy in place; when it was made in epoch seconds, 0 if there is none that can be used."""
    copy = path.with_name(COPY)
    try:
        made_at = int(copy.stat().st_mtime)
        shutil.copyfile(copy, path)
        registry = Registry(path)
        registry.close()
    except (OSError, sqlite3.Error):
        for suffix in ("", *_SIDE_FILES):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        return 0
    return made_at


def _add_what_is_in_force(registry: Registry, firewall: Firewall, origin: str, now: int, *, since: int) -> int:
    """Add what is in force and the copy lacks; end what the copy has and was no longer in force."""
    held, known = _held(firewall), registry.in_force(now)
    complete = bool(held.bans) and firewall.subtracts  # a program may be behind with what it was told
    new = [
        Ban(network, "operator", origin, uuid.uuid4().hex, "recovered from the kernel", now, left and now + left)
        for network, left in held.bans.items()
        if _outlasts(left, known.get(network, 0), now)
    ]
    lifted = [ban for ban in registry.live(now) if complete and ban.network not in held.bans]
    passing, reachable = registry.whitelist(now), Surroundings.read().reachable
    copied = _index([*(entry.network for entry in passing), *reachable])
    in_force = _index(held.whitelist)
    change = Change(
        put=new,
        end=lifted,
        ended_by="lifted after the copy",
        put_whitelist=[
            WhitelistEntry(network, RECOVERED, "", now, None)
            for network in held.whitelist
            if copied.around(network) is None
        ],
        end_whitelist=[entry for entry in passing if held.whitelist and in_force.around(entry.network) is None],
    )
    registry.skip_changes(now)
    if change:
        registry.change(now, change)
    return len(new)


def _index(networks: Iterable[Network]) -> NetworkIndex:
    """The networks, merged as the kernel's sets hold them."""
    known = list(networks)
    return NetworkIndex(
        one for version in (4, 6) for one in merged(network for network in known if network.version == version)
    )


def _outlasts(left: Remaining, known: int | None, now: int) -> bool:
    """Whether what the kernel holds for `left` seconds runs longer than what is known to end at `known`."""
    if known is None or left == 0:
        return False
    return left is None or now + left > known + 5


def _unwritable(path: Path, error: sqlite3.OperationalError) -> Opened:
    memory = _in_memory()
    for suffix in ("", "-wal"):
        side = Path(f"{path}{suffix}")
        if side.exists():
            shutil.copyfile(side, f"{memory}{suffix}")
    registry = Registry(memory)
    registry.refusal = str(error)
    LOG.error("the registry cannot be written (%s): what it held is enforced, changes are not recorded", error)
    return Opened(registry)


def _in_memory() -> Path:
    return Path(tempfile.mkdtemp(prefix="registry-", dir=os.environ.get("RUNTIME_DIRECTORY"))) / FILE


def _moment(epoch: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))
