# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host is found is the controller's to say, and no answer of the host sets anything."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.stockade.fleet.plugins.action.ssh_change import ActionModule


class Played(ActionModule):
    """A host that answers so, at the port of the inventory."""

    def __init__(self, answer: dict[str, t.Any]) -> None:
        task = types.SimpleNamespace(args={"port": 2222}, async_val=0, check_mode=False, diff=True, action="ssh_change")
        fakes: t.Any = (task, types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None)), None, None, None)
        super().__init__(*fakes)
        self._answer = answer

    def _execute_module(self, *_words: t.Any, **_named: t.Any) -> dict[str, t.Any]:
        return self._answer


def test_an_answer_names_no_port_to_come_by_and_sets_no_variable() -> None:
    answer = {"changed": False, "outcome": "none", "port": 4444, "ansible_facts": {"stockade_ssh_port": 4444}}
    assert Played(answer).run(None, {}) == {"changed": False, "outcome": "none", "port": None}
