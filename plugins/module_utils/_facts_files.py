# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not as they should be: of the agent, and of what root runs or obeys beside it.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._agent import tree

ROOT = 0  # its uid
MOST = 1000  # rows

_WRITE, _READ = stat.S_IWOTH, stat.S_IROTH
_TRUSTED = ("root", "ssh_keys")  # groups; the second is ssh-keysign's on Enterprise Linux

# What root runs or obeys, with everything below.
_TREES = (
    tree.BASE,
    tree.COMMAND,
    "/etc/stockade",
    "/etc/fail2ban",
    "/etc/systemd/system/stockade-*",
    "/etc/systemd/system/fail2ban.service*",
    "/etc/systemd/system/ssh*",
    "/var/lib/stockade-ssh",
)
# The same without what is below: a directory with keys of users may be there.
_PLACES = ("/etc/ssh", "/etc/ssh/*", "/etc/ssh/sshd_config.d/*")
_SECRETS = ("/etc/stockade/credentials", "/etc/ssh/*_key", "/var/lib/stockade", "/var/lib/stockade-ssh")


def files() -> list[dict[str, str]]:
    """Rows of ``path``, ``kind`` and ``problem``, sorted, at most `MOST`; none where all is well.

    Kinds are ``writable`` (others than root may write it), ``readable`` (a secret that others may read) and ``changed``
    (a file of the agent's program that is not what was installed). What disappears meanwhile is left out.
    """
    version = tree.current()
    rows = [_row(path, "changed", "is not what was installed") for path in (tree.damaged(version) if version else [])]
    obeyed = _below(_found(_TREES)) + _found(_PLACES)
    for path, status in _status(obeyed):
        if status.st_uid != ROOT or _allows(status, _WRITE):
            rows.append(_row(path, "writable", "can be written by others than root (%s)" % _access(status)))
    for path, status in _status(_found(_SECRETS)):
        if _allows(status, _READ):
            rows.append(_row(path, "readable", "can be read by others (%s)" % _access(status)))
    return sorted(rows, key=lambda row: (row["kind"], row["path"]))[:MOST]


def _found(patterns: t.Iterable[str]) -> list[str]:
    return [path for pattern in patterns for path in glob.glob(pattern)]


def _below(paths: t.Iterable[str]) -> list[str]:
    """These paths and, where they are directories, all in them."""
    found = []
    for top in paths:
        found.append(top)
        for directory, directories, names in os.walk(top):
            found += [os.path.join(directory, name) for name in directories + names]
    return found


def _status(paths: t.Iterable[str]) -> t.Iterator[tuple[str, os.stat_result]]:
    """Of the files and directories that paths lead to; a masked unit leads to a device, which is neither."""
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            yield path, status


def _allows(status: os.stat_result, right: int) -> bool:
    """Whether everybody, or the members of a group, have a right."""
    return bool(status.st_mode & right or (status.st_mode & right << 3 and _group(status.st_gid) not in _TRUSTED))


def _access(status: os.stat_result) -> str:
    return "%s:%s, mode %04o" % (_user(status.st_uid), _group(status.st_gid), stat.S_IMODE(status.st_mode))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _row(path: str, kind: str, problem: str) -> dict[str, str]:
    # A name may be any bytes, and facts are UTF-8.
    return {"path": os.fsencode(path).decode("utf-8", "backslashreplace"), "kind": kind, "problem": problem}
