# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban takes without a word although it would never do what is declared.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._declare_jails import KNOWN
from ._detect import files
from ._files import JAILS
from ._judge import Verdict, backend, settings
from ._plan import Plan

#: Names that this collection knows, but not every version of fail2ban reads; the others are variables of jail.conf.
_SINCE = frozenset({"skip_if_nologs"}) & KNOWN


def missing_logs(logpaths: dict[str, list[str]]) -> list[str]:
    """Return a complaint for each declared jail of whose logs none is there; fail2ban would name the jail alone."""
    return [
        "jail %s: none of its logs is there: %s; give the jail if_present to have it only where they are"
        % (name, ", ".join(paths))
        for name, paths in sorted(logpaths.items())
        if not files(paths)
    ]


def check_options(options: dict[str, set[str]], verdict: Verdict) -> list[str]:
    """Return a complaint for each declared option that this version of fail2ban ignores."""
    return [
        "jail %s: fail2ban %s does not read %s" % (jail, verdict.version, name)
        for jail, names in sorted(options.items())
        for name in sorted((names & _SINCE) - verdict.reads)
    ]


def check_sources(plan: Plan, logpaths: dict[str, list[str]], verdict: Verdict) -> list[str]:
    """Return a complaint for each declared jail that would look active and see nothing."""
    complaints = []
    for name in sorted(plan.on):
        text = plan.changes(JAILS).get(name) or ""
        if name not in verdict.wanted:
            complaints.append("jail %s is declared but another file turns it off" % name)
            continue
        journal = backend(verdict.wanted[name]).startswith("systemd")
        if journal and logpaths.get(name):
            complaints.append("jail %s: logpath is not read with backend systemd: set backend" % name)
        elif not journal and "\njournalmatch = " in text:
            complaints.append("jail %s: journalmatch needs backend: systemd" % name)
        elif not journal and not settings(verdict.wanted[name], "addlogpath"):
            complaints.append("jail %s has no log to read: set logpath, or backend: systemd" % name)
    return complaints
