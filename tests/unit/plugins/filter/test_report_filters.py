# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters: what they take, and that they are documented as they are."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

NAMES = [
    "audit_findings",
    "audit_table",
    "ban_page",
    "ban_proposals",
    "ban_table",
    "bans_csv",
    "bans_markdown",
    "host_table",
    "merge_bans",
    "report_summary",
]
FACTS = {"schema": 1, "bans": "[]", "summary": {"bans": 0}}


def module_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.stockade.fleet.plugins.filter.{name}")


def apply(name: str, *given: Any, **options: Any) -> Any:
    return module_of(name).FilterModule().filters()[name](*given, **options)


@pytest.mark.parametrize("name", NAMES)
def test_documented_options_are_those_there_are(name: str) -> None:
    documentation = yaml.safe_load(module_of(name).DOCUMENTATION)
    parameters = list(inspect.signature(module_of(name).FilterModule().filters()[name]).parameters)[1:]
    assert documentation["name"] == name
    assert set(documentation["options"]) == {"_input", *parameters}
    positional = documentation.get("positional", "")
    assert positional.split(", ") == parameters if parameters else not positional


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", ["text", 5, None, ["list"]])
def test_wrong_input_is_an_error_that_names_the_filter(name: str, given: Any) -> None:
    options = {"rules": []} if name == "audit_findings" else {}
    with pytest.raises(AnsibleFilterError, match=name):
        apply(name, given, **options)


def test_filters_fit_together() -> None:
    report = apply("merge_bans", {"web1": FACTS, "lost": None})
    assert apply("ban_table", report) == ["no bans in force on 2 hosts"]
    assert apply("host_table", report)[0].startswith("HOST")
    assert apply("bans_csv", report).count("\n") == 1
    assert apply("bans_markdown", report).startswith("**Ban report**")
    assert apply("ban_proposals", report) == "stockade_permanent_bans: []\n"
    text = apply("merge_bans", {"web1": FACTS, "lost": None}, as_text=True)
    assert apply("ban_table", text) == apply("ban_table", report)
    assert json.loads(text)["hosts"] == report["hosts"]
    findings = apply("audit_findings", {"web1": FACTS, "lost": None}, [])
    assert findings["failed"] == ["lost"]
    assert apply("audit_table", findings)[-1].startswith("2 hosts audited")
    assert "the host was not audited" in apply("ban_page", report, findings)
    assert "<h2>Findings</h2>" not in apply("ban_page", report)


def test_wrong_rule_is_an_error_that_names_it() -> None:
    with pytest.raises(AnsibleFilterError, match=r"cannot audit: rule mine: "):
        apply("audit_findings", {}, [{"id": "mine"}])


def test_next_report_takes_the_text_of_the_one_before() -> None:
    text = apply("merge_bans", {"web1": FACTS}, as_text=True)
    assert apply("merge_bans", {"web1": FACTS}, previous=text)["summary"]["since_last"]["new"] == 0


def test_spare_that_is_no_list_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="a list as spare"):
        apply("merge_bans", {}, spare="192.0.2.0/24")
