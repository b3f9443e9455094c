# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warden in memory, for what declares lists."""

from __future__ import annotations

import copy
import os
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stockade.fleet.plugins.module_utils._warden import WardenAbsent, WardenClient, WardenRefused
from ansible_collections.stockade.fleet.plugins.plugin_utils._package import Package, build

sys.path.insert(0, str(Path(__file__).parent))

from agentlab import Host, make_host

OPS = ("permanent_bans", "whitelist_set")


class ListsWarden:
    """Answers as docs/architecture.md says; ``asked`` is what it was sent, ``NEVER`` what it never bans."""

    NEVER = "198.51.100.1"

    def __init__(self) -> None:
        self.present = True
        self.asked: list[dict[str, t.Any]] = []
        self.lists: dict[tuple[str, str], dict[str, dict[str, t.Any]]] = {}
        self.digests: dict[tuple[str, str], str] = {}

    def call(self, op: str, **fields: t.Any) -> dict[str, t.Any]:
        if not self.present:
            raise WardenAbsent("no warden on this host")
        if op == "status":
            return {"callers": {"list/" + n: len(v) for (o, n), v in self.lists.items() if o == OPS[0] and v}}
        if op == "whitelist":
            return {"entries": [e for (o, _n), v in self.lists.items() if o == OPS[1] for e in v.values()]}
        assert op in OPS
        self.asked.append(copy.deepcopy(dict(fields, op=op)))
        if "digest" in fields and "entries" not in fields:
            return self._known((op, fields["list"]), fields["digest"])
        return self._declare((op, fields["list"]), fields)

    def networks(self, name: str, op: str = "permanent_bans") -> list[str]:
        """What a list holds."""
        return sorted(self.lists.get((op, name), {}))

    def changing(self) -> list[str]:
        """The lists that it was asked to change, in order."""
        return [fields["list"] for fields in self.asked if "entries" in fields and not fields["check"]]

    def _known(self, key: tuple[str, str], digest: str) -> dict[str, t.Any]:
        counts = {"added": 0, "removed": 0, "refused": 0, "expired": 0, "total": len(self.lists.get(key, {}))}
        return {"known": self.digests.get(key) == digest, "changed": False, "counts": counts}

    def _declare(self, key: tuple[str, str], fields: dict[str, t.Any]) -> dict[str, t.Any]:
        op, name = key
        rows = [{"network": entry} if isinstance(entry, str) else entry for entry in fields["entries"]]
        refused = [row["network"] for row in rows if row["network"] == self.NEVER and op == OPS[0]]
        if refused and fields.get("on_refused") != "skip":
            raise WardenRefused("refused", "cannot ban %s: it is a gateway" % self.NEVER)
        wanted = {
            row["network"]: dict({"comment": "", "expires_at": None}, list=name, **row)
            for row in rows
            if row["network"] not in refused
        }
        held = self.lists.get(key, {})
        gone = [n for n in held if n not in wanted and (fields.get("prune") or n in fields.get("remove", []))]
        added = [n for n in wanted if held.get(n) != wanted[n]]
        if not fields["check"]:
            self.lists[key] = {n: row for n, row in {**held, **wanted}.items() if n not in gone}
            self.digests[key] = fields.get("digest", "")
        counts = {"added": len(added), "removed": len(gone), "refused": len(refused), "expired": 0}
        return {
            "changed": bool(added or gone),
            "added": added[:100],
            "removed": gone[:100],
            "refused": [{"network": n, "message": "it is a gateway"} for n in refused],
            "lifted": [],
            "counts": dict(counts, total=len({**held, **wanted}) - len(gone)),
        }


@pytest.fixture
def lists_warden(monkeypatch: pytest.MonkeyPatch) -> ListsWarden:
    warden = ListsWarden()
    monkeypatch.setattr(WardenClient, "call", lambda _client, op, **fields: warden.call(op, **fields))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return warden


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host that is a directory, for what installs the agent."""
    return make_host(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def package() -> Package:
    """The agent as it is packed now."""
    return build()
