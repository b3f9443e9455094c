# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role packages remembers what it installed, also where it could not install all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "packages"
# In the places of the modules that would change this machine.
FAKES = {
    "fake_setup": "module.exit_json(ansible_facts={'ansible_pkg_mgr': module.params['filter'][0]})",
    "fake_apt": """
name = module.params["name"]
if name == "typo":
    module.fail_json(msg="No package matching 'typo' is available")
module.exit_json(changed=name not in ("there", None))
""",
}
OPTIONS = ("name", "state", "update_cache", "cache_valid_time", "install_recommends", "gather_subset", "filter")


def install(tmp_path: Path, manager: str, names: list[str]) -> None:
    """The tasks over packages of which `there` is there, and `typo` does not exist."""
    (tmp_path / "library").mkdir()
    for name, code in {**FAKES, "fake_package": FAKES["fake_apt"]}.items():
        options = {option: {"type": "raw"} for option in OPTIONS}
        lines = [
            "from ansible.module_utils.basic import AnsibleModule",
            f"module = AnsibleModule({options!r}, supports_check_mode=True)",
            code.strip(),
        ]
        (tmp_path / "library" / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tasks = (ROLE / "tasks" / "install.yml").read_text(encoding="utf-8")
    for module in ("setup", "apt", "package"):
        tasks = tasks.replace(f"ansible.builtin.{module}:", f"fake_{module}:")
    tasks = tasks.replace("[ansible_pkg_mgr]", f"[{manager}]")
    tasks = "\n".join(line for line in tasks.splitlines() if line.strip() not in ("owner: root", "group: root"))
    (tmp_path / "install.yml").write_text(tasks + "\n", encoding="utf-8")
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_tasks": "install.yml"}],
        }
    ]
    (tmp_path / "site.yml").write_text(json.dumps(play), encoding="utf-8")
    variables = {
        "stockade_packages_names": names,
        "stockade_packages_owner": "fail2ban",
        "__stockade_packages_memory": str(tmp_path / "memory"),
        "ansible_python_interpreter": sys.executable,
    }
    known = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(
        [sys.executable, "-m", "ansible.cli.playbook", "-i", "localhost,", "site.yml", "-e", json.dumps(variables)],
        cwd=tmp_path,
        env={**known, "ANSIBLE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2 and "No package matching 'typo'" in done.stdout + done.stderr, done.stdout


@pytest.mark.parametrize("manager", ["apt", "dnf"])
def test_what_was_installed_before_another_package_failed_is_remembered(tmp_path: Path, manager: str) -> None:
    """Or nobody would ever take it away: the next run finds it installed, as if it had been there before."""
    install(tmp_path, manager, ["there", "fail2ban", "typo", "whois"])
    assert (tmp_path / "memory" / "fail2ban").read_text(encoding="utf-8") == "fail2ban\nwhois\n"


def test_where_nothing_was_installed_no_room_is_left(tmp_path: Path) -> None:
    install(tmp_path, "apt", ["there", "typo"])
    assert not (tmp_path / "memory").exists()
