# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the agent module: the program goes to hosts without it, and their answers set nothing."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.stockade.fleet.plugins.action.agent import ActionModule

FACTS = {"stockade_agent_report_command": ["/x"], "discovered_interpreter_python": "/py"}


class Played(ActionModule):
    """``answers`` are given in turn; ``sent`` is what the host was sent."""

    def __init__(self, *answers: dict[str, t.Any], **arguments: t.Any) -> None:
        task = types.SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=True, action="agent")
        fakes: t.Any = (task, types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None)), None, None, None)
        super().__init__(*fakes)
        self._answers = list(answers)
        self.sent: list[dict[str, t.Any]] = []

    def _execute_module(self, *_words: t.Any, **named: t.Any) -> dict[str, t.Any]:
        self.sent.append(dict(named["module_args"]))
        return self._answers.pop(0)


def test_a_host_that_has_the_version_is_not_sent_it() -> None:
    action = Played({"changed": False, "ansible_facts": FACTS, "ansible_stats": {"data": {}}}, origin="web1")
    assert action.run(None, {}) == {"changed": False, "ansible_facts": {"discovered_interpreter_python": "/py"}}
    assert [sorted(sent) for sent in action.sent] == [["origin", "package_name"]]


def test_a_host_that_has_not_is_sent_it_once_however_often_it_asks() -> None:
    shown = {"invocation": {"module_args": {"package": "…", "origin": None}}, "ansible_facts": FACTS}
    action = Played({"package_needed": True}, {"package_needed": True, "changed": True, **shown})
    outcome = action.run(None, {})
    assert len(action.sent) == 2 and action.sent[1]["package"]
    assert outcome["invocation"]["module_args"] == {"origin": None}
    assert outcome["ansible_facts"] == {"discovered_interpreter_python": "/py"}
