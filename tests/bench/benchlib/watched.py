# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose watcher is measured: the agent on it, and the measurements of `onhost/watcher*.py`."""

from __future__ import annotations

import json
from typing import Any

from benchlib.hosts import BENCH, PLACE, Host

AGENT = BENCH / "benchlib/agent.yml"
PROGRAM = "/usr/local/bin/stockade"


class WatcherHost(Host):
    """A host as Host is one, with more that can be measured on it."""

    def installed(self) -> bool:
        """Whether it has the agent."""
        return self.shell("sh", "-c", f"test -e {PROGRAM} && echo yes || echo no").strip() == "yes"

    def measure(self, name: str, **arguments: Any) -> Any:
        """The answer of one measurement made on the host itself, which ends with this call. Raises BenchError."""
        if not name.startswith("watcher_"):
            return super().measure(name, **arguments)
        script = f'cd {PLACE} && echo $$ >running && exec python3 -B -m onhost.watcher onhost "$1"'
        try:
            said = self.shell("sh", "-c", script, "sh", name, sent=json.dumps(arguments).encode())
        except BaseException:
            self._end_measurement()
            raise
        return json.loads(said)
