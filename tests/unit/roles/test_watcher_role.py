# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role watcher makes of its variables, which come from files, from surveys, or from `-e` as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import template
from ansible.parsing.dataloader import DataLoader

ROLE = Path(__file__).resolve().parents[3] / "roles" / "watcher"
TRUSTED = getattr(template, "trust_as_template", str)  # ansible-core 2.19 and later ask for it


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def conditions(file: str, task: str, **said: Any) -> list[Any]:
    """What the conditions of a task are with these variables."""
    [found] = [entry for entry in load(f"tasks/{file}.yml") if entry["name"].startswith(task)]
    lines = found["when"] if isinstance(found["when"], list) else [found["when"]]
    templar = template.Templar(loader=DataLoader(), variables={**load("defaults/main.yml"), **said})
    return [templar.template(TRUSTED("{{ %s }}" % line)) for line in lines]


def test_false_from_the_command_line_leaves_packages_alone() -> None:
    """`-e name=false` is a text, which is true to a condition before ansible-core 2.19, and an error to later ones."""
    assert conditions("present", "Install", stockade_watcher_packages="false") == [False, True]
    assert conditions("present", "Install", stockade_watcher_detect="no") == [True, False]
    journal = [{"name": "b", "journal": ["sshd"]}]
    assert conditions("present", "Install", stockade_watcher_detect="0", stockade_watcher_inputs=journal)[1]


@pytest.mark.parametrize("file", ["present", "absent"])
@pytest.mark.parametrize(("said", "linked"), [({}, False), ({"": ""}, False), ({"": None}, False), ({"": "/x"}, True)])
def test_no_directory_for_the_figures_is_none_and_not_the_root_of_the_host(
    file: str, said: dict[str, Any], linked: bool
) -> None:
    task = {"present": "Let node_exporter", "absent": "Take the link"}[file]
    given = {"stockade_watcher_textfile_directory" + key: value for key, value in said.items()}
    assert conditions(file, task, **given) == [linked]
