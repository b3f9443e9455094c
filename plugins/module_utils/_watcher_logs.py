# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs on a host that a watcher has a use for.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import typing as t

Input = t.Dict[str, t.Any]
Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]

# Where distributions have the logs of all requests; the server that stands in front of the others first.
ACCESS = (
    {"name": "nginx", "path": "/var/log/nginx/access.log"},
    {"name": "apache", "path": "/var/log/apache2/access.log"},
    {"name": "httpd", "path": "/var/log/httpd/access_log"},
)  # type: t.Tuple[Input, ...]
# Logs of failed logins, and the jail of fail2ban that reads the same.
LOGINS = (
    {"name": "nginx-error", "path": "/var/log/nginx/error.log", "format": "nginx-error", "jail": "nginx-http-auth"},
    {"name": "apache-error", "path": "/var/log/apache2/error.log", "format": "apache-error", "jail": "apache-auth"},
    {"name": "httpd-error", "path": "/var/log/httpd/error_log", "format": "apache-error", "jail": "apache-auth"},
    {"name": "proftpd", "path": "/var/log/proftpd/proftpd.log", "format": "proftpd", "jail": "proftpd"},
)  # type: t.Tuple[Input, ...]
CLOSED = ("/var/log/proftpd/proftpd.log",)
SSHD_LOGS = ("/var/log/auth.log", "/var/log/secure")
SSHD_JAIL = "sshd"
ACCESS_JAIL = "access-rate"  # the role fail2ban's own
_JOURNAL = "/run/systemd/journal"
_DOUBLE = "%s is not watched: it may have the requests of %s once more; add it to inputs if it has its own clients"
_NO_JOURNAL = "logins at sshd are not watched: the journal needs the package python3-systemd, and there is no %s"


def detect(
    run: Run, jails: t.Collection[str], declared: list[Input], root: str = "/"
) -> tuple[list[Input], list[str]]:
    """Inputs for the logs below ``root``, and warnings. What a jail of fail2ban reads already is left to it.

    A server that stands behind another one on the host logs the same requests again: each would count twice. So there
    is one access log at most. Failed logins are not logged twice.
    """
    access = [entry for entry in ACCESS if ACCESS_JAIL not in jails and _is_file(root, entry["path"])]
    taken = {entry.get("path") for entry in declared}
    warnings = [_DOUBLE % (entry["path"], access[0]["path"]) for entry in access[1:] if entry["path"] not in taken]
    found = list(access[:1])
    for entry in LOGINS:
        if entry["jail"] not in jails and _is_file(root, entry["path"]):
            found.append({key: value for key, value in entry.items() if key != "jail"})
    if SSHD_JAIL not in jails and _is_file(root, "/usr/sbin/sshd"):
        sshd = _sshd(run, root)
        found += [sshd] if sshd else []
        warnings += [] if sshd else [_NO_JOURNAL % " or ".join(SSHD_LOGS)]
    return found, warnings


def with_detected(declared: list[Input], found: list[Input]) -> list[Input]:
    """The declared inputs, and those found that have neither the name nor the path of a declared one."""
    taken = {entry[key] for entry in declared for key in ("name", "path") if entry.get(key)}
    return declared + [entry for entry in found if not taken & {entry["name"], entry.get("path")}]


def closed(inputs: list[Input], root: str = "/") -> dict[str, int]:
    """Known logs that only root's group may read, by that group's number.

    Debian's proftpd makes its log so at the first start; from the first rotation on it is readable by the group adm.
    """
    found = {}
    for entry in inputs:
        if entry.get("path") in CLOSED:
            try:
                about = os.stat(os.path.join(root, entry["path"].lstrip("/")))
            except OSError:
                continue
            if about.st_gid == 0 and about.st_mode & 0o044 == 0o040:
                found[entry["path"]] = about.st_gid
    return found


def _sshd(run: Run, root: str) -> Input | None:
    if os.path.isdir(os.path.join(root, _JOURNAL.lstrip("/"))):
        # The agent's Python, not the one of this module.
        rc, _out, _err = run(["/usr/bin/python3", "-I", "-c", "import systemd.journal"])
        if rc == 0:
            return {"name": "sshd", "journal": ["sshd"], "format": "sshd"}
    for path in SSHD_LOGS:
        if _is_file(root, path):
            return {"name": "sshd", "path": path, "format": "sshd"}
    return None


def _is_file(root: str, path: str) -> bool:
    return os.path.isfile(os.path.join(root, path.lstrip("/")))
