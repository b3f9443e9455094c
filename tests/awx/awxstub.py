# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collection awx.awx that takes what the real one takes, and writes it down instead of telling an AWX.

Its modules are made from tests/data/awx: ansible-core itself checks names, types, choices and what is required.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / "tests/data/awx/awx-24.6.1.json").read_text(encoding="utf-8"))
_MODULE = """#!/usr/bin/python
import json
import os

from ansible.module_utils.basic import AnsibleModule

SPEC = json.loads({spec!r})
for option, parameter in SPEC.items():
    parameter["no_log"] = "password" in option or "token" in option


def main():
    module = AnsibleModule(argument_spec=SPEC)
    given = {{name: value for name, value in module.params.items() if value is not None}}
    with open(os.environ["STOCKADE_TOLD"], "a") as told:
        told.write(json.dumps([{name!r}, given]) + "\\n")
    module.exit_json(changed=True)


main()
"""

Calls = list[tuple[str, dict[str, Any]]]


def make(collections: Path) -> None:
    """Put the collection below a directory of collections."""
    home = collections / "ansible_collections" / "awx" / "awx"
    (home / "plugins" / "modules").mkdir(parents=True)
    (home / "meta").mkdir()
    runtime = {"requires_ansible": ">=2.9.10", "action_groups": FACTS["action_groups"]}
    (home / "meta" / "runtime.yml").write_text(json.dumps(runtime), encoding="utf-8")
    info = {"namespace": "awx", "name": "awx", "version": FACTS["version"]}
    (home / "MANIFEST.json").write_text(json.dumps({"collection_info": info}), encoding="utf-8")
    for name, options in FACTS["modules"].items():
        text = _MODULE.format(spec=json.dumps(options), name=name)
        (home / "plugins" / "modules" / f"{name}.py").write_text(text, encoding="utf-8")


def play(
    playbook: Path, work: Path, ansible_playbook: Path, arguments: Sequence[str] = ()
) -> tuple[subprocess.CompletedProcess[str], Calls]:
    """Run a playbook with the collection made below work; what came of it, and every call of a module of awx.awx."""
    if not (work / "collections").exists():
        make(work / "collections")
    told = work / "told"
    told.write_text("", encoding="utf-8")
    done = subprocess.run(
        [str(ansible_playbook), str(playbook), *arguments],
        env={
            "PATH": f"{ansible_playbook.parent}:{os.defpath}",
            "HOME": str(work),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(work / "collections"),
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "STOCKADE_TOLD": str(told),
        },
        cwd=work,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, [tuple(json.loads(line)) for line in told.read_text(encoding="utf-8").splitlines()]
