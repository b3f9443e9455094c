# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the ssh_hardening module: log in anew, and only then let the host keep what it changed."""

from __future__ import annotations

import contextlib
import platform
import time
import typing as t
import uuid

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.stockade.fleet.plugins.plugin_utils import _answer, _new_login

MODULE = "stockade.fleet.ssh_hardening"
CHANGE = "stockade.fleet.ssh_change"
_PAUSES = (0.0, 1.0, 5.0)  # seconds before each try to log in
_ANNOUNCED = "this is the first of two steps"
_OWN = ("client_algorithms", "run", "controller")


class ActionModule(ActionBase):
    """One round trip where nothing is to be changed, and one more, over a new login, for each step of a change."""

    _supports_check_mode = True
    _supports_diff = True
    _ways: tuple[int | None, ...] = ()  # ports by which the host was reached; None is the task's own connection

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See the module's documentation."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        openssh = _new_login.is_openssh(self._connection)
        if not openssh and _is_true(arguments.get("verify", True)):
            return dict(
                result,
                failed=True,
                msg="connection {} cannot log in anew as OpenSSH does: set verify: false to do without".format(
                    self._connection.transport
                ),
            )
        if openssh:
            arguments["client_algorithms"] = _new_login.offered(self._connection)
        self._ways = ()
        arguments["controller"] = platform.node()[:64]
        return dict(result, **self._step(arguments, None, task_vars))

    def _step(
        self,
        arguments: dict[str, t.Any],
        port: int | None,
        task_vars: dict[str, t.Any] | None,
        *,
        last: bool = False,
    ) -> dict[str, t.Any]:
        """One change, proven, and the step that has to follow it. ``port`` is where to come by, if it moved.

        With ``last`` none follows: two steps move a port, and it is the host that says whether it needs another.
        """
        arguments["run"] = run_id = uuid.uuid4().hex[:12]
        outcome, port = self._reach(arguments, port, task_vars)
        if port and not outcome.get("failed"):
            outcome["port"] = outcome.get("port") or port  # the inventory names another one
        for key in _OWN:
            outcome.get("invocation", {}).get("module_args", {}).pop(key, None)
        traces = outcome.pop("traces", False)
        more = outcome.pop("more", False) and outcome.get("changed") and not self._task.check_mode and not last
        if outcome.pop("armed", False) and not outcome.get("failed"):
            login = outcome.get("port") or port
            outcome.update(self._prove(run_id, outcome, login, task_vars))
            if outcome.get("failed"):
                return {key: value for key, value in outcome.items() if key not in ("port", "ports")}
            port = login
        if more and not outcome.get("failed"):
            return self._following(outcome, arguments, port, task_vars)
        if traces and not outcome.get("failed") and not self._task.check_mode:
            gone = self._there(CHANGE, {"state": "removed"}, port, task_vars)
            outcome.update({key: gone[key] for key in ("failed", "msg") if key in gone})
            outcome["changed"] = bool(outcome.get("changed") or gone.get("changed"))
        return outcome

    def _following(
        self,
        outcome: dict[str, t.Any],
        arguments: dict[str, t.Any],
        port: int | None,
        task_vars: dict[str, t.Any] | None,
    ) -> dict[str, t.Any]:
        """The next step of a change, with what the one before it brought."""
        try:
            following = self._step(arguments, port, task_vars, last=True)
        except AnsibleError as error:
            following = {"failed": True, "msg": " ".join(str(error).split()), "ports": outcome.get("ports")}
        if outcome.get("warnings"):  # what the first step announced has come
            outcome["warnings"] = [text for text in outcome["warnings"] if _ANNOUNCED not in str(text)]
        for key in ("diff", "warnings"):
            if outcome.get(key) or following.get(key):
                following[key] = outcome.get(key, []) + following.get(key, [])
        return dict(following, changed=True)

    def _reach(
        self, arguments: dict[str, t.Any], port: int | None, task_vars: dict[str, t.Any] | None
    ) -> tuple[dict[str, t.Any], int | None]:
        """The outcome of the module and the port by which it was reached, where that is not the inventory's."""
        if port is not None:
            outcome = self._there(MODULE, arguments, port, task_vars)
        else:
            outcome, port = _new_login.anywhere(
                self, lambda: self._there(MODULE, arguments, None, task_vars), arguments.get("port")
            )
        self._ways = (*self._ways, port)
        return outcome, port

    def _prove(
        self,
        run_id: str,
        outcome: dict[str, t.Any],
        login: int | None,
        task_vars: dict[str, t.Any] | None,
    ) -> dict[str, t.Any]:
        """Commit over a new login; what is to be added to the outcome."""
        problem = ""
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                with _new_login.new_login(self, port=login):
                    answer = self._there(CHANGE, {"run": run_id, "state": "committed"}, None, task_vars)
            except AnsibleError as error:
                problem = " ".join(str(error).split())
                continue
            if not answer.get("failed"):
                return {"verified": "new login as {}".format(outcome.get("operator", {}).get("user", "the operator"))}
            problem = str(answer.get("msg", answer))
            break
        said = "a new login with the new configuration failed: {}".format(problem)
        return self._undo(run_id, said, outcome, login, task_vars)

    def _undo(
        self,
        run_id: str,
        said: str,
        outcome: dict[str, t.Any],
        login: int | None,
        task_vars: dict[str, t.Any] | None,
    ) -> dict[str, t.Any]:
        """Have the host go back at once. It may refuse, as the commit may have come though its answer did not."""
        answer = self._ask(run_id, "rolled_back", login, task_vars)
        holds = self._ask(run_id, "shown", login, task_vars) if answer.get("failed") else answer
        why, seconds = answer.get("msg"), outcome.get("rollback_after")
        if holds.get("outcome") == "committed":
            lost = "the change was committed over a new login whose answer got lost ({})".format(said)
            return {"verified": "commit, as the host shows it", "warnings": [*outcome.get("warnings", []), lost]}
        if holds.get("outcome") == "rolled back":
            restored = "{}; the previous configuration was restored".format(said)
            back = {"msg": restored, "rolled_back": True, "changed": False, "result": holds.get("result")}
            return {"failed": True, **back}
        if holds.get("outcome") == "armed":
            left = "{}; the host puts the previous configuration back by itself within {} seconds ({})"
        else:
            left = (
                "{}; the host puts the previous configuration back by itself within {} seconds, unless a commit got "
                "through whose answer did not ({}): see ssh_change once it answers, by the old means or the new"
            )
        return {"failed": True, "msg": left.format(said, seconds, why), "rolled_back": False, "changed": True}

    def _ask(self, run_id: str, state: str, login: int | None, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The host's answer by the first connection that gets through; those that may be open still come first.

        Without an answer only ``msg``, the reason.
        """
        problem = ""
        for port in dict.fromkeys((*self._ways, login) if login else self._ways):
            try:
                return self._there(CHANGE, {"run": run_id, "state": state}, port, task_vars)
            except AnsibleError as error:
                problem = " ".join(str(error).split())
        return {"msg": problem}

    def _there(
        self, module: str, arguments: dict[str, t.Any], port: int | None, task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        """A module on the host, by the task's connection or another port."""
        with contextlib.nullcontext() if port is None else _new_login.new_login(self, port=port):
            return _answer.cleaned(
                self._execute_module(module_name=module, module_args=dict(arguments), task_vars=task_vars)
            )


def _is_true(value: object) -> bool:
    return str(value).strip().lower() not in ("false", "no", "off", "n", "f", "0", "0.0")
