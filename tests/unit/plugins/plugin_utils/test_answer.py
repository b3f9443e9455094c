# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host's answer reaches the play."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer


class Action:
    """An action plugin over a host that answers so."""

    def __init__(self, answer: dict[str, Any], *, async_val: int = 0) -> None:
        self._task = types.SimpleNamespace(async_val=async_val)
        self._connection = types.SimpleNamespace(has_native_async=False)
        self._answer = answer
        self.wrapped: Any = None

    def _execute_module(self, task_vars: Any, wrap_async: Any) -> dict[str, Any]:
        self.wrapped = wrap_async
        return self._answer


def test_facts_that_nobody_asked_for_are_dropped() -> None:
    facts = {
        "stockade": {"schema": 1},
        "stockade_report_publish_command": ["evil"],
        "discovered_interpreter_python": "/py",
    }
    answer = {"changed": False, "msg": "", "ansible_facts": facts, "ansible_stats": {"data": {"stockade_report": {}}}}
    kept = {"stockade": {"schema": 1}, "discovered_interpreter_python": "/py"}
    assert _answer.ask(Action(answer), {}, facts=("stockade",)) == {
        "changed": False, "msg": "", "ansible_facts": kept,
    }  # fmt: skip
    del facts["discovered_interpreter_python"]
    assert _answer.ask(Action(answer), {}) == {"changed": False, "msg": ""}


@pytest.mark.parametrize("facts", [None, [], "text", ["stockade"]])
def test_facts_of_a_wrong_shape_are_none(facts: Any) -> None:
    assert _answer.ask(Action({"failed": True, "ansible_facts": facts}), {}, facts=("stockade",)) == {"failed": True}


def test_task_in_the_background_is_one() -> None:
    for seconds in (0, 60):
        action = Action({}, async_val=seconds)
        _answer.ask(action, {})
        assert bool(action.wrapped) is (seconds > 0)
