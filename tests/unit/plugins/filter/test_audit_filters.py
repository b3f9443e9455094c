# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that checks rules before anybody is asked, and the one that applies them, say the same."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.stockade.fleet.plugins.filter import audit_findings, audit_problems

findings = audit_findings.FilterModule().filters()["audit_findings"]
problems = audit_problems.FilterModule().filters()["audit_problems"]


def test_documented_options_are_those_there_are() -> None:
    documentation = yaml.safe_load(audit_problems.DOCUMENTATION)
    parameters = list(inspect.signature(problems).parameters)[1:]
    assert set(documentation["options"]) == {"_input", *parameters}
    assert documentation["positional"].split(", ") == parameters


@pytest.mark.parametrize("given", [("text", []), (5, []), (None, []), ([], "text"), ([], None)])
def test_wrong_input_is_an_error_that_names_the_filter(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="audit_problems"):
        problems(*given)


def test_what_is_wrong_is_the_same_before_and_after() -> None:
    rules, waivers = [{"id": "mine"}], [{"rule": "mine", "reason": "known", "expires": "never"}]
    told = problems(rules, waivers)
    assert [text.partition(":")[0] for text in told] == ["rule mine"] * 3 + ["waiver 1 (mine)"]
    with pytest.raises(AnsibleFilterError) as caught:
        findings({}, rules, waivers=waivers)
    assert str(caught.value) == "cannot audit: " + "; ".join(told)


def test_example_of_the_documentation_holds() -> None:
    (task,) = yaml.safe_load(audit_findings.EXAMPLES)
    rules = task["vars"]["rules"]
    assert problems(rules) == []
    facts = {"schema": 1, "fail2ban": {"available": True}, "jails": [{"name": "sshd"}]}
    result = findings({"web1": facts}, rules, fail_on="medium")
    assert result["failed"] == ["web1"]
    facts["jails"].append({"name": "nginx-http-auth"})
    assert findings({"web1": facts}, rules, fail_on="medium")["failed"] == []
