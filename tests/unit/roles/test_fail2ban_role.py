# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role fail2ban makes of the variables that it shares with other roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import template
from ansible.parsing.dataloader import DataLoader

ROLES = Path(__file__).resolve().parents[3] / "roles"
TRUSTED = getattr(template, "trust_as_template", str)  # ansible-core 2.19 and later ask for it


def load(name: str) -> Any:
    return yaml.safe_load((ROLES / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("said", "ports"),
    [(2222, ["2222"]), ("2222", ["2222"]), ([22, 2222], ["22", "2222"]), (None, ["sshd"]), ("", ["sshd"])],
)
def test_a47_eh13_the_jail_has_the_sites_port_or_asks_the_host(said: Any, ports: list[str]) -> None:
    """A47, EH13: nobody says 22 of an sshd that listens elsewhere."""
    [jail] = [jail for jail in load("fail2ban/vars/main.yml")["__stockade_fail2ban_ready"] if jail["name"] == "sshd"]
    templar = template.Templar(loader=DataLoader(), variables={"stockade_ssh_port": said})
    assert templar.template(TRUSTED(jail["port"])) == ports


def test_a_variable_of_two_roles_has_one_default() -> None:
    assert load("fail2ban/defaults/main.yml")["stockade_ssh_port"] is None
    assert load("ssh/defaults/main.yml")["stockade_ssh_port"] is None


@pytest.mark.parametrize(
    ("said", "file"), [("false", "absent"), ("no", "absent"), (False, "absent"), ("true", "present")]
)
def test_false_from_the_command_line_takes_the_rules_of_proftpd_back(said: Any, file: str) -> None:
    """`-e name=false` is a text, which is true to a template."""
    [included] = [task for task in load("fail2ban/tasks/present.yml") if task["name"].startswith("Have ProFTPD")]
    templar = template.Templar(loader=DataLoader(), variables={"stockade_fail2ban_proftpd_wrap": said})
    assert templar.template(TRUSTED(included["ansible.builtin.include_tasks"])) == f"wrap_{file}.yml"


@pytest.mark.parametrize(
    ("said", "ours"),
    [("auto", True), ("stockade", True), ("stockade[x=1]", True), ("autoban", False), ("stockade-edge", False)],
)
def test_only_the_wardens_own_action_asks_it_by_itself(said: str, *, ours: bool) -> None:
    """An action of the site whose name begins like ours would ban whom the whitelist spares."""
    variables = load("fail2ban/vars/main.yml")
    given: dict[str, Any] = {"__stockade_fail2ban_default": {"name": "DEFAULT"}, "stockade_fail2ban_mail": "none"}
    given.update(__stockade_fail2ban_sparing={"ignorecommand": "x"}, stockade_fail2ban_banaction=said)
    given["__stockade_fail2ban_by_warden"] = TRUSTED(variables["__stockade_fail2ban_by_warden"])
    [jail] = variables["__stockade_fail2ban_own_jails"]
    found = template.Templar(loader=DataLoader(), variables=given).template(TRUSTED(jail))
    assert ("ignorecommand" not in found) is ours
