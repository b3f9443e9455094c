# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports that a host makes of itself: which timers run, and what their runs need.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.stockade.fleet.plugins.module_utils import _toml as toml
from ansible_collections.stockade.fleet.plugins.module_utils._agent import units
from ansible_collections.stockade.fleet.plugins.module_utils._agent.settings import HEADER
from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError

KINDS = list(units.TIMERS)
CONFIG = "/etc/stockade/report.toml"
LOGS = "/var/log/stockade-report"
HOME = "/var/lib/stockade-report"  # of the command
LOGROTATE = "/etc/logrotate.d/stockade-report"
SPEC: dict[str, t.Any] = {
    "kinds": {"type": "list", "elements": "str", "choices": KINDS, "default": []},
    "command": {"type": "list", "elements": "str", "default": []},
    "command_network": {"type": "bool", "default": False},
    "country_database": {"type": "str"},
}
# A year of reports. The rotated files belong to the one who writes, so root follows no link of his.
_LOGROTATE = """\
%s
%s/*.log {
    su stockade-report adm
    monthly
    rotate 12
    compress
    delaycompress
    missingok
    notifempty
    create 0640 stockade-report adm
}
"""


class Reports(t.NamedTuple):
    """The kinds of reports a host makes of itself, a file of countries, and who is given each report."""

    kinds: t.Sequence[str] = ()
    country_database: str = ""
    command: t.Sequence[str] = ()
    network: bool = False

    @property
    def timers(self) -> tuple[str, ...]:
        """The timers that run."""
        return tuple(units.TIMERS[kind] for kind in KINDS if kind in self.kinds)

    def files(self) -> dict[str, bytes | None]:
        """What this choice has on disk, besides the version's own files; None: not there."""
        wanted: dict[str, bytes | None] = {CONFIG: self._config(), units.dropin(units.REPORT): self._dropin()}
        if os.path.isdir(os.path.dirname(LOGROTATE)):
            wanted[LOGROTATE] = (_LOGROTATE % (HEADER.rstrip(), LOGS)).encode() if self.kinds else None
        return wanted

    def _config(self) -> bytes | None:
        keys = {"country_database": self.country_database, "command": list(self.command)}
        lines = ["%s = %s\n" % (key, toml.value(value)) for key, value in sorted(keys.items()) if value]
        return (HEADER + "".join(lines)).encode() if lines else None

    def _dropin(self) -> bytes | None:
        """What a command needs that the report itself does not: a home, memory for a compiler of its own (V8, PCRE)."""
        if not self.command:
            return None
        lines = ["MemoryDenyWriteExecute=no", "StateDirectory=" + os.path.basename(HOME), "StateDirectoryMode=0700"]
        lines.append("Environment=HOME=" + HOME)
        if self.network:
            lines.append("RestrictAddressFamilies=AF_INET AF_INET6")
        return (HEADER + "[Service]\n" + "".join(line + "\n" for line in lines)).encode()


def chosen(options: dict[str, t.Any] | None) -> Reports:
    """The choice in the module's option. Raises StockadeError for a path that is none."""
    given = options or {}
    reports = Reports(
        given.get("kinds") or (),
        given.get("country_database") or "",
        given.get("command") or (),
        bool(given.get("command_network")),
    )
    for name, path in (("command", next(iter(reports.command), "")), ("country_database", reports.country_database)):
        if path and not path.startswith("/"):
            raise StockadeError("reports: %s: %r is no full path" % (name, path))
    if not all(reports.command):
        raise StockadeError("reports: command: an argument is empty")
    return reports
