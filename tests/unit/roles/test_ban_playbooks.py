# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks ban and whitelist ask of the hosts: forms that leave a field empty move no limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
# In the place of the modules: writes down what they are asked.
ASKED = """
import json
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        open("asked", "w").write(json.dumps(self._task.args, default=str))
        return {"changed": False}
"""


def asked(place: Path, playbook: str, **variables: Any) -> dict[str, Any]:
    """The arguments of the playbook's module; none if the playbook failed before it."""
    collection = place / "collections" / "ansible_collections" / "stockade" / "fleet"
    (collection / "plugins" / "action").mkdir(parents=True)
    for entry in ("galaxy.yml", "meta", "playbooks"):
        (collection / entry).symlink_to(ROOT / entry)
    for entry in ("doc_fragments", "lookup", "module_utils", "modules", "plugin_utils"):
        (collection / "plugins" / entry).symlink_to(ROOT / "plugins" / entry)
    (collection / "plugins" / "action" / f"{playbook}.py").write_text(ASKED, encoding="utf-8")
    local = {"ansible_connection": "local", "ansible_become": False}
    inventory = {"all": {"hosts": {"web1": local}}}
    (place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    words = ["-m", "ansible.cli.playbook", "-i", "inventory.json", f"stockade.fleet.{playbook}"]
    known = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    paths = {"ANSIBLE_COLLECTIONS_PATH": str(place / "collections"), "ANSIBLE_HOME": str(place / "home")}
    subprocess.run(
        [sys.executable, *words, "-e", json.dumps(variables)],
        cwd=place,
        env={**known, **paths},
        capture_output=True,
        check=False,
        timeout=120,
    )
    found = place / "asked"
    return json.loads(found.read_text(encoding="utf-8")) if found.exists() else {}


@pytest.mark.parametrize("playbook", ["ban", "whitelist"])
@pytest.mark.parametrize(
    ("empty", "network", "taken"),
    [
        (None, "10.0.0.0/8", False),
        (None, "2001:db8::/33", False),
        (None, "203.0.113.0/24", True),
        ("", "2001:db8::/48", True),
        ("20", "10.0.16.0/20", True),
    ],
)
def test_a_width_without_a_value_is_the_default_and_not_any_width(
    tmp_path: Path, playbook: str, empty: Any, network: str, *, taken: bool
) -> None:
    widths = {"stockade_widest_ipv4": empty, "stockade_widest_ipv6": empty}
    assert bool(asked(tmp_path, playbook, stockade_addresses=network, **widths)) is taken
