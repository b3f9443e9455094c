# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/examples/awx against what the modules of awx.awx take, and against this repository."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import awxstub
import pytest
import runner
import yaml
from surveys import EXAMPLES, SURVEYS, TYPES, answers

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = json.dumps(
    {
        "awx_make_organization": True,
        "awx_inventory_source": "inventories/fleet.yml",
        "awx_project_credential": "Deploy key",
        "awx_image": "registry.example.com/other:1",
    }
)
SCHEDULE = re.compile(r"DTSTART;TZID=[A-Za-z_]+/[A-Za-z_]+:[0-9]{8}T[0-9]{6} RRULE:FREQ=DAILY;INTERVAL=1")


@pytest.fixture(scope="module", params=["2.18", "2.19", "2.21"])
def play(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run setup.yml on an ansible-core version."""
    program = runner.binaries_of(request.param) / "ansible-playbook"
    if not program.exists():
        pytest.skip(f"ansible-core {request.param} is not at {program.parent}")
    work = tmp_path_factory.mktemp("setup")
    return lambda *arguments: awxstub.play(EXAMPLES / "setup.yml", work, program, arguments)


@pytest.fixture(scope="module")
def calls(play: Any) -> awxstub.Calls:
    """What setup.yml asks awx.awx for, with everything in it that is optional."""
    done, calls = play("-e", EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(calls)


def named(calls: awxstub.Calls, module: str) -> dict[str, dict[str, Any]]:
    return {given["name"]: given for name, given in calls if name == module}


def test_every_module_is_used_as_it_may_be(calls: awxstub.Calls) -> None:
    """Names, types, choices and required options were checked by ansible-core when the calls were made."""
    assert {module for module, _given in calls} == set(awxstub.FACTS["modules"])
    assert {given["controller_host"] for _module, given in calls} == {"https://awx.example.com"}
    assert {given["validate_certs"] for _module, given in calls} == {True}


@pytest.mark.parametrize(
    "wrong",
    [
        {"awx_forks": "many"},
        {"awx_inventory_variables": "no dictionary"},
        {"awx_notifications": [{"name": "x", "type": "pigeon", "configuration": {}}]},
        {"awx_schedules": [{"template": "x", "rrule": "x"}]},
    ],
)
def test_a_wrong_value_is_seen(play: Any, wrong: dict[str, Any]) -> None:
    """So that the test above can fail."""
    done, _calls = play("-e", json.dumps(wrong))
    assert done.returncode != 0


def test_as_it_stands_nothing_optional_is_made(play: Any) -> None:
    done, calls = play()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"organization", "inventory_source"}.isdisjoint(module for module, _given in calls)
    assert "credential" not in named(calls, "project")["stockade.fleet"]


def test_templates_are_those_of_the_playbooks(calls: awxstub.Calls) -> None:
    """Ban and whitelist apart, as different people may use them; every name they use is made before them."""
    templates = named(calls, "job_template")
    playbooks = {Path(given["playbook"]).stem for given in templates.values()}
    assert playbooks == {"harden", "ban", "unban", "whitelist", "report", "audit"}
    order = [module for module, _given in calls]
    for given in templates.values():
        assert (ROOT / given["playbook"]).is_file()
        assert given["project"] in named(calls, "project")
        assert given["inventory"] in named(calls, "inventory")
        assert given["execution_environment"] in named(calls, "execution_environment")
        assert set(given["labels"]) <= set(named(calls, "label"))
        told = given["notification_templates_success"] + given["notification_templates_error"]
        assert set(told) <= set(named(calls, "notification_template"))
        assert given["credentials"] == ["Fleet"]
    first = order.index("job_template")
    assert not {"project", "inventory", "label", "notification_template"} & set(order[first:])


def test_nobody_is_asked_for_more_than_the_survey(calls: awxstub.Calls) -> None:
    """What a person may do is bounded: no variables, no limit at launch. A job is whole and reads no stored facts."""
    for given in named(calls, "job_template").values():
        assert given["survey_enabled"] is True
        assert (given["ask_variables_on_launch"], given["ask_limit_on_launch"]) == (False, False)
        assert (given["job_slice_count"], given["use_fact_cache"]) == (1, False)
        assert given["forks"] > 5
        asked = {question["variable"] for question in given["survey_spec"]["spec"]}
        assert not asked & set(given["extra_vars"])


def test_harden_can_be_a_check_first(calls: awxstub.Calls) -> None:
    """E41: a check with differences before anything is changed."""
    harden = named(calls, "job_template")["Stockade harden"]
    assert (harden["ask_job_type_on_launch"], harden["diff_mode"]) == (True, True)


def test_schedules_are_of_templates_that_exist(calls: awxstub.Calls) -> None:
    schedules = named(calls, "schedule").values()
    assert {given["unified_job_template"] for given in schedules} == {"Stockade report", "Stockade audit"}
    assert set(named(calls, "job_template")) >= {given["unified_job_template"] for given in schedules}
    assert all(SCHEDULE.fullmatch(given["rrule"]) for given in schedules)
    # a scheduled job answers nothing: every required question has a default
    assert answers("report") and answers("audit")


def test_messages_reach_awx_with_their_braces(calls: awxstub.Calls) -> None:
    """AWX fills them in when it sends them, from fields that it allows and figures that the summary has."""
    text = json.dumps([given["messages"] for given in named(calls, "notification_template").values()])
    used = re.findall(r"\{\{ ([\w.]+) \}\}", text)
    assert len(used) == text.count("{{")
    assert {name.partition(".")[0] for name in used} == {"job", "job_friendly_name", "url"}
    figures = {name.split(".")[3] for name in used if name.startswith("job.artifacts.stockade_report.")}
    source = (ROOT / "plugins/plugin_utils/_report_stats.py").read_text(encoding="utf-8")
    assert figures == {"networks", "hosts", "report_url", "audit"}
    assert figures <= {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}


def test_no_secret_stands_in_a_file() -> None:
    """AH30: passwords and tokens come from the environment, credentials are named and not made."""
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.yml"))
    for line in text.splitlines():
        if re.search(r"(password|token|secret)\w*\s*:", line, re.IGNORECASE):
            assert "lookup('ansible.builtin.env'" in line, line
    assert "awx.awx.credential:" not in text


def variables_of(survey: str) -> set[str]:
    """Every variable that the playbook of that name, and the entry point of its role, know."""
    text = (ROOT / "playbooks" / f"{survey}.yml").read_text(encoding="utf-8")
    known = set(re.findall(r"stockade_\w+", text))
    specs = yaml.safe_load((ROOT / "roles/report/meta/argument_specs.yml").read_text(encoding="utf-8"))
    entry = {"report": "main", "audit": "audit"}.get(survey)
    return known | set(specs["argument_specs"][entry]["options"] if entry else ())


@pytest.mark.parametrize("survey", sorted(SURVEYS))
def test_surveys_are_what_awx_takes(survey: str) -> None:
    """Its own rules: what a question has, types of defaults, choices. And each question is one of the playbook's."""
    spec = SURVEYS[survey]
    assert set(spec) == {"name", "description", "spec"}
    variables = [question["variable"] for question in spec["spec"]]
    assert len(variables) == len(set(variables))
    for question in spec["spec"]:
        kind = question["type"]
        assert isinstance(question["required"], bool) and question["question_name"] and kind in TYPES
        assert question["default"] == "" or isinstance(question["default"], TYPES[kind])
        for bound in (question["min"], question["max"]):
            assert bound is None or isinstance(bound, int)
        if kind == "multiplechoice":
            assert question["default"] in question["choices"]
    assert set(variables) <= variables_of(survey)


@pytest.mark.parametrize(
    ("survey", "variable", "role"),
    [("audit", "stockade_audit_fail_on", "audit"), ("report", "stockade_report_limit", "main")],
)
def test_choices_and_types_are_those_of_the_role(survey: str, variable: str, role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles/report/meta/argument_specs.yml").read_text(encoding="utf-8"))
    option = specs["argument_specs"][role]["options"][variable]
    question = next(question for question in SURVEYS[survey]["spec"] if question["variable"] == variable)
    assert question.get("choices") == option.get("choices")
    assert question["default"] == option["default"]
