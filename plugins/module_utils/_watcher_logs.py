# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs on a host that a watcher has a use for.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import glob
import os
import time
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._fail2ban._client import Fail2banClient

Input = t.Dict[str, t.Any]
Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]

# Where distributions have the logs of all requests, by the server's program; the server that stands in front of the
# others first. No request is in two logs of one server.
ACCESS = (
    ("/usr/sbin/nginx", ({"name": "nginx", "path": "/var/log/nginx/access.log"},)),
    (
        "/usr/sbin/apache2",
        (
            {"name": "apache", "path": "/var/log/apache2/access.log"},
            {"name": "apache-vhosts", "path": "/var/log/apache2/other_vhosts_access.log", "vhost": True},
        ),
    ),
    (
        "/usr/sbin/httpd",
        (
            {"name": "httpd", "path": "/var/log/httpd/access_log"},
            {"name": "httpd-ssl", "path": "/var/log/httpd/ssl_access_log"},
        ),
    ),
)  # type: t.Tuple[t.Tuple[str, t.Tuple[Input, ...]], ...]
# Logs of failed logins, and the jail of fail2ban that reads the same.
LOGINS = (
    {"name": "nginx-error", "path": "/var/log/nginx/error.log", "format": "nginx-error", "jail": "nginx-http-auth"},
    {"name": "apache-error", "path": "/var/log/apache2/error.log", "format": "apache-error", "jail": "apache-auth"},
    {"name": "httpd-error", "path": "/var/log/httpd/error_log", "format": "apache-error", "jail": "apache-auth"},
    {
        "name": "httpd-ssl-error",
        "path": "/var/log/httpd/ssl_error_log",
        "format": "apache-error",
        "jail": "apache-auth",
    },
    {"name": "proftpd", "path": "/var/log/proftpd/proftpd.log", "format": "proftpd", "jail": "proftpd"},
)  # type: t.Tuple[Input, ...]
CLOSED = ("/var/log/proftpd/proftpd.log",)
SSHD_LOGS = ("/var/log/auth.log", "/var/log/secure")
SSHD_JAIL = "sshd"
ACCESS_JAIL = "access-rate"  # the role fail2ban's own
PATIENCE = 10.0  # seconds after which a fail2ban that was started has its jails
_JOURNAL = "/run/systemd/journal"
_DOUBLE = "%s is not watched: it may have the requests of %s once more; add it to inputs if it has its own clients"
_NO_JOURNAL = "logins at sshd are not watched: the journal needs the package python3-systemd, and there is no %s"


def running_jails(run: Run, socket: str) -> list[str]:
    """The jails of the host's fail2ban; none where it does not run. One that is starting is waited for."""
    while True:
        try:
            jails = Fail2banClient(socket).jails()
        except StockadeError:
            jails = []
        if jails or not _is_starting(run):
            return jails
        time.sleep(0.2)


def _is_starting(run: Run) -> bool:
    """Whether fail2ban came up so lately that jails may be missing still: one without jails never gets any.

    Its unit is active before its socket is there, and the socket before the jails are.
    """
    _rc, out, _err = run(["systemctl", "show", "-p", "ActiveState,ActiveEnterTimestampMonotonic", "fail2ban.service"])
    shown = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    since = shown.get("ActiveEnterTimestampMonotonic", "")  # microseconds
    if shown.get("ActiveState") != "active" or not since.isdigit():
        return shown.get("ActiveState") in ("activating", "reloading")
    return time.monotonic() - int(since) / 1e6 < PATIENCE


def detect(run: Run, jails: t.Collection[str], declared: list[Input], root: str = "/") -> tuple[list[Input], list[str]]:
    """Inputs for the logs below ``root`` that are not declared, and warnings. What a jail reads already is left to it.

    A server that stands behind another one on the host logs the same requests again: each would count twice. So the
    access logs are those of one server. Failed logins are not logged twice: a server tells its own only.
    """
    front, behind = ([], []) if ACCESS_JAIL in jails else _servers(root)
    warnings = [_DOUBLE % (entry["path"], front[0]["path"]) for entry in undeclared(declared, behind, root)]
    found = list(front)
    for entry in LOGINS:
        if entry["jail"] not in jails and _is_file(root, entry["path"]):
            found.append({key: value for key, value in entry.items() if key != "jail"})
    found = undeclared(declared, found, root)
    if SSHD_JAIL not in jails and _is_file(root, "/usr/sbin/sshd"):
        sshd = _sshd(run, root)
        found += undeclared(declared, [sshd], root) if sshd else []
        if not sshd and not any(entry.get("format") == "sshd" for entry in declared):
            warnings.append(_NO_JOURNAL % " or ".join(SSHD_LOGS))
    return found, warnings


def undeclared(declared: list[Input], found: t.Iterable[Input], root: str = "/") -> list[Input]:
    """Those found that have neither the name of a declared input nor its path or journal; a pattern names many."""
    names = {entry["name"] for entry in declared}
    places = {entry.get("path") or tuple(entry.get("journal") or ()) for entry in declared}
    patterns = [_below(root, entry["path"]) for entry in declared if glob.has_magic(entry.get("path") or "")]
    files = {path for pattern in patterns for path in glob.glob(pattern)}
    return [
        entry
        for entry in found
        if entry["name"] not in names
        and (entry.get("path") or tuple(entry["journal"])) not in places
        and not ("path" in entry and _below(root, entry["path"]) in files)
    ]


def closed(inputs: list[Input], root: str = "/") -> dict[str, int]:
    """Known logs that only root's group may read, by that group's number.

    Debian's proftpd makes its log so at the first start; from the first rotation on it is readable by the group adm.
    """
    found = {}
    for entry in inputs:
        if entry.get("path") in CLOSED:
            try:
                about = os.stat(_below(root, entry["path"]))
            except OSError:
                continue
            if about.st_gid == 0 and about.st_mode & 0o044 == 0o040:
                found[entry["path"]] = about.st_gid
    return found


def _servers(root: str) -> tuple[list[Input], list[Input]]:
    """The access logs of the server in front, and those of others; of a server that was removed only if it is alone."""
    servers = [(program, [entry for entry in logs if _is_file(root, entry["path"])]) for program, logs in ACCESS]
    servers = [(program, logs) for program, logs in servers if logs]
    there = [logs for program, logs in servers if _is_file(root, program)] or [logs for _program, logs in servers]
    return (there[0], [entry for logs in there[1:] for entry in logs]) if there else ([], [])


def _sshd(run: Run, root: str) -> Input | None:
    if os.path.isdir(_below(root, _JOURNAL)):
        # The agent's Python, not the one of this module.
        rc, _out, _err = run(["/usr/bin/python3", "-I", "-c", "import systemd.journal"])
        if rc == 0:
            return {"name": "sshd", "journal": ["sshd"], "format": "sshd"}
    for path in SSHD_LOGS:
        if _is_file(root, path):
            return {"name": "sshd", "path": path, "format": "sshd"}
    return None


def _below(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def _is_file(root: str, path: str) -> bool:
    return os.path.isfile(_below(root, path))
