# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin whose host answers as scripted; who was asked what, and over which login, is kept."""

from __future__ import annotations

import copy
import types
import typing as t

from ansible_collections.stockade.fleet.plugins.action.ssh_hardening import CHANGE, MODULE, ActionModule

Answer = dict[str, t.Any] | Exception


class FakeConnection:
    """Knows its options, and whether it was closed."""

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.options: dict[str, t.Any] = {"port": 22, "timeout": 10, "ssh_args": "-o ControlPersist=60s"}
        self.become = object()
        self.closed = False
        self._shell = types.SimpleNamespace(tmpdir=None)

    def get_options(self) -> dict[str, t.Any]:
        return dict(self.options)

    def get_option(self, name: str) -> t.Any:
        return self.options[name]

    def set_options(self, direct: dict[str, t.Any]) -> None:
        self.options = direct

    def set_become_plugin(self, plugin: object) -> None:
        self.become = plugin

    def close(self) -> None:
        self.closed = True


class Played(ActionModule):
    """``answers`` are given in turn. ``asked`` has a word on each: ``harden`` or the state, and ``old`` or the port."""

    def __init__(self, *answers: Answer, transport: str = "ssh", check: bool = False, **arguments: t.Any) -> None:
        task = types.SimpleNamespace(args=arguments, async_val=0, check_mode=check, diff=True, action=MODULE)
        self.old = FakeConnection(transport)
        self.logins: list[FakeConnection] = []
        fakes: t.Any = (task, self.old, None, None, None)
        super().__init__(*fakes)
        loader = types.SimpleNamespace(get=self._another)
        self._shared_loader_obj: t.Any = types.SimpleNamespace(connection_loader=loader)
        self._answers = [copy.deepcopy(answer) for answer in answers]
        self.asked: list[str] = []
        self.sent: list[dict[str, t.Any]] = []

    def _another(self, transport: str, _play_context: object) -> FakeConnection:
        self.logins.append(FakeConnection(transport))
        return self.logins[-1]

    def _execute_module(self, *_words: t.Any, **named: t.Any) -> dict[str, t.Any]:
        module, arguments = named["module_name"], named["module_args"]
        assert module in (MODULE, CHANGE) and named["task_vars"] == {"a": 1}
        self.sent.append(arguments)
        place = "old" if self._connection is self.old else "new {}".format(self._connection.get_option("port"))
        self.asked.append("{} {}".format("harden" if module == MODULE else arguments["state"], place))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def play(self) -> dict[str, t.Any]:
        """The task's result; afterwards every login is closed and the task's own connection is back."""
        try:
            return self.run(None, {"a": 1})
        finally:
            assert self._connection is self.old and not self.old.closed
            assert all(login.closed for login in self.logins)
            assert not self._answers, "the host was not asked for {}".format(self._answers)
