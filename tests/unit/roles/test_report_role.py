# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role report: its variables are the same everywhere, and it writes what it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.stockade.fleet.plugins.filter import merge_bans

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "report"
README = (ROLE / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(stockade_report_\w+)` \| (.+?) \| ", re.MULTILINE)


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


SPECS = load("meta/argument_specs.yml")["argument_specs"]
OPTIONS = {**SPECS["main"]["options"], **SPECS["publish"]["options"]}


def test_the_readme_has_every_variable_once() -> None:
    table = [name for name, _default in ROW.findall(README)]
    assert sorted(table) == sorted(OPTIONS)
    assert len(table) == len(set(table))


def test_defaults_are_the_same_everywhere() -> None:
    defaults = {name: value for name, value in load("defaults/main.yml").items() if name.startswith("stockade_report_")}
    assert defaults == {name: option["default"] for name, option in OPTIONS.items()}
    for name, told in ROW.findall(README):
        if told.startswith("`") or told.isdigit():
            assert told.strip("`") == str(OPTIONS[name]["default"])


def test_the_readme_names_every_format_and_its_file() -> None:
    task = next(task for task in load("tasks/report.yml") if task["name"] == "Write the report")
    names = load("vars/main.yml")["__stockade_report_names"]
    assert list(names) == OPTIONS["stockade_report_formats"]["choices"]
    assert {f"__stockade_report_{name}" for name in names} <= set(task["vars"])
    assert dict(re.findall(r"^\| `((?!stockade)\w+)` \| `([\w.]+)` \| ", README, re.MULTILINE)) == names


def test_thresholds_are_those_of_the_filter() -> None:
    options = yaml.safe_load(merge_bans.DOCUMENTATION)["options"]
    assert OPTIONS["stockade_report_proposal_hosts"]["default"] == options["min_hosts"]["default"]
    assert OPTIONS["stockade_report_proposal_addresses"]["default"] == options["min_addresses"]["default"]


def play(tmp_path: Path, **variables: Any) -> str:
    """What the playbook prints for the controller and a host that is not there."""
    inventory = {
        "all": {
            "hosts": {
                "here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
                # No such connection: unreachable at once, without a network.
                "lost": {
                    "ansible_connection": "ssh",
                    "ansible_ssh_executable": "/bin/false",
                    "ansible_host": "192.0.2.1",
                },
            }
        }
    }
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.yml"]
    more = {"ansible_become": False, "stockade_report_dir": "out", **variables}
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_RETRIES": "0"}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [*words, str(ROOT / "playbooks/report.yml"), "-e", json.dumps(more)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"changed=[1-9]", done.stdout.partition("PLAY RECAP")[2]) or variables
    return done.stdout


@pytest.mark.skipif(not (ROOT / ".collections").exists(), reason="the link that make creates is not there")
def test_the_role_writes_a_report_and_knows_the_one_before(tmp_path: Path) -> None:
    """Every file, an unreachable host, what is gone since the last time; what was not asked for is not written."""
    folder = tmp_path / "out"
    folder.mkdir()
    before = {"generated_at": "2026-11-20T10:00:00Z", "bans": [{"network": "203.0.113.1", "times": 1}]}
    (folder / "bans.json").write_text(json.dumps(before), encoding="utf-8")
    said = play(tmp_path)
    assert "since 2026-11-20T10:00:00Z: 0 new, 1 gone" in said
    assert sorted(path.name for path in folder.iterdir()) == [
        "bans.csv", "bans.json", "bans.md", "index.html", "proposals.yml",
    ]  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}
    report = json.loads((folder / "bans.json").read_text(encoding="utf-8"))
    assert report["summary"]["unreachable"] == ["lost"]
    assert report["past"] == {"203.0.113.1": {"times": 1, "seen": "2026-11-20T10:00:00Z"}}
    assert '<td class="state bad">unreachable</td>' in (folder / "index.html").read_text(encoding="utf-8")
    play(tmp_path, stockade_report_state="absent")
    assert list(folder.iterdir()) == []
    play(tmp_path, stockade_report_formats=["markdown"])
    assert [path.name for path in folder.iterdir()] == ["bans.md"]
