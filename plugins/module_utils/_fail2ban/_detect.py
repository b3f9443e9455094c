# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared jails fitted to one host: where log and sshd really are, and whether what the jail guards is there at all.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import glob
import os
import shlex
from typing import Any, Callable

from .._errors import StockadeError
from .._ssh.ports import answering
from ._judge import Run
from ._text import quoted

DETECT = "detect"
SSHD = "sshd"  # as a port: wherever sshd listens
_SSHD_PORT = "22"  # of one that is not installed yet


def fit(
    jails: list[dict[str, Any]], *, run: Run, find: Callable[[str], str | None]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return the jails that belong on this host, and those left out, with the reason.

    ``backend: detect`` and the port ``sshd`` are decided. Nothing is changed. Raises StockadeError for a jail whose log
    cannot be told from its declaration, and where sshd does not tell its ports.
    """
    fitted, left_out = [], []
    for jail in jails:
        wanted = {key: value for key, value in jail.items() if key != "if_present"}
        conditions = jail.get("if_present") or []
        if jail.get("enabled") is not False:
            why = _missing(conditions)
            if not why and wanted.get("backend") == DETECT:
                wanted = _detected(wanted, run=run, find=find)
            if not why and conditions:
                why = _without_log(wanted)
            if why:
                left_out.append({"name": str(jail.get("name")), "reason": why})
                continue
            if SSHD in (wanted.get("port") or []):
                wanted["port"] = _with_sshd(wanted, run=run, find=find)
        else:
            if wanted.get("backend") == DETECT:
                del wanted["backend"]
            if SSHD in (wanted.get("port") or []):
                del wanted["port"]
        fitted.append(wanted)
    return fitted, left_out


def files(paths: list[str]) -> list[str]:
    """Return the files that log paths name now; a word behind a path says from where to read it."""
    named = {found for path in paths for found in glob.glob(path.rsplit(" ", 1)[0])}
    return sorted(path for path in named if os.path.exists(path))  # fail2ban passes dangling links over


def _missing(conditions: list[str]) -> str:
    if not conditions or any(glob.glob(path) for path in conditions):
        return ""
    return "none of these is there: %s" % ", ".join(conditions)


def _without_log(jail: dict[str, Any]) -> str:
    if str(jail.get("backend") or "").startswith("systemd") or not jail.get("logpath") or files(_paths(jail)):
        return ""
    return "no log is there: %s" % ", ".join(_paths(jail))


def _detected(jail: dict[str, Any], *, run: Run, find: Callable[[str], str | None]) -> dict[str, Any]:
    """Return the jail with the back end that finds its log, and only what this back end reads.

    The journal counts if it has an entry: an old auth.log may lie where nobody writes any more. Without an entry a file
    does; without either it is the journal, in which the first entry will appear.
    """
    matches = jail.get("journalmatch")
    journalctl = find("journalctl") if matches else None
    has_file = bool(files(_paths(jail)))
    words = _words(jail) if journalctl else []
    if journalctl and (not has_file or _has_entry(words, run=run, journalctl=journalctl)):
        return dict(jail, backend="systemd", logpath=None)
    if not jail.get("logpath"):
        raise StockadeError(
            "jail %s: backend detect needs logpath, or journalmatch and a journal" % quoted(str(jail.get("name")))
        )
    return dict(jail, backend="auto", journalmatch=None)


def _with_sshd(jail: dict[str, Any], *, run: Run, find: Callable[[str], str | None]) -> list[str]:
    """Return the ports of the jail, sshd's by their numbers."""
    try:
        ports = [str(port) for port in answering(run, find("sshd"))] or [_SSHD_PORT]
    except StockadeError as error:
        raise StockadeError(
            "jail %s: cannot tell on which ports sshd listens, name them in port: %s"
            % (quoted(str(jail["name"])), error)
        ) from error
    return list(dict.fromkeys(word for port in jail["port"] for word in (ports if port == SSHD else [port])))


def _paths(jail: dict[str, Any]) -> list[str]:
    paths = [str(path) for path in jail.get("logpath") or []]
    referring = [path for path in paths if "%(" in path]
    if referring:
        raise StockadeError(
            "jail %s: logpath %s cannot be looked for: write the path, or leave out if_present and backend detect"
            % (quoted(str(jail.get("name"))), quoted(referring[0]))
        )
    return paths


def _words(jail: dict[str, Any]) -> list[str]:
    """Return a jail's matches as journalctl takes them. Raises StockadeError for one with an open quotation mark."""
    matches: Any = jail["journalmatch"]
    words: list[str] = []
    for match in [matches] if isinstance(matches, str) else matches:
        try:
            words += (["+"] if words else []) + shlex.split(match)
        except ValueError as e:
            where = "jail %s: journalmatch %s" % (quoted(str(jail.get("name"))), quoted(match))
            raise StockadeError("%s cannot be read: %s" % (where, e)) from None
    return words


def _has_entry(words: list[str], *, run: Run, journalctl: str) -> bool:
    rc, out, _err = run([journalctl, "--quiet", "--no-pager", "--lines=1", "--output=cat", "--", *words])
    return rc == 0 and bool(out.strip())
