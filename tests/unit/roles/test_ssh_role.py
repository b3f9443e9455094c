# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ssh says the same of its variables in its README, its argument specs, its defaults and its task."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import template
from ansible.parsing.dataloader import DataLoader

from ansible_collections.stockade.fleet.plugins.module_utils._ssh import options, plan, profiles

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "ssh"
README = (ROLE / "README.md").read_text(encoding="utf-8")
TRUSTED = getattr(template, "trust_as_template", str)  # ansible-core 2.19 and later ask for it
ROW = re.compile(r"^\| `(stockade_ssh_\w+)` \| (.+?) \| ", re.MULTILINE)


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


OPTIONS = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def test_the_readme_has_every_variable_once() -> None:
    table = [name for name, _default in ROW.findall(README)]
    assert sorted(table) == sorted(OPTIONS)
    assert len(table) == len(set(table))


def test_defaults_are_the_same_everywhere() -> None:
    defaults = load("defaults/main.yml")
    assert {name: value for name, value in defaults.items() if value is not None} == {
        name: option["default"] for name, option in OPTIONS.items() if "default" in option
    }
    for name, told in ROW.findall(README):
        value = OPTIONS[name].get("default")
        if value and told.startswith("`"):
            assert told == "`{}`".format(str(value).lower() if isinstance(value, bool) else value)


def test_the_task_hands_on_every_variable_and_no_other() -> None:
    task = load("tasks/main.yml")[0]
    handed = task["stockade.fleet.ssh_hardening"]
    assert {option: "stockade_ssh_" + option for option in handed} == {
        option: name for option, value in handed.items() for name in re.findall(r"stockade_ssh_\w+", value)
    }
    assert {"stockade_ssh_" + option for option in handed} == set(OPTIONS)


def test_profiles_are_those_of_the_module_and_explained() -> None:
    assert tuple(OPTIONS["stockade_ssh_profile"]["choices"]) == profiles.PROFILES
    assert set(profiles.PROFILES) <= set(re.findall(r"^\| `(\w+)` \| ", README, re.MULTILINE))


def test_waived_rules_are_named() -> None:
    assert set(profiles.WAIVED) == set(re.findall(r"^\| (5\.1\.\d+) ", README, re.MULTILINE))


def test_options_have_the_types_of_the_variables_and_a_place_in_the_wish() -> None:
    for name, spec in options.EXTRAS.items():
        variable = OPTIONS["stockade_ssh_" + name]
        assert (spec["type"], spec.get("choices")) == (variable["type"], variable.get("choices"))
        assert name in plan.Wish.__dataclass_fields__


def test_a51_e40_e42_the_risk_and_the_way_back_are_told() -> None:
    """A51, E40, E42: what becomes of the old files, what the host does by itself, what an operator needs."""
    told = README.partition("## When it fails")[2]
    for fact in ("old configuration is back", "goes back by itself", "second session open", "provider's console"):
        assert fact in " ".join(told.split()), fact
    for word in re.findall(r"`(ssh_\w+|stockade_ssh_\w+)`", told):
        known = {path.stem for path in (ROOT / "plugins" / "modules").glob("ssh_*.py")} | set(OPTIONS)
        assert word in known | {"stockade_ssh_state"}, word


@pytest.mark.parametrize("said", ["2222x", "22,2222", True, 22.5, "ssh"])
def test_a_port_that_is_none_is_handed_on_for_the_module_to_refuse(said: Any) -> None:
    """Nobody finds out from a run that says ok that sshd stayed where it was."""
    assert str(handed_port(said)) == str(said)


@pytest.mark.parametrize(("said", "port"), [(2222, 2222), ("2222", "2222")])
def test_a_port_is_handed_on(said: Any, port: Any) -> None:
    assert str(handed_port(said)) == str(port)


@pytest.mark.parametrize("said", [None, "", [22, 2222], []])
def test_without_a_port_and_with_a_list_for_fail2ban_sshd_stays_where_it_is(said: Any) -> None:
    assert handed_port(said) == "omitted"


def handed_port(said: Any) -> Any:
    port = load("tasks/main.yml")[0]["stockade.fleet.ssh_hardening"]["port"]
    variables = {"stockade_ssh_port": said, "omit": "omitted"}
    return template.Templar(loader=DataLoader(), variables=variables).template(TRUSTED(port))
